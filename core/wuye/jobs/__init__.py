"""Background work: jobs are queued in PostgreSQL, in the transaction of whoever asks for them."""

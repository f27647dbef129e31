"""Customer service: what residents report, ask, complain about, suggest and praise, until they are answered."""

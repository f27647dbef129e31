"""Work: the record that every department's work begins with, its states, its number and its timeline."""

"""Reading other people's tables: files, date formats and the mapping of columns to fields. No database here."""

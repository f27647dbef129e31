"""The database: base classes, estate-scoped sessions, row-level security, roles, the embedded server."""

"""The one error of the private PostgreSQL."""


class LocalPostgresError(Exception):
    """The private PostgreSQL cannot be found, created, started or stopped; the text says why and what to do."""

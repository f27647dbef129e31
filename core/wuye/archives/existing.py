"""What is there already: whether an installation's database holds anything that could be lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from sqlalchemy import URL, create_engine

from wuye.archives import rows
from wuye.db import migrate, versions
from wuye.installation import Installation


@contextmanager
def door(url: URL) -> Iterator[rows.Connection]:
    """Open a connection on which each statement is a transaction of its own."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield cast(rows.Connection, connection.connection.driver_connection)
    finally:
        engine.dispose()


def holds_something(place: Installation) -> bool:
    """Tell whether there is an estate or a user in the installation's database, if there is a database."""
    name = place.database.location.database
    with door(place.superuser) as outside:
        if not outside.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
            return False
    with door(place.superuser.set(database=name)) as inside:
        (known,) = inside.execute("SELECT to_regclass('core_estate') IS NOT NULL").fetchone() or (False,)
        return bool(known) and bool(
            inside.execute("SELECT 1 FROM core_estate UNION SELECT 1 FROM core_user").fetchone()
        )


def would_migrate(place: Installation) -> bool:
    """Tell whether an upgrade would change tables that hold something."""
    if not holds_something(place):
        return False
    with migrate.owner(place.database) as connection:
        return bool(versions.pending(connection, place.plugins))

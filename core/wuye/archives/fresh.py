"""Databases that are made for a while beside the installation's own: to be filled, and to take its place or to go again."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from wuye.archives.existing import door
from wuye.db import bootstrap
from wuye.db.database import Database
from wuye.errors import Conflict
from wuye.i18n import _
from wuye.installation import Installation


@contextmanager
def fresh_database(place: Installation, word: str) -> Iterator[Database]:
    """Make an empty database beside the installation's; it is dropped if the block does not end well.

    One that a killed process has left under this name is dropped first.

    Raises:
        Conflict: somebody is at work in one of this name.
    """
    name = beside(place, word)
    fresh = Database(place.database.location.set(database=name), place.database.secret, pool_size=2)
    drop(place, name)
    try:
        bootstrap.create_database(place.superuser, fresh)
        yield fresh
    except BaseException:
        fresh.dispose()
        drop(place, name)
        raise


@contextmanager
def scratch_database(place: Installation, word: str) -> Iterator[Database]:
    """Make an empty database beside the installation's that is dropped at the end of the block, however it ends."""
    with fresh_database(place, word) as scratch:
        yield scratch
    scratch.dispose()
    drop(place, beside(place, word))


def beside(place: Installation, word: str) -> str:
    """Return the name of a database beside the installation's."""
    return f"{place.database.location.database}_{word}"


def drop(place: Installation, name: str) -> None:
    """Drop a database, if there is one of this name.

    Raises:
        Conflict: somebody is connected to it.
    """
    with door(place.superuser) as outside:
        try:
            outside.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        except psycopg.errors.ObjectInUse:
            raise Conflict(_("Another restore is at work.")) from None

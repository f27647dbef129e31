"""A private PostgreSQL for one installation folder: found, created, started, recovered and stopped from here.

Roles, databases and tables are not made here (`wuye.db.bootstrap`, migrations); nothing else of wuye is imported.
"""

from wuye.db.local.binaries import Binaries, find_binaries
from wuye.db.local.errors import LocalPostgresError
from wuye.db.local.server import LocalPostgres

__all__ = ["Binaries", "LocalPostgres", "LocalPostgresError", "find_binaries"]

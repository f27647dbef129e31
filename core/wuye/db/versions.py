"""Which migrations the tables have had, told without loading what migrates them: every start asks this."""

import re

from sqlalchemy import Connection

from wuye.plugins.loader import Plugin, Plugins

_REVISION = re.compile(r"^revision = [\"'](\w+)[\"']", re.MULTILINE)


def version_table(plugin: str) -> str:
    """Return the name of the table that holds a plugin's revision."""
    return f"{plugin}_alembic_version"


def head_of(plugin: Plugin) -> str | None:
    """Return the newest revision of a plugin's migrations, the last of its files; None if it has none (yet).

    Raises:
        ValueError: that file names no revision.
    """
    files = sorted(plugin.migrations.glob("[0-9]*.py")) if plugin.migrations.is_dir() else []
    if not files:
        return None
    found = _REVISION.search(files[-1].read_text("utf-8"))
    if found is None:
        raise ValueError(f"{files[-1]} names no revision")
    return found[1]


def current(connection: Connection, plugin: str) -> str | None:
    """Return the revision that a plugin's tables are at, None before the first."""
    table = version_table(plugin)
    if connection.exec_driver_sql("SELECT to_regclass(%s)", (table,)).scalar() is None:
        return None
    found: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {table}").scalar()  # noqa: S608 (a plugin's name)
    return found


def pending(connection: Connection, plugins: Plugins) -> list[str]:
    """Return the plugins whose tables are behind their code."""
    return [name for name, plugin in plugins.loaded.items() if current(connection, name) != head_of(plugin)]

"""Migrations: one history for core and one for each plugin, each in a version table of its own."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.config import Config
from alembic.operations import ops
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from wuye.db.base import Base
from wuye.db.columns import Money
from wuye.db.database import Database
from wuye.db.versions import current, head_of, version_table
from wuye.errors import Conflict
from wuye.i18n import _
from wuye.jobs import schema
from wuye.plugins.loader import Plugin, Plugins

#: Any number will do, as long as nobody else locks it: two upgrades at once would trip over each other.
_LOCK = 0x77757965

_TEMPLATE = '''"""{message}."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "{revision}"
down_revision = {down}
branch_labels = None
depends_on = None


def upgrade() -> None:
    {upgrade}


def downgrade() -> None:
    {downgrade}
'''


@dataclass(frozen=True, slots=True)
class Applied:
    """What an upgrade did to one plugin: from which revision to which (None: nothing there)."""

    plugin: str
    before: str | None
    after: str | None


def scripts(plugin: Plugin) -> ScriptDirectory:
    """Return a plugin's migrations."""
    return ScriptDirectory(str(plugin.migrations), version_locations=[str(plugin.migrations)])


def upgrade(database: Database, plugins: Plugins, to: Mapping[str, str] | None = None) -> list[Applied]:
    """Bring the tables of core and of every loaded plugin up to date, one after the other, under a lock.

    `to` maps plugins to an earlier revision, at which their tables are to stand; those that it does not name get none.
    """
    applied = []
    with database.engine("owner").connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        try:
            schema.upgrade(connection)
            for name, plugin in plugins.loaded.items():
                if to is None or name in to:
                    applied.append(_upgrade_one(connection, name, plugin, to[name] if to else head_of(plugin)))
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()
    return applied


def _upgrade_one(connection: Connection, name: str, plugin: Plugin, head: str | None) -> Applied:
    before = current(connection, name)
    if before == head:
        return Applied(name, before, head)
    directory = scripts(plugin)

    def steps(revision: Any, _context: MigrationContext) -> list[Any]:
        return directory._upgrade_revs(head or "head", revision)

    with EnvironmentContext(Config(), directory, fn=steps, destination_rev=head) as environment:
        environment.configure(connection=connection, target_metadata=Base.metadata, version_table=version_table(name))
        with environment.begin_transaction():
            environment.run_migrations()
    connection.execute(text(f"REVOKE INSERT, UPDATE, DELETE ON {version_table(name)} FROM wuye_app"))
    connection.commit()
    return Applied(name, before, head)


def knows(plugin: Plugin, revision: str) -> bool:
    """Tell whether a revision is one of a plugin's migrations: else it is a newer version's, or another plugin's."""
    return revision in {script.revision for script in scripts(plugin).walk_revisions()}


def differences(connection: Connection, plugin: str) -> ops.MigrationScript:
    """Return what a plugin's models say and its tables do not."""
    return produce_migrations(_comparison(connection, plugin), Base.metadata)


def _comparison(connection: Connection, plugin: str) -> MigrationContext:
    """Return the context in which one plugin's tables are compared with its models."""

    def ours(name: str | None, kind: str, parents: Any) -> bool:
        table = name if kind == "table" else parents.get("table_name")
        return table is None or (str(table).startswith(f"{plugin}_") and table != "core_key")

    return MigrationContext.configure(
        connection,
        opts={
            "include_name": ours,
            "include_object": lambda item, name, kind, *_rest: ours(
                name, kind, {"table_name": getattr(getattr(item, "table", None), "name", None)}
            ),
            "compare_type": True,
            "version_table": version_table(plugin),
            "sqlalchemy_module_prefix": "sa.",
            "alembic_module_prefix": "op.",
            "user_module_prefix": None,
        },
    )


def _render_type(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Render our own column types as what they are in the database, so that a migration needs none of our code."""
    return "sa.BigInteger()" if kind == "type" and isinstance(item, Money) else False


@dataclass(frozen=True, slots=True)
class Written:
    """A migration that was written, and what it deletes with its data (`parcels_parcel`, `parcels_parcel.carrier`)."""

    path: Path
    drops: tuple[str, ...]


def drops_of(script: ops.MigrationScript) -> tuple[str, ...]:
    """Return the tables and columns that a migration deletes."""
    assert script.upgrade_ops is not None
    found = []
    waiting = list(script.upgrade_ops.ops)
    while waiting:
        step = waiting.pop(0)
        if isinstance(step, ops.ModifyTableOps):
            waiting = [*step.ops, *waiting]
        elif isinstance(step, ops.DropTableOp):
            found.append(step.table_name)
        elif isinstance(step, ops.DropColumnOp):
            found.append(f"{step.table_name}.{step.column_name}")
    return tuple(found)


def write_migration(
    connection: Connection, plugin: Plugin, message: str, *, allow_drop: bool = False
) -> Written | None:
    """Write the migration that a plugin's models need; None if there is nothing to do.

    Raises:
        Conflict: it would delete data and `allow_drop` is not set.
    """
    name = plugin.manifest.name
    context = _comparison(connection, name)
    script = produce_migrations(context, Base.metadata)
    if script.upgrade_ops is None or script.upgrade_ops.is_empty():
        return None
    assert script.downgrade_ops is not None
    if (drops := drops_of(script)) and not allow_drop:
        raise Conflict(
            _("This would delete, with its data: {what}.", what=", ".join(drops)),
            hint=_("If it was renamed, write a migration that renames it. If it shall go: --allow-drop."),
        )
    plugin.migrations.mkdir(exist_ok=True)
    directory = scripts(plugin)
    down = directory.get_current_head()
    revision = f"{name}_{len(list(directory.walk_revisions())) + 1:04d}"
    words = "_".join(message.lower().split())
    path = plugin.migrations / f"{revision.removeprefix(name + '_')}_{words}.py"
    path.write_text(
        _TEMPLATE.format(
            message=message,
            revision=revision,
            down=repr(down),
            upgrade=render_python_code(script.upgrade_ops, migration_context=context, render_item=_render_type).strip(),
            downgrade=render_python_code(
                script.downgrade_ops, migration_context=context, render_item=_render_type
            ).strip(),
        ),
        "utf-8",
    )
    return Written(path, drops)


@contextlib.contextmanager
def owner(database: Database) -> Iterator[Connection]:
    """Open a connection as the owner, for looking at or changing tables."""
    with database.engine("owner").connect() as connection:
        yield connection

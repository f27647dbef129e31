"""wuye doctor: compares an installation with what it should be, and says what to do about each difference."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select, text

from wuye import audit
from wuye.db import migrate, versions
from wuye.db.base import Base
from wuye.db.policy import GLOBAL_TABLES, is_scoped
from wuye.errors import Text
from wuye.estates.models import Estate, EstatePlugin
from wuye.i18n import _
from wuye.installation import Installation

#: Definer functions of ours; any other would see all estates.
_DEFINERS = {"wuye_verified", "wuye_search"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be: where, what, and what to do."""

    where: str
    problem: Text
    remedy: Text


def examine(place: Installation, *, deep: bool = False) -> Iterator[Finding]:
    """Yield every finding; with `deep` every estate's timeline is verified too, which reads all of it."""
    for name, reason in place.plugins.failed.items():
        yield Finding(
            name, _("The plugin cannot be loaded: {reason}.", reason=reason), _("Mend or remove its package.")
        )
    with migrate.owner(place.database) as connection:
        for name in versions.pending(connection, place.plugins):
            yield Finding(name, _("Tables are behind the code."), _("Run wuye upgrade."))
        yield from _roles(connection)
        yield from _walls(connection)
        yield from _definers(connection)
    yield from _estates(place, deep=deep)


def _roles(connection: Connection) -> Iterator[Finding]:
    rows = connection.execute(text("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname LIKE 'wuye%'"))
    powers = {row.rolname: (row.rolsuper, row.rolbypassrls) for row in rows}
    wanted = {"wuye_owner": False, "wuye_app": False, "wuye_ops": True, "wuye_report": False}
    for name, bypass in wanted.items():
        if powers.get(name) != (False, bypass):
            yield Finding(name, _("The role is missing or has other rights than it should."), _("Run wuye upgrade."))


def _walls(connection: Connection) -> Iterator[Finding]:
    """Compare row-level security and the application's rights with the models, table by table."""
    rows = connection.execute(
        text(
            "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,"
            " ARRAY(SELECT polname::text FROM pg_policy p WHERE p.polrelid = c.oid) AS policies,"
            " has_table_privilege('wuye_app', c.oid, 'UPDATE') AS may_update,"
            " has_table_privilege('wuye_app', c.oid, 'TRUNCATE') AS may_truncate,"
            " pg_get_userbyid(c.relowner) AS owner"
            " FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace"
        )
    )
    found = {row.relname: row for row in rows}
    for table in Base.metadata.sorted_tables:
        row = found.get(table.name)
        if row is None:
            yield Finding(table.name, _("The table is missing."), _("Run wuye upgrade."))
            continue
        if is_scoped(table):
            forced = row.relforcerowsecurity or "owner_reads_all" in table.info
            if not (row.relrowsecurity and forced and {"estate", "portfolio"} <= set(row.policies)):
                yield Finding(table.name, _("The wall between estates has a hole here."), _("Restore its policies."))
        elif table.name not in GLOBAL_TABLES:
            yield Finding(table.name, _("The table belongs to no estate and is not on the list."), _("Scope it."))
        if row.may_truncate or row.owner == "wuye_app" or (row.may_update and "append_only" in table.info):
            yield Finding(table.name, _("The application may do more than it should."), _("Revoke it."))


def _definers(connection: Connection) -> Iterator[Finding]:
    rows = connection.execute(
        text("SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace")
    )
    for (name,) in rows:
        if name not in _DEFINERS:
            yield Finding(name, _("This function runs with its owner's rights."), _("Drop it."))
    views = text("SELECT relname FROM pg_class WHERE relkind = 'm' AND relnamespace = 'public'::regnamespace")
    for (name,) in connection.execute(views):
        yield Finding(name, _("A materialised view shows all estates."), _("Drop it."))


def _estates(place: Installation, *, deep: bool) -> Iterator[Finding]:
    with place.database.session() as session:
        codes = session.scalars(select(Estate.code).order_by(Estate.code)).all()
        gone = select(Estate.code, EstatePlugin.plugin).join(Estate, Estate.id == EstatePlugin.estate_id)
        rows = session.execute(gone.where(EstatePlugin.enabled)).all()
    for code, plugin in rows:
        if plugin not in place.plugins.loaded:
            problem = _("The plugin {plugin} is enabled, but its package is gone.", plugin=plugin)
            yield Finding(code, problem, _("Install it again, or disable it."))
    noted = audit.read(audit.path_of(place.settings)) if deep else []
    for code in codes if deep else ():
        with place.system_context(code) as ctx:
            for broken in audit.verify(ctx.session, noted):
                yield Finding(
                    f"{code} #{broken.sequence}",
                    _("The timeline was changed: {reason}.", reason=broken.reason),
                    _("Compare with a backup; find out who had the owner's password."),
                )

"""Counting, purging and deleting the data of one estate; as the role that works across estates."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Table, delete, false, func, or_, select

from wuye.db.base import Base
from wuye.db.policy import is_scoped
from wuye.db.session import EstateSession
from wuye.errors import Conflict
from wuye.estates.models import Estate
from wuye.estates.services import enabled_plugins
from wuye.files import storage
from wuye.files.models import Attachment
from wuye.i18n import _
from wuye.identity.models import ApiToken, Membership
from wuye.imports.models import ImportMapping, ImportRun
from wuye.installation import Installation, find_estate
from wuye.records.models import Record


def scoped_tables(plugin: str | None = None) -> list[Table]:
    """Return the tables of all loaded plugins that hold rows of estates (of one plugin), referred-to ones first."""
    prefix = f"{plugin}_" if plugin else ""
    return [table for table in Base.metadata.sorted_tables if is_scoped(table) and table.name.startswith(prefix)]


def count_rows(session: EstateSession, plugin: str | None = None) -> Iterator[tuple[str, int]]:
    """Yield every scoped table with the number of its rows in the session's estate."""
    for table in scoped_tables(plugin):
        statement = select(func.count()).select_from(table).where(table.c.estate_id == session.estate_id)
        yield str(table.name), session.connection().scalar(statement) or 0


def _attached_to(attachments: FromClause, estate_id: UUID, plugin: str) -> ColumnElement[bool]:
    """Return the condition of the attachments of a plugin's things."""
    tables = [
        table for table in Base.metadata.sorted_tables if is_scoped(table) and table.name.startswith(f"{plugin}_")
    ]
    things = [select(table.c.id).where(table.c.estate_id == estate_id) for table in tables]
    return or_(false(), *(attachments.c.subject_id.in_(thing) for thing in things))


def _digests(session: EstateSession, estate_id: UUID, plugin: str | None = None) -> set[str]:
    """Return what an estate's attachments (of one plugin) are stored under."""
    table = Attachment.__table__
    statement = select(table.c.sha256).where(table.c.estate_id == estate_id)
    if plugin:
        statement = statement.where(_attached_to(table, estate_id, plugin))
    return set(session.connection().scalars(statement))


def preview_purge(place: Installation, code: str, plugin: str) -> dict[str, int]:
    """Return what a purge would delete: rows by table.

    Raises:
        Conflict: the plugin is still enabled.
    """
    with place.database.session() as session:
        info = find_estate(session, code)
        if plugin in enabled_plugins(session, info.id):
            raise Conflict(_("{plugin} is still enabled here: disable it first.", plugin=plugin))
        session.pin(info.id)
        counts = {name: count for name, count in count_rows(session, plugin) if count}
        mine = Record.kind.startswith(f"{plugin}.")
        counts["core_record"] = session.scalar(select(func.count()).select_from(Record).where(mine)) or 0
        attached = _attached_to(Attachment.__table__, info.id, plugin)
        counts["core_attachment"] = session.scalar(select(func.count()).select_from(Attachment).where(attached)) or 0
    return counts


def purge(place: Installation, code: str, plugin: str) -> None:
    """Delete a disabled plugin's rows in an estate, with their files, its settings and the imports into them.

    Referrals to its records and the timeline stay.

    Raises:
        Conflict: the plugin is still enabled.
    """
    preview_purge(place, code, plugin)
    with place.database.session(role="ops") as session:
        estate_id = find_estate(session, code).id
        session.pin(estate_id)
        connection = session.connection()
        header, referral = Base.metadata.tables["core_record"], Base.metadata.tables["core_referral"]
        mine = select(header.c.id).where(header.c.estate_id == estate_id, header.c.kind.startswith(f"{plugin}."))
        scoped = referral.c.estate_id == estate_id
        connection.execute(referral.update().where(scoped, referral.c.target_id.in_(mine)).values(target_id=None))
        _forget_origins(session, estate_id, plugin)
        attachments = Attachment.__table__
        theirs = (attachments.c.estate_id == estate_id, _attached_to(attachments, estate_id, plugin))
        connection.execute(delete(Attachment).where(*theirs))
        for table in reversed(scoped_tables(plugin)):
            connection.execute(delete(table).where(table.c.estate_id == estate_id))
        decided = Base.metadata.tables["core_plugin_settings"]
        connection.execute(delete(decided).where(decided.c.estate_id == estate_id, decided.c.plugin == plugin))
        for model in (ImportRun, ImportMapping):
            into = model.resource.startswith(f"{plugin}.")
            connection.execute(delete(model).where(model.estate_id == estate_id, into))
        sent = set(connection.scalars(select(ImportRun.sha256).where(ImportRun.estate_id == estate_id)))
        told = Base.metadata.tables["core_notification"]
        connection.execute(delete(told).where(told.c.estate_id == estate_id, told.c.kind.startswith(f"{plugin}.")))
        index = Base.metadata.tables["core_search_entry"]
        found = or_(index.c.kind.startswith(f"{plugin}."), index.c.kind.startswith(f"{plugin}_"))
        connection.execute(delete(index).where(index.c.estate_id == estate_id, found))
        connection.execute(
            delete(header).where(header.c.estate_id == estate_id, header.c.kind.startswith(f"{plugin}."))
        )
        left = _digests(session, estate_id)
    storage.sweep(storage.folder_of(place.settings.data, estate_id), left)
    storage.sweep(storage.imports_of(place.settings.data, estate_id), sent)


def _forget_origins(session: EstateSession, estate_id: UUID, plugin: str) -> None:
    """Delete the referrals that the plugin's own records made: without their origin they mean nothing."""
    header, referral = Base.metadata.tables["core_record"], Base.metadata.tables["core_referral"]
    mine = select(header.c.id).where(header.c.estate_id == estate_id, header.c.kind.startswith(f"{plugin}."))
    orphans = select(referral.c.id).where(referral.c.estate_id == estate_id, referral.c.origin_id.in_(mine))
    found = session.connection().scalars(orphans).all()
    session.connection().execute(delete(header).where(header.c.estate_id == estate_id, header.c.id.in_(found)))


def delete_estate(place: Installation, code: str) -> None:
    """Delete an estate with everything in it, its files included."""
    with place.database.session(role="ops") as session:
        estate_id = find_estate(session, code).id
        session.pin(estate_id)
        connection = session.connection()
        for model in (ApiToken, Membership):
            connection.execute(delete(model).where(model.estate_id == estate_id))
        for table in reversed(scoped_tables()):
            connection.execute(delete(table).where(table.c.estate_id == estate_id))
        connection.execute(delete(Estate).where(Estate.id == estate_id))
    storage.forget(storage.folder_of(place.settings.data, estate_id))

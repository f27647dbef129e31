"""Putting an exported estate back, here or in another installation: in one transaction, hence whole or not at all.

It is written with no more rights than a request has, so whatever an archive says, no row of another estate can be made by it.
Files come last, each under the name of what it contains: what a killed import has brought is found again.
"""

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from uuid import UUID, uuid5

from sqlalchemy import select

from wuye.archives import places, rows
from wuye.archives.estate_archive import EstateArchive
from wuye.archives.estate_export import is_exported
from wuye.archives.estate_rows import Change, load_estate, plugin_of
from wuye.archives.manifest import Manifest, StoredFile
from wuye.archives.older import brought_up_to_date
from wuye.db import migrate
from wuye.db.base import Base
from wuye.db.session import EstateSession
from wuye.errors import Conflict, FieldError, Invalid
from wuye.estates.models import Estate
from wuye.estates.services import check_code, system_actor
from wuye.files import storage
from wuye.i18n import _
from wuye.identity.models import Membership, User
from wuye.installation import Installation, find_estate
from wuye.records.models import TimelineHead
from wuye.records.timeline import verify_chain


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who was a member, with what they were: whoever looks after the estate decides whether to invite them."""

    user_id: UUID
    email: str | None
    name: str
    roles: tuple[str, ...]
    person_id: UUID | None


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brought: the estate's id and code, rows and files, how many are members again, who is not."""

    id: UUID
    code: str
    rows: int
    files: int
    members: int
    to_invite: tuple[Member, ...]
    missing: tuple[str, ...]


def import_estate(
    place: Installation,
    file: Path,
    *,
    code: str | None = None,
    without: Collection[str] = (),
    with_members: bool = False,
    by: str = "wuye",
    progress: rows.Progress = rows.silent,
) -> Imported:
    """Make an estate from an export, and return what came of it.

    Without a `code` it is the same estate again, with its id and code; with one it is a copy under an id of its own.
    `without` names plugins whose data is left out. `with_members` makes members again those whose account here is the
    very same (id and address); nobody else becomes one. `by` is who does it, for the estate's timeline.

    Raises:
        Invalid: the file is damaged, or does not fit this installation. Conflict: there is such an estate already.
    """
    with EstateArchive.open(file) as archive, _present(place, archive, without, progress) as present:
        old = UUID(archive.manifest.estate["id"])
        new, name = (copy_of(old, check_code(code)), code) if code else (old, archive.manifest.estate["code"])
        _refuse_taken(place, new, name)
        left_out = {*without, *(archive.manifest.revisions.keys() - place.plugins.loaded.keys())}
        with place.database.session() as session:
            count = load_estate(session, present, Change(old, new, name), left_out, progress)
            _verify(session, present.manifest)
            members, others = _members(session, archive, with_members=with_members)
            ctx = place.context(session, find_estate(session, name), system_actor(place.plugins, by))
            told = {
                "by": by,
                "from": archive.manifest.estate["code"],
                "at": archive.manifest.at.isoformat(),
                "rows": count,
            }
            ctx.note(new, new, "estate_imported", told, "staff")
            ctx.seal()
            _bring_files(archive, storage.folder_of(place.settings.data, new), progress)
        return Imported(
            new, name, count, archive.manifest.files, members, tuple(others), archive.manifest.missing
        )  # fmt: skip


def copy_of(original: UUID, code: str) -> UUID:
    """Return the id of an estate's copy under a code: the same each time, so that a repeated import finds its files."""
    return uuid5(original, code)


@contextmanager
def _present(
    place: Installation, archive: EstateArchive, without: Collection[str], progress: rows.Progress
) -> Iterator[EstateArchive]:
    """Yield the export's rows as this version has them; refuse what cannot be put back. What no row belongs to does not matter.

    Raises:
        Invalid: it is of a newer version, or of plugins that are not here, or no estate.
    """
    manifest, loaded = archive.manifest, place.plugins.loaded
    if manifest.estate["plugin"]:
        raise Invalid(_("This export holds what one plugin has in an estate, not the estate."))
    wanted = {plugin_of(table, manifest.revisions) for table, facts in manifest.tables.items() if facts.rows}
    wanted |= {name for name, enabled in manifest.estate["plugins"].items() if enabled} | {"core"}
    wanted -= set(without) - {"core"}
    if absent := sorted(wanted - loaded.keys()):
        raise Invalid(
            _("It has data of plugins that are not installed here: {names}.", names=", ".join(absent)),
            hint=_("Install them first, or leave their data out with --without-plugin."),
        )
    with place.database.engine("app").connect() as connection:
        now = rows.revisions_of(cast(rows.Connection, connection.connection.driver_connection))
        connection.rollback()
    other = sorted(name for name in wanted if manifest.revisions.get(name) != now.get(name))
    if newer := [name for name in other if not migrate.knows(loaded[name], manifest.revisions.get(name, ""))]:
        raise Invalid(
            _("It was written by wuye {version}, whose tables are newer: {names}.", version=manifest.release, names=", ".join(newer)),
            hint=_("Install that version (or a newer one) first."),
        )  # fmt: skip
    if other:
        with brought_up_to_date(place, archive, without, progress) as migrated:
            yield migrated
        return
    ours = {table.name for table in Base.metadata.sorted_tables if is_exported(table)}
    known = {name for name in manifest.tables if plugin_of(name, manifest.revisions) in loaded}
    if strange := sorted(known - ours):
        raise Invalid(_("It has tables that no export of an estate has: {names}.", names=", ".join(strange)))
    yield archive


def _refuse_taken(place: Installation, identity: UUID, code: str) -> None:
    with place.database.session() as session:
        taken = session.scalar(select(Estate.code).where((Estate.id == identity) | (Estate.code == code)))
    if taken:
        raise Conflict(
            _("There is an estate “{code}” already.", code=taken), hint=_("Import it as a copy, under another code.")
        )


def _bring_files(archive: EstateArchive, folder: Path, progress: rows.Progress) -> None:
    """Put the files into the estate's folder, before its rows are committed: nobody else can make this estate until then.

    What is brought stays if the process is killed, and is found by the next import; if the file is damaged it goes again.
    """
    files = archive.files()
    try:
        for number, file in enumerate(files, 1):
            _bring_file(archive, file, folder / file.path)
            progress(_("Files"), number, len(files))
    except Exception:
        storage.forget(folder)
        raise


def _bring_file(archive: EstateArchive, file: StoredFile, target: Path) -> None:
    if target.is_file() and places.digest_of(target) == file.sha256:
        return
    places.make_folder(target.parent)
    draft = target.with_name(f".importing-{target.name}")
    draft.unlink(missing_ok=True)
    digest = hashlib.sha256()
    with archive.part(f"files/{file.path}") as content, places.created(draft) as copy:
        while chunk := content.read(1 << 20):
            digest.update(chunk)
            copy.write(chunk)
    if digest.hexdigest() != file.sha256:
        raise archive.damaged(f"files/{file.path}")
    draft.replace(target)


def _verify(session: EstateSession, manifest: Manifest) -> None:
    """Compare the timeline with the end that the export noted: it came whole, entry by entry as it was written."""
    (wanted,) = manifest.chains.values()
    head = session.scalar(select(TimelineHead))
    broken = list(verify_chain(session))
    if broken:
        raise Invalid(
            _("The estate's timeline is broken."),
            errors=[FieldError(f"#{each.sequence}", each.reason) for each in broken[:10]],
        )
    if head is None or (head.sequence, head.digest.hex()) != (wanted.sequence, wanted.digest):
        raise Invalid(_("The end of its timeline is another."))


def _members(session: EstateSession, archive: EstateArchive, *, with_members: bool) -> tuple[int, list[Member]]:
    """Make members again those with the same account here, if that is wanted; return how many, and who is none."""
    count, others = 0, []
    for line in archive.members():
        member = Member(
            UUID(line["user_id"]), line["email"], line["name"], tuple(line["roles"]),
            UUID(line["person_id"]) if line["person_id"] else None,
        )  # fmt: skip
        same = select(User.id).where(User.id == member.user_id, User.email == member.email, User.active)
        if with_members and member.email and session.scalar(same):
            session.add(
                Membership(
                    estate_id=session.estate_id, user_id=member.user_id, person_id=member.person_id, roles=list(member.roles)
                )
            )  # fmt: skip
            count += 1
        else:
            others.append(member)
    session.flush()
    return count, others

"""Exports that a host sends in the browser: kept until a worker has made an estate of them, with what came of it.

There is no estate yet that could keep the task, so it lies beside the file, in the data folder's `exports/arrivals`.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import orjson
import structlog

from wuye.archives import places, rows
from wuye.archives.estate_archive import EstateArchive
from wuye.errors import NotFound, Problem, Text
from wuye.i18n import _, current_locale, use_locale
from wuye.ids import uuid7
from wuye.installation import Installation

log = structlog.get_logger("wuye.arrivals")

#: A file that somebody has sent, and what came of it, are kept no longer than exports are.
KEEP = timedelta(days=3)

#: How far an import is, is noted so often.
_STRIDE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An export on its way in: `code` is that of a copy, `of` that of the estate that it was, `by` who sent it.

    `state` is waiting, working, done or failed; `report` has what `wuye.archives.estate_import.Imported` says.
    """

    id: UUID
    of: str
    code: str | None
    with_members: bool
    by: str
    locale: str
    at: datetime
    state: str = "waiting"
    part: str = ""
    done: int = 0
    total: int = 0
    problem: str = ""
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.state in ("waiting", "working")


def take(place: Installation, stream: BinaryIO, *, code: str | None, with_members: bool, by: str) -> Arrival:
    """Keep an export that somebody sends; what it says of itself is read at once.

    Raises:
        Invalid: it is none.
    """
    folder = _folder(place.settings.data)
    places.make_folder(folder)
    identity = uuid7()
    path = folder / f"{identity}.zip"
    with places.created(path) as file:
        shutil.copyfileobj(stream, file)
    try:
        with EstateArchive.open(path) as archive:
            of = archive.manifest.estate["code"]
    except Problem:
        path.unlink()
        raise
    arrival = Arrival(identity, of, code, with_members, by, current_locale(), place.clock.now())
    _write(folder, arrival)
    return arrival


def find(data: Path, identity: UUID) -> Arrival:
    """Return an arrival.

    Raises:
        NotFound: there is none (any more).
    """
    try:
        found = orjson.loads((_folder(data) / f"{identity}.json").read_bytes())
    except FileNotFoundError:
        raise NotFound(_("There is no such import: it is remembered for some days only.")) from None
    return Arrival(**{**found, "id": UUID(found["id"]), "at": datetime.fromisoformat(found["at"])})


def recent(data: Path) -> list[Arrival]:
    """Return the arrivals that are remembered, the newest first."""
    return list(_all(data))


def perform(place: Installation, identity: UUID) -> None:
    """Make an estate of an arrival, once; it ends as done or failed. A worker that died before has left nothing."""
    folder = _folder(place.settings.data)
    try:
        arrival = find(place.settings.data, identity)
    except NotFound:
        return
    if not arrival.running:
        return

    last = place.clock.now() - _STRIDE

    def tell(part: Text, done: int, total: int) -> None:
        nonlocal last
        now = place.clock.now()
        if now - last >= _STRIDE:
            last = now
            message = part if isinstance(part, str) else part.message
            _write(folder, replace(arrival, state="working", part=message, done=done, total=total))

    with use_locale(arrival.locale):
        try:
            report = _import(place, arrival, folder / f"{identity}.zip", tell)
            ended = replace(arrival, state="done", report=report)
        except Problem as problem:
            ended = replace(arrival, state="failed", problem=str(problem))
        except Exception as error:
            log.error("import of an estate failed", arrival=str(identity), error=type(error).__name__)
            said = _(
                "Something went wrong on our side ({error}). The log knows more under “{id}”.",
                error=type(error).__name__,
                id=identity,
            )
            ended = replace(arrival, state="failed", problem=str(said))
    _write(folder, ended)
    (folder / f"{identity}.zip").unlink(missing_ok=True)


def purge(place: Installation) -> None:
    """Forget what is old, with its file."""
    for arrival in list(_all(place.settings.data)):
        if place.clock.now() - arrival.at > KEEP:
            for ending in ("zip", "json"):
                (_folder(place.settings.data) / f"{arrival.id}.{ending}").unlink(missing_ok=True)


def _import(place: Installation, arrival: Arrival, file: Path, tell: rows.Progress) -> dict[str, Any]:
    from wuye.archives.estate_import import import_estate  # the worker's; it brings the migrations along

    done = import_estate(
        place, file, code=arrival.code, with_members=arrival.with_members, by=arrival.by, progress=tell
    )
    return asdict(done)


def _all(data: Path) -> Iterator[Arrival]:
    for path in sorted(_folder(data).glob("*.json"), reverse=True):
        with suppress(NotFound):
            yield find(data, UUID(path.stem))


def _folder(data: Path) -> Path:
    return data / "exports" / "arrivals"


def _write(folder: Path, arrival: Arrival) -> None:
    draft = folder / f".{arrival.id}.{os.getpid()}"
    draft.unlink(missing_ok=True)
    with places.created(draft) as file:
        file.write(orjson.dumps(arrival))
    draft.replace(folder / f"{arrival.id}.json")

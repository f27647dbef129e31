"""Backups that are made by themselves: when one is due, how many are kept, and how the last one went.

Everything that is known of them lies in the folder of backups, so that it can be looked at from anywhere.
"""

import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import structlog

from wuye.archives import places, rows
from wuye.archives.backup import back_up
from wuye.archives.checks import check
from wuye.archives.manifest import Manifest, read_manifest
from wuye.config import BackupsKept, Settings
from wuye.errors import Invalid, Problem, Text
from wuye.i18n import _
from wuye.installation import Installation

log = structlog.get_logger("wuye.backups")

#: A backup of every day is late after so long.
LATE = timedelta(hours=26)

#: What a backup that was killed has left is swept away after so long.
_STALE = timedelta(days=2)

_STATE = "state.json"
_CHECKED = "checked"


@dataclass(frozen=True, slots=True)
class State:
    """How the last backup goes or went: `state` is working, done or failed; `at` (UTC) is when that was written."""

    state: str
    at: datetime
    part: str = ""
    done: int = 0
    total: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup as lists show it; `checked` (UTC) is when all of it was read again, `manifest` None if it is damaged."""

    folder: Path
    manifest: Manifest | None
    checked: datetime | None


def folder_of(settings: Settings) -> Path:
    """Return where backups go that nobody names a place for."""
    return settings.backup_folder or settings.data / "backups"


def due(settings: Settings, now: datetime) -> bool:
    """Tell whether the backup of the last 24 hours is still to be made: also one that a stopped worker has missed."""
    if settings.backup_folder is None:
        return False
    wanted = now.astimezone(UTC).replace(hour=settings.backup_hour, minute=0, second=0, microsecond=0)
    if wanted > now:
        wanted -= timedelta(days=1)
    newest = _newest(settings)
    return newest is None or newest < wanted


def trouble(settings: Settings, now: datetime) -> Text | None:
    """Return what is wrong with the scheduled backups, None if all is well or none are wanted."""
    if settings.backup_folder is None:
        return None
    newest, last = _newest(settings), state_of(settings)
    if newest is not None and now - newest <= LATE:
        return None
    if last is not None and last.state == "failed":
        return _("The last backup failed: {reason}", reason=last.problem)
    if newest is None:
        return _("There is no backup yet.")
    return _("The newest backup is {n} hours old.", n=int((now - newest).total_seconds() // 3600))


def make(place: Installation, progress: rows.Progress = rows.silent) -> tuple[Path, Manifest]:
    """Make a backup in the folder of backups, read it again, and delete those that are not to be kept any longer.

    Raises:
        Problem, OSError: it could not be made; `state_of` says so too, as far as the folder can be written to.
    """
    settings = place.settings
    folder = folder_of(settings)
    target = folder / places.name_of(place.clock.now())
    try:
        places.make_folder(folder)
        _note(settings, State("working", place.clock.now()))
        manifest = back_up(place, target, secret=settings.backup_secret, progress=_noting(place, progress))
        check(target, progress=_noting(place, progress))
        with places.created(target / _CHECKED) as file:
            file.write(place.clock.now().isoformat().encode())
    except Exception as error:
        reason = str(error) if isinstance(error, Problem | OSError) else type(error).__name__
        _note(settings, State("failed", place.clock.now(), problem=reason))
        raise
    _note(settings, State("done", place.clock.now()))
    thin(folder, settings.backup_keep, place.clock.now())
    return target, manifest


def make_if_due(place: Installation) -> None:
    """Make the backup that is due, if one is; one that fails is told in the log, and tried again when this is called again."""
    if due(place.settings, place.clock.now()):
        make_and_tell(place)


def make_and_tell(place: Installation) -> None:
    """Make a backup for nobody who waits: what goes wrong is told in the log, the host's console and the state."""
    try:
        folder, manifest = make(place)
        log.info("backup made", backup=folder.name, rows=manifest.rows, files=manifest.files)
    except Exception as error:
        said = str(error) if isinstance(error, Problem | OSError) else type(error).__name__
        log.error("backup failed", error=said)


def listing(settings: Settings) -> list[Backup]:
    """Return the backups that there are, the newest first."""
    return [_read(folder) for folder in reversed(places.backups_in(folder_of(settings)))]


def state_of(settings: Settings) -> State | None:
    """Return how the last backup goes or went, None before the first."""
    try:
        found = orjson.loads((folder_of(settings) / _STATE).read_bytes())
        return State(**{**found, "at": datetime.fromisoformat(found["at"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def thin(folder: Path, keep: BackupsKept, now: datetime) -> list[Path]:
    """Delete the backups that are not to be kept, and what killed ones have left; return which went.

    Only what bears the name of a moment is ever deleted: what somebody has named themselves stays.
    """
    dated = {moment: path for path in places.backups_in(folder) if (moment := places.moment_of(path)) is not None}
    gone = [dated[moment] for moment in sorted(dated.keys() - kept(dated, keep))]
    for path in gone:
        leaving = path.with_name(f".{path.name}.part")  # half-deleted it must not look like a backup
        shutil.rmtree(leaving, ignore_errors=True)
        path.rename(leaving)
        shutil.rmtree(leaving)
    for path in folder.glob(".*.part"):
        if now.timestamp() - path.stat().st_mtime > _STALE.total_seconds():
            shutil.rmtree(path, ignore_errors=True)
    return gone


def kept(moments: Iterable[datetime], keep: BackupsKept) -> set[datetime]:
    """Return which of these moments are kept: the last one of each of the latest days, weeks (ISO) and months (UTC)."""
    chosen: set[datetime] = set()
    ordered = sorted(moments, reverse=True)
    for count, form in ((keep.daily, "%Y-%m-%d"), (keep.weekly, "%G-%V"), (keep.monthly, "%Y-%m")):
        periods: dict[str, datetime] = {}
        for moment in ordered:
            periods.setdefault(moment.strftime(form), moment)
        chosen.update(list(periods.values())[:count])
    return chosen | set(ordered[:1])


def _newest(settings: Settings) -> datetime | None:
    moments = [places.moment_of(path) for path in places.backups_in(folder_of(settings))]
    return max((moment for moment in moments if moment is not None), default=None)


def _read(folder: Path) -> Backup:
    try:
        manifest = read_manifest(folder)
    except Invalid:
        manifest = None
    try:
        checked = datetime.fromisoformat((folder / _CHECKED).read_text("ascii"))
    except (OSError, ValueError):
        checked = None
    return Backup(folder, manifest, checked)


def _noting(place: Installation, progress: rows.Progress) -> rows.Progress:
    """Return a progress that is also written down, once a second at most."""
    last = place.clock.now()

    def tell(part: Text, done: int, total: int) -> None:
        nonlocal last
        progress(part, done, total)
        now = place.clock.now()
        if now - last >= timedelta(seconds=1):
            last = now
            message = part if isinstance(part, str) else part.message
            _note(place.settings, State("working", now, message, done, total))

    return tell


def _note(settings: Settings, state: State) -> None:
    folder = folder_of(settings)
    draft = folder / f".{_STATE}.{os.getpid()}"
    try:
        draft.unlink(missing_ok=True)
        with places.created(draft) as file:
            file.write(orjson.dumps(asdict(state)))
        draft.replace(folder / _STATE)
    except OSError as error:
        log.warning("the state of the backup cannot be written", error=str(error))

"""wuye backup and restore: the whole installation, kept somewhere else and put back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from wuye.archives import schedule
from wuye.archives.backup import back_up
from wuye.archives.checks import check as check_backup
from wuye.archives.manifest import Manifest
from wuye.archives.restore import restore
from wuye.archives.rows import Progress as Told
from wuye.cli.output import emit, installation, json_option, say
from wuye.errors import Text
from wuye.i18n import _

folder_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))


@click.command("backup")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), required=False)
@click.option("--without-secret", is_flag=True, help="Leave the installation's secret out; keep it elsewhere.")
@json_option
def backup_command(folder: Path | None, without_secret: bool, as_json: bool) -> None:
    """Back the whole installation up into a new folder, while it serves: all rows of one moment, and all files.

    Without DIR it goes, under the moment's name, into WUYE_BACKUP_FOLDER (or backups in the data folder), is read again,
    and old ones there are deleted. Files that a backup beside it has already take no further room.
    Example: wuye backup /srv/backups/monday
    """
    with installation() as place, progress_bars(quiet=as_json) as progress:
        if folder is None:
            chosen = place.settings.backup_secret and not without_secret
            place.settings = replace(place.settings, backup_secret=chosen)
            folder, manifest = schedule.make(place, progress)
        else:
            manifest = back_up(place, folder, secret=not without_secret, progress=progress)
    _tell(manifest, folder, as_json=as_json)
    for path in manifest.missing:
        say(_("This file was missing already: {path}", path=path))
    if manifest.secret:
        say(_("It holds all data in full, and the installation's secret: whoever has it can do everything. Guard it."))
    else:
        say(_("It holds all data in full, but not the secret, without which it cannot be restored. Guard both."))


@click.command("restore")
@folder_argument
@click.option("--check", is_flag=True, help="Only read the backup and say whether all of it is as it was written.")
@click.option("--verify", is_flag=True, help="Compare every row, file and timeline before the backup takes its place.")
@click.option("--replace", is_flag=True, help="Give up what is in this installation for the backup.")
@json_option
def restore_command(folder: Path, check: bool, verify: bool, replace: bool, as_json: bool) -> None:
    """Put a backup back, into a new installation (--data) or in the place of this one; all of it or nothing.

    A backup of an older version is brought up to this one. Example: wuye --data /srv/new restore /srv/backups/monday
    --verify
    """
    if check:
        with progress_bars(quiet=as_json) as progress:
            manifest = check_backup(folder, progress=progress)
        _tell(manifest, folder, as_json=as_json)
        say(_("The backup is whole."))
        return
    with installation() as place, progress_bars(quiet=as_json) as progress:
        manifest = restore(place, folder, replace=replace, verified=verify, progress=progress)
    _tell(manifest, folder, as_json=as_json)
    say(_("It was restored, and compared row by row.") if verify else _("It was restored."))


def _tell(manifest: Manifest, folder: Path, *, as_json: bool) -> None:
    facts: dict[str, Any] = {
        "folder": str(folder.absolute()), "at": manifest.at, "release": manifest.release, "rows": manifest.rows,
        "files": manifest.files, "file_bytes": manifest.file_bytes, "estates": len(manifest.chains),
        "missing": manifest.missing, "secret": manifest.secret,
    }  # fmt: skip
    if as_json:
        emit(facts)
        return
    say(
        _("{folder}: {rows} rows of {estates} estates and {files} files ({mb} MB), of {at}.",
          folder=folder, rows=manifest.rows, estates=len(manifest.chains), files=manifest.files,
          mb=f"{manifest.file_bytes / 1e6:.1f}", at=manifest.at.isoformat(" ", "seconds"))
    )  # fmt: skip


@contextmanager
def progress_bars(*, quiet: bool) -> Iterator[Told]:
    """Show how far each part of a long work is, on a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as bars:
        known: dict[Text, TaskID] = {}

        def tell(part: Text, done: int, total: int) -> None:
            if part not in known:
                known[part] = bars.add_task(str(part), total=total)
            bars.update(known[part], completed=done)

        yield tell

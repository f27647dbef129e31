"""What an archive says of itself: what it is of, from when, and how each part of it can be checked.

docs/explanation/archive-format.md describes the format for those who read archives with other programs.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import orjson

from wuye.archives.places import MANIFEST, created
from wuye.errors import Invalid
from wuye.i18n import _

FORMAT = "wuye-archive"

#: The format's version: raised when an older wuye could not read what a newer one writes.
VERSION = 1

CHECKSUM = "manifest.sha256"
FILE_LIST = "files.jsonl"
SECRET = "secret"  # noqa: S105 (a file's name)
SETTINGS = "wuye.toml"

Kind = Literal["installation", "estate"]


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One table: how many rows, the SHA-256 (hex) of its JSON lines, and its columns in the order of a line."""

    rows: int
    sha256: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of an archive: where it lies below `files/`, its size in bytes, and its SHA-256 (hex)."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The end of an estate's timeline: the last sequence number, and the digest (hex) that the whole chain leads to."""

    estate_id: UUID
    sequence: int
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive is.

    `at` (UTC) is the moment whose state it holds; `release` the wuye that wrote it; `revisions` the migration that each
    plugin's tables were at; `chains` maps estate codes to the ends of their timelines; `files` counts the stored files,
    `file_list` is the SHA-256 of their list, `missing` names those that rows speak of and that were gone already. An
    installation's has the fingerprint of its secret; an estate's has what is needed to make the estate (`estate`).
    """

    kind: Kind
    at: datetime
    release: str
    server: str
    revisions: Mapping[str, str]
    tables: Mapping[str, TableFacts]
    chains: Mapping[str, ChainHead]
    files: int = 0
    file_bytes: int = 0
    file_list: str = ""
    missing: tuple[str, ...] = ()
    fingerprint: str | None = None
    secret: bool = False
    estate: Mapping[str, Any] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the manifest as it is written: JSON, indented, with the format's name and version first."""
        head = {"format": FORMAT, "version": VERSION}
        return orjson.dumps({**head, **asdict(self)}, option=orjson.OPT_INDENT_2) + b"\n"

    @classmethod
    def decode(cls, content: bytes, where: str) -> "Manifest":
        """Read a manifest; `where` is named in errors.

        Raises:
            Invalid: it is no manifest of ours, or of a newer format than this wuye reads.
        """
        try:
            data = orjson.loads(content)
            name, version = data.pop("format"), data.pop("version")
        except (ValueError, KeyError, AttributeError, TypeError):
            name, version = None, 0
        if name != FORMAT:
            raise Invalid(_("{where} is not the manifest of an archive of wuye.", where=where))
        if version > VERSION:
            raise Invalid(
                _("{where} was written in format {theirs}; this wuye reads up to {ours}.", where=where, theirs=version, ours=VERSION),
                hint=_("Install the newer wuye, or write the archive with this one."),
            )  # fmt: skip
        try:
            return cls._built(data)
        except (KeyError, TypeError, ValueError) as error:
            raise Invalid(_("{where} is incomplete: {reason}.", where=where, reason=str(error))) from error

    @classmethod
    def _built(cls, data: dict[str, Any]) -> "Manifest":
        tables = {
            name: TableFacts(int(each["rows"]), str(each["sha256"]), tuple(each["columns"]))
            for name, each in data.pop("tables").items()
        }
        chains = {
            code: ChainHead(UUID(each["estate_id"]), int(each["sequence"]), str(each["digest"]))
            for code, each in data.pop("chains").items()
        }
        at = datetime.fromisoformat(data.pop("at"))
        missing = tuple(data.pop("missing", ()))
        return cls(at=at, tables=tables, chains=chains, missing=missing, **data)

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(table.rows for table in self.tables.values())


def checksum(content: bytes) -> bytes:
    """Return the line that `sha256sum -c` reads for a manifest."""
    return f"{hashlib.sha256(content).hexdigest()}  {MANIFEST}\n".encode("ascii")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest with its checksum (`sha256sum -c` reads it) into an archive's folder."""
    content = manifest.encode()
    with created(folder / MANIFEST) as file:
        file.write(content)
    with created(folder / CHECKSUM) as file:
        file.write(checksum(content))


def read_manifest(folder: Path, kind: Kind = "installation") -> Manifest:
    """Read the manifest of an archive's folder, having checked that it is what was written.

    Raises:
        Invalid: there is none, it is damaged, or the archive is of another kind.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
        noted = (folder / CHECKSUM).read_text("ascii").split()[0]
    except (FileNotFoundError, NotADirectoryError, IndexError, UnicodeDecodeError):
        raise Invalid(
            _("There is no complete backup in {folder}.", folder=folder),
            hint=_("Name the folder that holds {name}.", name=MANIFEST),
        ) from None
    if hashlib.sha256(content).hexdigest() != noted:
        raise Invalid(_("{file} is damaged.", file=path))
    manifest = Manifest.decode(content, str(path))
    if manifest.kind != kind:
        raise Invalid(_("{file} is of another kind: {kind}.", file=path, kind=manifest.kind))
    return manifest

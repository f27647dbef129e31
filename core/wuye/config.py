"""Settings: from the environment (`WUYE_*`) over a TOML file over defaults, checked at start."""

import os
import secrets
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from email.errors import HeaderParseError
from email.headerregistry import Address
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from wuye.errors import FieldError, Misconfigured
from wuye.i18n import _


@dataclass(frozen=True, slots=True)
class BackupsKept:
    """How many backups are kept: the last one of each of so many days, weeks and months."""

    daily: int = 7
    weekly: int = 4
    monthly: int = 6

    def __str__(self) -> str:
        return f"{self.daily},{self.weekly},{self.monthly}"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that an installation can be told from outside: each one a variable `WUYE_…` or a line of `wuye.toml`."""

    data: Path = field(
        metadata={
            "help": "Folder of the installation: its secret, the embedded database, files. Only from the environment."
        }
    )
    database_url: URL | None = field(
        default=None,
        metadata={
            "help": "An external PostgreSQL, with a role that `wuye upgrade` may use to create the others; without it the"
            " embedded one."
        },
    )
    strict: bool = field(
        default=False,
        metadata={"help": "A plugin that fails to load is fatal; else it is named in the log and skipped."},
    )
    demo: bool = field(
        default=False,
        metadata={
            "help": "The demo's people may sign in, and one-time codes are written to the log. Never in production."
        },
    )
    pool_size: int = field(default=8, metadata={"help": "Connections to the database that a process keeps, 1 to 200."})
    least_free_mb: int = field(
        default=1024,
        metadata={
            "help": "Megabytes that should be free on the disk of the data folder; with less /readyz says `degraded`."
        },
    )
    request_threads: int = field(
        default=4,
        metadata={
            "help": "Requests that a server process works on at the same time, 1 to 200. More answer no sooner: one at a time"
            " can compute, the others wait for the database."
        },
    )
    estate_requests: int = field(
        default=2,
        metadata={"help": "How many of these may be of one estate, so that none takes the places of the others."},
    )
    prepared_statements: bool = field(
        default=True,
        metadata={
            "help": "Keep prepared statements on a connection. Set it to false behind pgbouncer in transaction mode, unless"
            " that has `max_prepared_statements`."
        },
    )
    trusted_proxies: int = field(
        default=0,
        metadata={
            "help": "How many reverse proxies stand before the server, 0 to 10. From so many the headers X-Forwarded-For,"
            " -Proto and -Host are believed: for limits by address, for secure cookies behind TLS, for the addresses in QR"
            " codes. With more than there are, anybody can pretend to be anybody."
        },
    )
    public_url: str | None = field(
        default=None,
        metadata={
            "help": "The address under which people reach the server (`https://wuye.example`): for the links in letters and"
            " those that the command line prints."
        },
    )
    audit_anchors: Path | None = field(
        default=None,
        metadata={
            "help": "File that the ends of all timelines are noted in once a day, `anchors.log` in the data folder by default."
            " Best on another machine's disk, where it can be added to and not changed."
        },
    )
    hosts: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "The names under which the server answers besides localhost, this machine's own name and addresses, and"
            " that of `public_url`, with commas between them (`wuye.example,www.wuye.example`). Every other one is refused"
            " (421), so that no link leads to a host that somebody made up."
        },
    )
    smtp_host: str | None = field(
        default=None,
        metadata={
            "help": "The server that takes letters (SMTP): invitations and links for a new password. Without one a link is"
            " shown to who made it, once. Needs `smtp_from` and `public_url`."
        },
    )
    smtp_port: int = field(default=587, metadata={"help": "The mail server's port."})
    smtp_security: str = field(
        default="starttls",
        metadata={
            "help": "`starttls`, `tls` (from the first byte, often port 465), or `none`, which is for a server on this"
            " machine alone."
        },
    )
    smtp_user: str | None = field(default=None, metadata={"help": "The name to sign in to the mail server with."})
    smtp_password: str | None = field(default=None, repr=False, metadata={"help": "The password that goes with it."})
    smtp_from: str | None = field(default=None, metadata={"help": "The e-mail address that letters come from."})

    backup_folder: Path | None = field(
        default=None,
        metadata={
            "help": "Where the worker puts a backup every day, best on another disk; without it, it makes none. What is"
            " asked for by hand goes into `backups` in the data folder then."
        },
    )
    backup_hour: int = field(
        default=18,
        metadata={"help": "The hour (UTC, 0 to 23) from which the day's backup is due: 18 is 02:00 in China."},
    )
    backup_keep: BackupsKept = field(
        default=BackupsKept(),
        metadata={
            "help": "How many backups are kept, as days,weeks,months: the last one of each. The others are deleted."
        },
    )
    backup_secret: bool = field(
        default=True,
        metadata={"help": "Scheduled backups hold the installation's secret. With false keep it elsewhere yourself."},
    )

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ, *, data: Path | None = None) -> "Settings":
        """Read the settings.

        Raises:
            Misconfigured: a value or a key makes no sense; all of them are named at once.
        """
        folder = data or Path(environ.get("WUYE_DATA") or Path.home() / ".local" / "share" / "wuye")
        values: dict[str, object] = {}
        problems: list[FieldError] = []
        known = {field.name for field in fields(cls)} - {"data"}
        path = folder / "wuye.toml"
        if path.is_file():
            try:
                values.update(tomllib.loads(path.read_text("utf-8")))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                problems.append(FieldError(str(path), str(error)))
        for key in values.keys() - known:
            problems.append(FieldError(f"{path}: {key}", _("This setting does not exist.")))
        values.update({key: environ[f"WUYE_{key.upper()}"] for key in known if environ.get(f"WUYE_{key.upper()}")})
        checked: dict[str, object] = {}
        for key in known & values.keys():
            try:
                checked[key] = _PARSERS[key](values[key])
            except (ValueError, ArgumentError) as error:
                problems.append(FieldError(key, str(error)))
        problems += _contradictions(checked)
        if problems:
            raise Misconfigured(_("The settings cannot be used as they are."), errors=problems)
        return cls(data=folder.expanduser().absolute(), **checked)  # type: ignore[arg-type]  # checked by the parsers

    def secret(self) -> bytes:
        """Return the installation's secret, made on first use and kept in the folder, readable to its owner only.

        `WUYE_SECRET` in the environment takes precedence (several machines must share one).
        """
        if given := os.environ.get("WUYE_SECRET"):
            if len(given) < 32:
                raise Misconfigured(_("WUYE_SECRET is too short: 32 characters are the least."))
            return given.encode()
        path = self.data / "secret"
        if not path.exists():
            # Another account may run the embedded database below it: that goes through, and lists nothing.
            self.data.mkdir(mode=0o711, parents=True, exist_ok=True)
            draft = path.with_suffix(f".{os.getpid()}")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
            try:
                os.link(draft, path)  # whoever comes first wins; the others read the winner's
            except FileExistsError:
                pass  # another process made it in the same moment
            finally:
                draft.unlink()
        return path.read_bytes().strip()


def _contradictions(checked: Mapping[str, object]) -> list[FieldError]:
    """Return what is wrong with settings that make sense one by one."""
    host, security = checked.get("smtp_host"), checked.get("smtp_security", "starttls")
    found = []
    if host is not None:
        missing = [name for name in ("smtp_from", "public_url") if name not in checked]
        found += [FieldError(name, _("A mail server (smtp_host) is of no use without this.")) for name in missing]
    if security == "none" and host not in (None, "localhost", "127.0.0.1", "::1"):
        reason = _("E-mails would cross the network in the clear: use starttls or tls.")
        found.append(FieldError("smtp_security", reason))
    if ("smtp_user" in checked) != ("smtp_password" in checked):
        found.append(FieldError("smtp_user", _("The mail server's user and password go together.")))
    return found


def _boolean(value: object) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if isinstance(value, bool):
        return value
    if str(value).lower() not in words:
        raise ValueError(str(_("Use true or false, not {value!r}.", value=value)))
    return words[str(value).lower()]


def _database_url(value: object) -> URL:
    url = make_url(str(value))
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError(str(_("wuye needs a PostgreSQL URL (postgresql://…).")))
    if not url.database:
        raise ValueError(str(_("The URL must name a database (postgresql://…/wuye).")))
    return url.set(drivername="postgresql+psycopg")


def _count(value: object) -> int:
    number = int(str(value))
    if not 1 <= number <= 200:
        raise ValueError(str(_("Use a number from 1 to 200.")))
    return number


def _proxies(value: object) -> int:
    number = int(str(value))
    if not 0 <= number <= 10:
        raise ValueError(str(_("Use a number from {low} to {high}.", low=0, high=10)))
    return number


def _port(value: object) -> int:
    number = int(str(value))
    if not 1 <= number <= 65535:
        raise ValueError(str(_("Use a number from {low} to {high}.", low=1, high=65535)))
    return number


def _security(value: object) -> str:
    if value not in ("starttls", "tls", "none"):
        raise ValueError(str(_("Use one of: {choices}.", choices="starttls, tls, none")))
    return str(value)


def _sender(value: object) -> str:
    try:
        return Address(addr_spec=str(value)).addr_spec
    except (HeaderParseError, ValueError, IndexError) as error:
        raise ValueError(str(_("This is not an e-mail address."))) from error


def _public_url(value: object) -> str:
    parts = urlsplit(str(value))
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
        raise ValueError(str(_("Use the address of the server and nothing behind it (https://wuye.example).")))
    return f"{parts.scheme}://{parts.netloc}"


def _megabytes(value: object) -> int:
    number = int(str(value))
    if number < 0:
        raise ValueError(str(_("Use a number that is not below 0.")))
    return number


def _hosts(value: object) -> tuple[str, ...]:
    given = value if isinstance(value, list) else str(value).split(",")
    names = tuple(str(name).strip().lower() for name in given if str(name).strip())
    if any(set(name) & set("/:@ *") for name in names):
        raise ValueError(str(_("Use names of hosts alone, without http:// and without a port.")))
    return names


def _folder(value: object) -> Path:
    path = Path(str(value)).expanduser()
    if not path.is_absolute():
        raise ValueError(str(_("Use a whole path, not {value!r}.", value=value)))
    return path


def _hour(value: object) -> int:
    number = int(str(value))
    if not 0 <= number <= 23:
        raise ValueError(str(_("Use a number from {low} to {high}.", low=0, high=23)))
    return number


def _kept(value: object) -> BackupsKept:
    try:
        days, weeks, months = (int(part) for part in str(value).split(","))
    except ValueError:
        raise ValueError(str(_("Use three numbers as in 7,4,6: days, weeks, months."))) from None
    if min(days, weeks, months) < 0 or days < 1:
        raise ValueError(str(_("Use three numbers as in 7,4,6: days, weeks, months.")))
    return BackupsKept(days, weeks, months)


_PARSERS: dict[str, Callable[[object], object]] = {
    "backup_folder": _folder,
    "backup_hour": _hour,
    "backup_keep": _kept,
    "backup_secret": _boolean,
    "audit_anchors": _folder,
    "database_url": _database_url,
    "hosts": _hosts,
    "strict": _boolean,
    "demo": _boolean,
    "pool_size": _count,
    "least_free_mb": _megabytes,
    "request_threads": _count,
    "estate_requests": _count,
    "prepared_statements": _boolean,
    "trusted_proxies": _proxies,
    "public_url": _public_url,
    "smtp_host": str,
    "smtp_port": _port,
    "smtp_security": _security,
    "smtp_user": str,
    "smtp_password": str,
    "smtp_from": _sender,
}

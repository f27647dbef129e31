"""The data directory: made by initdb, told its settings, cleared of what a crash left behind."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from wuye.db.local.account import Account, give, run
from wuye.db.local.binaries import Binaries
from wuye.db.local.errors import LocalPostgresError
from wuye.db.local.files import write_whole

SUPERUSER = "postgres"
_SETTINGS_FILE = "wuye.conf"

# What an administrator sets with ALTER SYSTEM takes precedence over these. Durability is PostgreSQL's default: full.
DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "cluster_name": "wuye",
        "max_connections": "100",
        # Room for the hot pages of lists over a million rows; pages that were never used cost no memory.
        "shared_buffers": "128MB",
        "random_page_cost": "1.1",  # on flash an index pays off much sooner than the default of 4 believes
        "autovacuum_naptime": "15s",  # until then the planner knows nothing of what an import brought in
        "jit": "off",  # compiling a query takes longer than a list page
        "idle_in_transaction_session_timeout": "5min",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_min_messages": "warning",
        "log_checkpoints": "off",
        # No personal data in the log: not as parameters, not as literals of a failing statement, and not in the
        # DETAIL of a violated constraint, which quotes the row.
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "unix_socket_permissions": "0777",  # whoever gets here still needs a password
    }
)


def major_version(cluster: Path) -> int | None:
    """Return the major version that made a data directory, None where there is none."""
    try:
        text = (cluster / "PG_VERSION").read_text("ascii").strip()
    except FileNotFoundError:
        return None
    return int(text.split(".")[0])


def create(cluster: Path, binaries: Binaries, account: Account | None, password: str, *, durable: bool) -> None:
    """Run initdb; the data directory appears complete or not at all.

    Raises:
        LocalPostgresError: initdb failed; the text holds what it said.
    """
    draft = cluster.with_name("cluster.new")
    shutil.rmtree(draft, ignore_errors=True)  # left by one that was interrupted
    draft.mkdir(mode=0o700)
    secret = cluster.with_name("cluster.password")
    secret.unlink(missing_ok=True)
    write_whole(secret, f"{password}\n")
    for path in (draft, secret):
        give(path, account)
    command: list[str | Path] = [
        binaries.program("initdb"),
        f"--pgdata={draft}",
        f"--username={SUPERUSER}",
        f"--pwfile={secret}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=libc",
        "--data-checksums",  # the default only since 18
    ]
    try:
        result = run(command if durable else [*command, "--no-sync"], account)
    finally:
        secret.unlink()
    if result.returncode:
        shutil.rmtree(draft, ignore_errors=True)
        said = result.stdout.decode(errors="replace").strip()
        raise LocalPostgresError(f"PostgreSQL could not create its data in {cluster}. initdb said:\n{said}")
    with (draft / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(f"\ninclude_if_exists = '{_SETTINGS_FILE}'  # written by wuye at every start\n")
    draft.rename(cluster)


def configure(cluster: Path, settings: Mapping[str, str]) -> None:
    """Write the settings that the next start reads."""
    lines = [f"{name} = '{_escaped(value)}'" for name, value in {**DEFAULTS, **settings}.items()]
    header = "# Written by wuye at every start. To change a setting use ALTER SYSTEM, which comes after this file.\n"
    write_whole(cluster / _SETTINGS_FILE, header + "\n".join(lines) + "\n")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")


def take_over(cluster: Path, account: Account | None) -> None:
    """Mend what a copy or a restore may change, and the server would refuse: root as the owner, an open mode."""
    if account and cluster.stat().st_uid != account.uid:
        for path in [*cluster.rglob("*"), cluster]:  # the folder last: it says that all is done
            give(path, account)
    if cluster.stat().st_mode & 0o077:
        cluster.chmod(0o700)


def clear_leftovers(cluster: Path, socket_dir: Path) -> None:
    """Delete what a killed server leaves behind and a new one may stumble over; no server may run.

    PostgreSQL believes these files when the process they name exists, though it may be a zombie that nobody
    reaps, or a stranger that got the number (always so in containers, and in a copy of a folder in use). Should a
    server run after all, its shared memory, which is looked up by the directory's inode, still stops a second one.
    """
    (cluster / "postmaster.pid").unlink(missing_ok=True)
    for path in socket_dir.glob(".s.PGSQL.*"):
        path.unlink()

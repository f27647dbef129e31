"""The group that serves: whichever process dies comes back; what was started is stopped; two do not share a place."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from wuye.db.local import LocalPostgres
from wuye.serving import locks
from wuye.testing import DEADLINE
from wuye.testing.serving import Group, free_port, is_running
from wuye.testing.waiting import seconds_until


def refused(data, port, **environment):
    """What `wuye serve` says that is refused; the exit code goes before it."""
    done = subprocess.run(
        [sys.executable, "-m", "wuye", "serve", "--port", str(port)],
        env={**os.environ, "WUYE_DATA": str(data), "LANG": "en", "LC_ALL": "", **environment},
        capture_output=True, text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr.strip()


def test_whichever_process_is_killed_comes_back(group):
    group.start()
    for name in ("server 1", "server 1", "worker", "postgres", "server 1"):
        seconds_until(lambda name=name: is_running(group.pid(name)), f"a life of {name}")
        killed = group.kill(name)
        seconds_until(lambda name=name, killed=killed: group.pid(name) not in (0, killed), f"a new {name}")
        seconds_until(group.is_ready, f"serving after {name} was killed")
    assert '"the database answers again"' in group.said()
    assert group.end() == 0


def test_a_killed_supervisor_leaves_no_orphan_and_its_successor_the_same_port(group):
    group.start()
    orphans = [group.pid(name) for name in ("server 1", "worker")]
    group.kill("supervisor")
    group.process.wait()
    seconds_until(lambda: not any(map(is_running, orphans)), "the end of its children")
    with pytest.raises(OSError):
        group.ask("/healthz")
    assert LocalPostgres(group.data / "postgres").answers(), "nobody was left to stop it"
    group.start()
    assert group.end() == 0
    assert not LocalPostgres(group.data / "postgres").answers(), "the successor knows that it is the group's own"


def test_a_stopped_group_leaves_nothing_running(group):
    group.start()
    pids = [group.pid(name) for name in ("server 1", "worker", "postgres")]
    assert group.end(signal.SIGINT) == 0
    assert not any(map(is_running, pids))
    assert locks.holders(group.data) == []


def test_a_database_that_ran_before_is_left_running_and_that_is_said(group):
    LocalPostgres(group.data / "postgres").ensure()
    group.start()
    assert group.end() == 0
    assert LocalPostgres(group.data / "postgres").answers()
    assert "The database keeps running" in group.said()


def test_it_stops_while_its_database_is_gone(group):
    group.start()
    seconds_until(lambda: is_running(group.pid("worker")), "a worker")
    group.kill("postgres")
    assert group.end(patience=25) == 0, group.said()


def test_two_on_one_folder_or_one_port_are_refused_in_one_line(group, tmp_path):
    group.start()
    code, said = refused(group.data, free_port())
    assert (code, said.count("\n")) == (69, 0)
    assert f"http://127.0.0.1:{group.port} by process {group.process.pid}: `wuye stop`" in said
    code, said = refused(tmp_path / "other", group.port)
    assert (code, said.count("\n")) == (69, 0)
    assert "another program has it. `--port` takes another one." in said
    assert not (tmp_path / "other" / "postgres").exists(), "nothing was started for it"
    done = subprocess.run([sys.executable, "-m", "wuye", "--data", group.data, "stop"], check=True)
    assert done.returncode == 0
    group.process.wait()
    assert locks.holders(group.data) == []
    assert not LocalPostgres(group.data / "postgres").answers()


def test_the_port_of_another_program_is_refused(data):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert refused(data, other.getsockname()[1])[0] == 69


def test_a_refused_start_leaves_no_database_running(data, tmp_path):
    assert refused(data, free_port(), WUYE_SECRET="short")[0] == 78
    assert not LocalPostgres(data / "postgres").answers()
    code, said = refused(tmp_path / "new", free_port())  # its tables do not exist
    assert code in (69, 78), said
    assert not LocalPostgres(tmp_path / "new" / "postgres").answers()
    LocalPostgres(tmp_path / "new" / "postgres").remove()


def once_more(group):
    """Ask; a connection that is closed without a word is opened again, as every browser and proxy does."""
    try:
        return group.ask("/healthz")[0]
    except http.client.RemoteDisconnected:
        return group.ask("/healthz")[0]


def test_renewing_server_processes_refuses_no_request(data):
    group = Group(data, command=("serve", "--workers", "2"))
    failures, asked, over = [], [], threading.Event()

    def ask():
        while not over.is_set():
            try:
                asked.append(once_more(group))
            except (OSError, http.client.HTTPException) as error:
                failures.append(repr(error))

    try:
        group.start()
        before = [group.pid(name) for name in ("server 1", "server 2")]
        threads = [threading.Thread(target=ask) for _number in range(4)]
        for thread in threads:
            thread.start()
        group.kill("supervisor", signal.SIGHUP)
        seconds_until(lambda: not any(map(is_running, before)), "the end of the old processes")
        over.set()
        for thread in threads:
            thread.join()
        assert failures == []
        assert set(asked) == {200}
        assert group.end() == 0
    finally:
        over.set()
        group.put_down()

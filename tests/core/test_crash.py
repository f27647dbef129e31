"""A server that is killed, a database that goes away: nothing acknowledged is lost, nothing is done twice."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from wuye.config import Settings
from wuye.db.local import LocalPostgres
from wuye.estates.services import create_estate, enable, system_actor
from wuye.identity.services import add_member, create_token, create_user
from wuye.installation import Installation
from wuye.records.models import Record
from wuye.records.timeline import verify_chain
from wuye.testing import DEADLINE, until
from wuye.web.app import create_app

TOTAL, CLIENTS = 200, 8


@pytest.fixture
def place(tmp_path):
    """An installation of its own, that may be broken: one estate, and a manager's token."""
    place = Installation(Settings(data=tmp_path / "data", strict=True))
    try:
        place.upgrade()
        with place.database.session() as session:
            info = create_estate(session, place.clock, code="one", name="One", locale="en")
            ctx = place.context(session, info, system_actor(place.plugins), frozenset())
            enable(ctx, place.plugins.names)
            user = create_user(session, place.clock, email="m@test.example")
            add_member(session, place.plugins.registry, info, user, ["core.manager"])
            place.token = create_token(session, place.database.secret, place.clock, user, info)
            ctx.seal()
        yield place
    finally:
        place.close()
        LocalPostgres(tmp_path / "data" / "postgres").remove()


class Server:
    """`wuye serve` in a process of its own."""

    def __init__(self, data: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.environment = {**os.environ, "WUYE_DATA": str(data)}
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "wuye", "serve", "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, env=self.environment, start_new_session=True, stderr=subprocess.DEVNULL
        )
        until(self.is_ready)

    def is_ready(self) -> bool:
        try:
            return self.send("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def send(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def test_a_killed_server_loses_nothing_it_acknowledged_and_does_nothing_twice(place):
    server = Server(place.settings.data)
    path = "/api/v1/estates/one/maintenance/work-orders"
    acknowledged = {}

    def create(number):
        headers = {"Authorization": f"Bearer {place.token}", "Content-Type": "application/json"}
        body = {"title": f"No. {number}", "order_type": "corrective"}
        try:
            status, answer = server.send("POST", path, body, **headers, **{"Idempotency-Key": f"key-{number}"})
        except (OSError, http.client.HTTPException, ValueError):
            return False
        if status == 201:
            assert acknowledged.setdefault(number, answer["number"]) == answer["number"], "the same answer again"
        return status == 201

    try:
        with ThreadPoolExecutor(CLIENTS) as pool:
            pending = [pool.submit(create, number) for number in range(TOTAL)]
            until(lambda: len(acknowledged) >= TOTAL // 4)
            server.kill()
            first = [future.result() for future in pending]
        assert not all(first), "it was killed in the middle"
        server.start()
        with ThreadPoolExecutor(CLIENTS) as pool:
            assert all(pool.map(create, range(TOTAL))), "every one is repeated, with its key"
    finally:
        server.kill()
    with place.system_context("one") as ctx:
        numbers = set(ctx.session.scalars(select(Record.number)))
        assert ctx.session.scalar(select(func.count()).select_from(Record)) == TOTAL
        assert numbers == set(acknowledged.values())
        assert len(numbers) == TOTAL
        assert list(verify_chain(ctx.session)) == []


def test_without_its_database_it_says_try_again_and_recovers_by_itself(place):
    client = create_app(place).test_client()
    headers = {"Authorization": f"Bearer {place.token}"}
    url = "/api/v1/estates/one/customer-service/requests"
    assert client.get(url, headers=headers).status_code == 200
    place.local.stop()
    for _attempt in range(3):
        answer = client.get(url, headers=headers)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert "psycopg" not in answer.text
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    place.local.ensure()
    codes = [client.get(url, headers=headers).status_code for _attempt in range(3)]
    assert codes[-1] == 200

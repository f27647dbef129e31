"""What /readyz tells, and what happens when a disk is full: words instead of a crash, and reading goes on."""

import dataclasses
import io
import os
import subprocess

import pytest
from sqlalchemy import text

from wuye.files import storage
from wuye.web.database import request_session


@pytest.fixture
def ready(app):
    def ask():
        answer = app.test_client().get("/readyz", headers={"Accept-Language": "en"})
        return answer.status_code, answer.get_json()

    return ask


def test_each_thing_that_is_needed_is_named(ready, installation):
    status, body = ready()
    assert status == 200 and set(body["checks"]) == {"database", "migrations", "worker", "queue", "disk", "backups"}
    assert body["checks"]["database"] == body["checks"]["migrations"] == "ok"
    assert body["status"] == "degraded" and "No worker" in body["checks"]["worker"]
    with installation.database.engine("owner").begin() as connection:
        connection.execute(text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())"))
    try:
        assert ready()[1]["checks"]["worker"] == "ok"
    finally:
        with installation.database.engine("owner").begin() as connection:
            connection.execute(text("DELETE FROM procrastinate_workers"))


def test_a_disk_that_is_almost_full_is_told(ready, installation, monkeypatch):
    monkeypatch.setattr(installation, "settings", dataclasses.replace(installation.settings, least_free_mb=1 << 40))
    status, body = ready()
    assert (status, body["status"]) == (200, "degraded") and "almost full" in body["checks"]["disk"]


def test_tables_that_are_behind_stop_everything(ready, installation, monkeypatch):
    monkeypatch.setattr("wuye.readiness.versions.pending", lambda *_arguments: ["core"])
    status, body = ready()
    assert (status, body["status"]) == (503, "unavailable")


def test_a_full_database_is_said_to_be_and_reading_goes_on(login, monkeypatch):
    client = login("core.manager")

    def full(*_arguments, **_options):
        request_session().execute(
            text("DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$")
        )

    with monkeypatch.context() as patch:
        patch.setattr("wuye.resources.service.create", full)
        answer = client.send("POST", client.url("people"), {"name": "Chen Yu"})
    assert answer.status_code == 507 and answer.headers["Retry-After"]
    assert "disk is full" in answer.get_json()["detail"]
    assert client.send("GET", client.url("people")).status_code == 200


@pytest.fixture
def small_disk(installation, estate):
    """The folder of an estate's files on a file system of 64 kB."""
    folder = storage.folder_of(installation.settings.data, estate.info.id)
    folder.mkdir(parents=True)
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False, capture_output=True
        ).returncode
    )
    if not mounted:
        pytest.skip("only root can mount a small file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_takes_no_file_and_leaves_nothing_half_written(small_disk, login):
    client = login("customer_service.agent")
    made = client.create("requests", title="Lamp", request_kind="repair")
    url = client.url("requests", made["id"], "files")
    answer = client.upload(url, b"%PDF-1.7\n" + os.urandom(1_000_000))
    assert answer.status_code == 507
    assert client.ask("GET", url)["items"] == []
    assert [path for path in small_disk.rglob("*") if path.is_file()] == []
    assert client.upload(url, b"%PDF-1.7\nsmall").status_code == 201
    assert len(client.ask("GET", url)["items"]) == 1


def test_what_was_opened_before_can_be_read(small_disk, login):
    client = login("customer_service.agent")
    made = client.create("requests", title="Lamp", request_kind="repair")
    url = client.url("requests", made["id"], "files")
    file = client.upload(url, b"%PDF-1.7\nsmall").get_json()
    client.upload(url, b"%PDF-1.7\n" + os.urandom(1_000_000))
    answer = client.send("GET", f"{url}/{file['id']}")
    assert io.BytesIO(answer.get_data()).read(5) == b"%PDF-"
    answer.close()

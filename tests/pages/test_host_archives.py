"""The host's pages of backups and of estates that come from elsewhere."""

import io
import re
import shutil
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import select

from wuye.archives import arrivals, schedule
from wuye.archives.estate_export import export_estate
from wuye.estates.models import Estate
from wuye.records.models import Timeline


@pytest.fixture
def folder(installation, tmp_path, monkeypatch):
    """The folder of backups, of this test alone."""
    settings = replace(installation.settings, backup_folder=tmp_path / "backups")
    monkeypatch.setattr(installation, "settings", settings)
    return tmp_path / "backups"


@pytest.fixture
def garden_zip(estate, tmp_path):
    estate.person("陈雨", phone="13812345678")
    export_estate(estate.place, estate.code, tmp_path / "garden.zip")
    return (tmp_path / "garden.zip").read_bytes()


def send(host, content, **fields):
    host.get("/host/import")
    file = {"file": (io.BytesIO(content), "garden.zip")} if content is not None else {}
    return host.post("/host/import", {**file, **fields})


def exists(place, code):
    with place.database.session() as session:
        return session.scalar(select(Estate.id).where(Estate.code == code)) is not None


def test_the_pages_are_for_host_admins_alone(visitor, folder, garden_zip):
    manager = visitor("core.manager")
    for path in ("/host/backups", "/host/import", f"/host/import/{uuid4()}"):
        assert manager.get(path).status_code == 404, path
    manager.get("")
    assert manager.post("/host/backups", {}).status_code == 404
    assert manager.post("/host/import", {"file": (io.BytesIO(garden_zip), "x.zip")}).status_code == 404
    assert not folder.exists()


def test_a_backup_is_asked_for_made_and_shown(host, folder, work_off):
    page = host.get("/host/backups").text
    assert "There is no backup yet" in page
    assert host.post("/host/backups", {}).status_code == 303
    page = host.get("/host/backups?asked=1").text
    assert "data-progress" in page and 'http-equiv="refresh"' in page
    work_off()
    page = host.get("/host/backups?asked=1").text
    assert "data-progress" not in page
    (made,) = [path.name for path in folder.iterdir() if path.name != "state.json"]
    assert made in page and ">checked<" in page
    assert "/host/backups/" not in page, "nothing of it can be fetched"


def test_what_is_wrong_with_backups_is_said(host, folder, installation):
    assert "There is no backup yet." in host.get("/host").text
    schedule.make(installation)
    assert "There is no backup yet." not in host.get("/host").text
    (made,) = [path for path in folder.iterdir() if path.is_dir()]
    (made / "manifest.sha256").write_text("0  manifest.json\n")
    assert "It is damaged." in host.get("/host/backups").text
    shutil.rmtree(folder)
    folder.write_text("in the way")
    schedule.make_and_tell(installation)
    assert "There is no backup yet." in host.get("/host").text


def test_an_estate_is_sent_and_comes_as_a_copy(host, estate, garden_zip, work_off):
    code = f"c-{uuid4().hex[:10]}"
    answer = send(host, garden_zip, code=code)
    path = answer.headers["Location"]
    assert "data-progress" in host.get(path).text
    assert not exists(estate.place, code)
    work_off()
    page = host.get(path).text
    assert f'href="/host/estates/{code}"' in page
    assert "data-progress" not in page
    email = re.search(r"<td>([^<@]+@[^<]+)</td>", page)
    assert email, "who is to be invited is named"
    assert "Property manager" in page or "Manager" in page, "and what they were, in words"
    with estate.place.system_context(code) as ctx:
        event = ctx.session.scalars(select(Timeline).where(Timeline.event == "estate_imported")).one()
    assert event.data["by"] == "托管商"
    assert host.get(f"/host/estates/{code}").status_code == 200
    assert code in host.get("/host/import").text


@pytest.mark.parametrize(
    ("content", "fields", "says"),
    [(None, {}, "Choose a file"), (b"not a zip", {}, "ZIP"), (b"", {"code": "A B"}, "cannot have this code")],
)
def test_what_cannot_be_taken_is_said_at_once(host, installation, content, fields, says):
    before = arrivals.recent(installation.settings.data)
    answer = send(host, content, **fields)
    assert answer.status_code == 422
    assert says in answer.text
    assert arrivals.recent(installation.settings.data) == before


def test_an_import_that_cannot_be_is_explained(host, estate, garden_zip, work_off):
    path = send(host, garden_zip).headers["Location"]
    work_off()
    page = host.get(path).text
    assert f"There is an estate “{estate.code}” already." in page
    assert "Nothing was written." in page
    left = (estate.place.settings.data / "exports/arrivals").glob("*.zip")
    assert list(left) == []

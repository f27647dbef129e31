"""The host's console: for host admins alone; estates are made, suspended, exported, and filled with demo data."""

import io
import re
import zipfile
from datetime import timedelta
from uuid import uuid4

import orjson
from sqlalchemy import func, select
from werkzeug.test import Client as HttpClient

from wuye.estates.models import Estate
from wuye.identity.models import Membership, User
from wuye.people.models import Person
from wuye.properties.models import Property
from wuye.records.models import Record, Timeline
from wuye.tasks import services as tasks
from wuye.tasks.models import Task

ZONE = {"zone": "Asia/Shanghai", "locale": "zh_Hans"}


def new_code():
    return f"h-{uuid4().hex[:10]}"


def state_of(place, code):
    with place.database.session() as session:
        return session.scalar(select(Estate.state).where(Estate.code == code))


def test_the_console_is_for_host_admins_alone(visitor, estate):
    manager = visitor("core.manager")
    for path in (
        "/host",
        "/host/new",
        f"/host/estates/{estate.code}",
        f"/host/estates/{estate.code}/exports/{uuid4()}",
    ):
        assert manager.get(path).status_code == 404, path
    manager.get("")
    for path, act in ((f"/host/estates/{estate.code}", "suspend"), ("/host/new", "create")):
        assert manager.post(path, {"act": act, "sure": "1", "code": new_code(), "name": "x", **ZONE}).status_code == 404
    assert state_of(estate.place, estate.code) == "active"


def test_an_estate_is_made_with_chosen_departments_and_a_first_manager(host, estate, app):
    place, code = estate.place, new_code()
    host.get("/host/new")
    bad = host.post("/host/new", {"code": "A B", "name": "x", **ZONE})
    assert bad.status_code == 422
    assert 'value="A B"' in bad.text
    assert host.post("/host/new", {"code": code, "name": "x", "zone": "Mars", "locale": "en"}).status_code == 422
    answer = host.post("/host/new", {
        "code": code, "name": "桂花园", "plugins": "maintenance", "email": f"{code}@test.example", **ZONE,
    })  # fmt: skip
    link = re.search(r"/invitation/[\w-]+", answer.text)[0]
    page = host.get(f"/host/estates/{code}").text
    assert "桂花园" in page and "Maintenance" in page and "Customer service" not in page
    assert code in host.get(f"/host?q={code[-6:]}").text
    assert estate.code not in host.last.text
    typed = {"answer": "new", "name": "陈经理", "password": "a long enough password"}
    assert HttpClient(app).post(link, data=typed).headers["Location"] == f"/e/{code}"
    with place.database.session() as session:
        user = session.scalars(select(User).where(User.email == f"{code}@test.example")).one()
        assert session.scalars(select(Membership.roles).where(Membership.user_id == user.id)).one() == ["core.manager"]


def test_suspending_asks_back_and_says_what_it_does(host, estate):
    path = f"/host/estates/{estate.code}"
    host.get(path)
    asked = host.post(path, {"act": "suspend"})
    assert "Nobody gets in any more" in asked.text
    assert state_of(estate.place, estate.code) == "active"
    host.post(path, {"act": "suspend", "sure": "1"})
    assert state_of(estate.place, estate.code) == "suspended"
    assert host.get("").status_code == 404
    host.get(path)
    host.post(path, {"act": "resume"})
    assert host.get("").status_code == 200
    with estate.context() as ctx:
        events = ctx.session.scalars(select(Timeline.event).where(Timeline.record_id == estate.info.id)).all()
    assert events == ["estate_suspend", "estate_resume"], "the estate knows who did it"


def test_an_estate_is_exported_in_the_background_and_fetched(host, estate, make_estate, work_off):
    other = make_estate()
    other.person("别人")
    estate.person("陈雨", phone="13812345678")
    path = f"/host/estates/{estate.code}"
    host.get(path)
    assert host.post(path, {"act": "export_estate"}).status_code == 303
    assert host.post(path, {"act": "export_estate"}).status_code == 409, "one at a time"
    page = host.get(path).text
    assert "data-progress" in page and 'http-equiv="refresh"' in page
    work_off()
    link = re.search(r'href="(/host/estates/[^"]+/exports/[^"]+)"', host.get(path).text)[1]
    answer = host.get(link)
    assert answer.headers["Content-Disposition"].startswith("attachment")
    content = answer.get_data()
    answer.close()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        manifest = orjson.loads(archive.read("manifest.json"))
        people = archive.read("tables/core_person.jsonl").decode()
        assert manifest["estate"]["code"] == estate.code
        assert manifest["tables"]["core_person"]["rows"] == people.count("\n")
    assert "13812345678" in people and "别人" not in people
    assert host.get(link.replace(estate.code, other.code)).status_code == 404, "not by another estate's address"

    with estate.context() as ctx:
        file = ctx.data / "exports" / ctx.session.scalars(select(Task.file)).one()
        tasks.purge(ctx)
        assert file.is_file()
    with estate.context() as ctx:
        ctx.now += timedelta(days=4)
        tasks.purge(ctx)
    assert not file.exists()
    assert host.get(link).status_code == 404


def test_demo_data_goes_into_an_empty_estate_with_its_departments_alone(host, estate, work_off):
    place, code = estate.place, new_code()
    host.get("/host/new")
    host.post("/host/new", {"code": code, "name": "桂花园", "plugins": "maintenance", "demo": "1", **ZONE})
    work_off()
    page = host.get(f"/host/estates/{code}").text
    assert "data-progress" not in page and ">done<" in page
    with place.system_context(code) as ctx:
        assert ctx.session.scalar(select(func.count()).select_from(Person)) > 50
        kinds = set(ctx.session.scalars(select(Record.kind).distinct()))
    assert all(kind.startswith(("maintenance.", "core.")) for kind in kinds)
    assert host.post(f"/host/estates/{code}", {"act": "load_demo"}).status_code == 409


def test_a_task_that_fails_says_so_and_leaves_nothing(host, estate, monkeypatch, work_off):
    path = f"/host/estates/{estate.code}"
    host.get(path)
    host.post(path, {"act": "load_demo"})

    def breaks(ctx, now):
        ctx.session.add(Property(code="x", name="x", label="x", kind="unit", created_at=now, updated_at=now))
        raise ZeroDivisionError

    monkeypatch.setattr("wuye.demo.preparation.furnish", breaks)
    work_off()
    assert "ZeroDivisionError" in host.get(path).text
    with estate.context() as ctx:
        assert ctx.session.scalar(select(func.count()).select_from(Property)) == 0

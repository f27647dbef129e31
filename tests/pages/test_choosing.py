"""Residents say what is wrong and where they live; what staff decide they can neither fill in nor change."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from wuye.pages.portal import code_of
from wuye.people.models import Occupancy
from wuye.records.models import Record

REQUEST = {"title": "Leak in the kitchen", "request_kind": "repair"}


@pytest.fixture
def homes(login, estate):
    """A home that somebody lives in, one that they left, and somebody else's."""
    manager, resident = login("core.manager"), login("core.resident")
    made = [manager.create("properties", kind="unit", code=f"H{n}", name=f"Home {n}")["id"] for n in range(3)]
    today = estate.place.clock.now().date()
    with estate.context() as ctx:
        for home, until in ((made[0], None), (made[1], today - timedelta(days=2))):
            ctx.session.add(
                Occupancy(person_id=resident.person, property_id=home, relation="tenant", since=today - timedelta(days=9),
                          until=until, created_at=ctx.now, updated_at=ctx.now)
            )  # fmt: skip
    return resident, made


def refused(client, **values):
    answer = client.send("POST", client.url("requests"), {**REQUEST, **values})
    assert answer.status_code == 422, answer.get_json()
    return {error["field"]: error["reason"] for error in answer.get_json()["errors"]}


@pytest.mark.parametrize(
    ("name", "value"),
    [("priority", "emergency"), ("channel", "phone"), ("due_at", "2026-12-01T08:00:00+08:00"), ("requester", None)],
)
def test_what_staff_decide_is_refused(login, name, value):
    resident = login("core.resident")
    value = value or str(resident.person)
    assert list(refused(resident, **{name: value})) == [name]
    made = login("core.agent").create("requests", **REQUEST, **{name: value})
    shown = {"requester": {"id": value}, "due_at": "2026-12-01T00:00:00+00:00"}.get(name, value)
    assert made[name] == (shown | made[name] if isinstance(shown, dict) else shown)


def test_a_place_is_one_of_ones_homes_and_nothing_is_told_of_others(homes, make_estate):
    resident, (mine, former, foreign) = homes
    elsewhere = make_estate().login("core.manager").create("properties", kind="unit", code="X", name="X")["id"]
    reasons = [refused(resident, place=place) for place in (former, foreign, elsewhere, str(uuid4()))]
    assert reasons == [{"place": "Choose one of your homes."}] * 4
    assert resident.create("requests", **REQUEST, place=mine)["place"]["label"] == "Home 0"


def test_the_office_form_leaves_out_what_a_resident_cannot_decide(visitor):
    form = visitor("core.resident").get("customer-service/requests/new").text
    assert 'name="text"' in form
    for name in ("priority", "channel", "due_at", "requester"):
        assert f'name="{name}"' not in form
    assert 'name="priority"' in visitor("core.agent").get("customer-service/requests/new").text


def test_pages_refuse_what_is_slipped_in(visitor, estate, homes):
    _resident, (_mine, _former, foreign) = homes
    resident = visitor("core.resident")
    resident.get("customer-service/requests/new")
    extra = {"priority": "emergency", "channel": "phone", "due_at": "2026-12-01T08:00"}
    assert resident.post("customer-service/requests/new", {**REQUEST, **extra}).status_code == 303
    assert resident.post("customer-service/requests/new", {**REQUEST, "place": foreign}).status_code == 422
    resident.get(f"/r/{estate.code}/report")
    assert resident.post(f"/r/{estate.code}/report", {**REQUEST, **extra, "place": foreign}).status_code == 303
    assert resident.post(f"/f/{estate.code}/report", {**REQUEST, **extra, "place": foreign}).status_code == 303
    with estate.context() as ctx:
        rows = ctx.session.query(Record).all()
        assert [(row.priority, row.due_at, row.place_id) for row in rows] == [("normal", None, None)] * 3
        assert sorted(row.channel for row in rows) == ["app", "app", "web"]


def test_a_guests_report_is_about_the_place_of_the_code(app, estate, homes):
    _resident, (mine, _former, foreign) = homes
    code = code_of(estate.place.database.secret, estate.info.id, UUID(mine))
    extra = {"priority": "emergency", "channel": "phone", "place": foreign}
    sent = app.test_client().post(f"/q/{code}", data={**REQUEST, **extra}, headers={"Origin": "http://localhost"})
    assert sent.status_code == 303
    with estate.context() as ctx:
        row = ctx.session.query(Record).one()
        assert (row.priority, row.channel, str(row.place_id)) == ("normal", "qr", mine)


def test_a_token_for_requests_alone_decides_as_staff_do(login, estate):
    clerk = login("core.manager", scopes=["customer_service.create", "customer_service.read"])
    assert clerk.create("requests", **REQUEST, priority="urgent", channel="phone")["priority"] == "urgent"
    assert list(refused(clerk, place=str(uuid4()))) == ["place"], "a token that sees no places names none"

"""What bad input gets: a clear refusal in the caller's language, and nothing half-written."""

import dataclasses
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from wuye.identity.models import Membership, User
from wuye.records.models import Record

REQUEST = {"title": "Leak", "request_kind": "repair"}


def errors(response):
    return {item["field"]: item["reason"] for item in response.get_json()["errors"]}


@pytest.fixture
def manager(login):
    return login("core.manager")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"id": str(uuid.uuid4())}, "id"),
        ({"state": "closed"}, "state"),
        ({"created_by": str(uuid.uuid4())}, "created_by"),
        ({"title": 7}, "title"),
        ({"title": "a\0b"}, "title"),
        ({"title": "   "}, "title"),
        ({"text": "x" * 20_001}, "text"),
        ({"due_at": "0001-01-01T00:00:00Z"}, "due_at"),
        ({"due_at": "2026-03-05T14:20:00"}, "due_at"),
        ({"due_at": "9999-12-31T23:59:59-12:00"}, "due_at"),
        ({"request_kind": "wish"}, "request_kind"),
        ({"contact_phone": "call me"}, "contact_phone"),
        ({"place": "not-an-id"}, "place"),
        ({"place": str(uuid.uuid4())}, "place"),
        ({"requester": ["x"]}, "requester"),
    ],
)
def test_each_wrong_field_is_named_and_nothing_is_written(estate, manager, change, field):
    response = manager.send("POST", manager.url("requests"), {**REQUEST, **change})
    assert response.status_code == 422
    assert list(errors(response)) == [field]
    with estate.context() as ctx:
        assert ctx.session.scalar(select(func.count()).select_from(Record)) == 0


@pytest.mark.parametrize(("language", "reason"), [("en", "This is needed."), ("zh-CN,zh;q=0.9", "此项必填")])
def test_errors_speak_the_callers_language(manager, language, reason):
    response = manager.send("POST", manager.url("requests"), {"request_kind": "repair"}, Accept_Language=language)
    assert errors(response)["title"].startswith(reason)


def test_what_is_no_json_or_too_large_is_said_so(manager):
    client, headers = manager.app.test_client(), {"Authorization": f"Bearer {manager.token}"}
    url = manager.url("requests")
    assert client.post(url, data="{", headers={**headers, "Content-Type": "application/json"}).status_code == 400
    assert client.post(url, data="a=b", headers={**headers, "Content-Type": "text/plain"}).status_code == 400
    assert client.post(url, json=[1], headers=headers).status_code == 422
    large = client.post(url, json={**REQUEST, "text": "x" * 10_000_000}, headers=headers)
    assert (large.status_code, large.mimetype) == (413, "application/problem+json")


def test_an_impossible_transition_says_what_is_possible(manager):
    request = manager.create("requests", **REQUEST)
    url = manager.url("requests", request["id"], "actions")
    impossible = manager.send("POST", f"{url}/close", {}, If_Match="*")
    assert impossible.status_code == 409
    assert "accept" in impossible.get_json()["actions"]
    assert manager.send("POST", f"{url}/explode", {}, If_Match="*").status_code == 404
    assert manager.send("POST", f"{url}/start", {}, If_Match="*").status_code == 404, "the program's own"
    assert errors(manager.send("POST", f"{url}/accept", {"category": "a", "x": 1}, If_Match="*")) == {
        "x": "There is no such field."
    }


def test_another_estates_thing_is_the_same_as_none(manager, make_estate):
    stranger = make_estate().login("core.manager")
    request = manager.create("requests", **REQUEST)
    foreign = stranger.url("requests", request["id"])
    absent = stranger.url("requests", uuid.uuid4())
    for method, end, body in [
        ("GET", "", None),
        ("PATCH", "", {"title": "Mine"}),
        ("POST", "/actions/accept", {"category": "repair"}),
        ("GET", "/timeline", None),
        ("POST", "/comments", {"text": "Hello"}),
    ]:
        answers = [stranger.send(method, f"{url}{end}", body, If_Match="*") for url in (foreign, absent)]
        assert [answer.status_code for answer in answers] == [404, 404]
        bodies = [{**answer.get_json(), "request_id": None} for answer in answers]
        assert bodies[0] == bodies[1]
    person = manager.create("people", name="Chen Yu")
    refused = stranger.send("POST", stranger.url("requests"), {**REQUEST, "requester": person["id"]})
    assert list(errors(refused)) == ["requester"]
    mixed = manager.send("GET", manager.url("requests").replace(manager.estate, stranger.estate))
    assert mixed.status_code == 404, "a token opens its own estate only"


def test_changes_name_the_version_that_they_mean(manager):
    request = manager.create("requests", **REQUEST)
    url = manager.url("requests", request["id"])
    assert manager.send("PATCH", url, {"title": "New"}).status_code == 428
    changed = manager.send("PATCH", url, {"title": "New"}, If_Match='"1"')
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    stale = manager.send("PATCH", url, {"title": "Newer"}, If_Match='"1"')
    assert (stale.status_code, stale.get_json()["current"]["title"]) == (412, "New")
    entry = manager.timeline("requests", request)[-1]
    assert entry["data"]["changes"] == {"title": ["Leak", "New"]}
    assert manager.send("PATCH", url, {"title": "New"}, If_Match='"2"').headers["ETag"] == '"2"', "nothing changed"


def test_two_who_change_the_same_version_do_not_overwrite_each_other(manager):
    request = manager.create("requests", **REQUEST)
    url = manager.url("requests", request["id"])
    with ThreadPoolExecutor(8) as pool:
        codes = list(
            pool.map(lambda n: manager.send("PATCH", url, {"title": f"By {n}"}, If_Match='"1"').status_code, range(8))
        )
    assert sorted(codes) == [200] + [412] * 7
    assert manager.get("requests", request)["version"] == 2


def test_the_same_key_does_the_same_thing_once(estate, manager):
    url = manager.url("requests")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _n: manager.send("POST", url, REQUEST, Idempotency_Key="one"), range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.data for answer in answers}) == 1
    assert len({answer.headers["ETag"] for answer in answers}) == 1
    assert sum(answer.headers.get("Idempotency-Replayed") == "true" for answer in answers) == 49
    assert len(manager.list("requests")) == 1
    other = manager.send("POST", url, {**REQUEST, "title": "Other"}, Idempotency_Key="one")
    assert (other.status_code, list(errors(other))) == (422, ["Idempotency-Key"])
    refused = manager.send("POST", url, {}, Idempotency_Key="two")
    assert refused.status_code == 422
    assert manager.send("POST", url, REQUEST, Idempotency_Key="two").status_code == 201, "a refusal keeps no key"
    assert estate.login("core.manager").send("POST", url, REQUEST, Idempotency_Key="one").status_code == 201


@pytest.mark.parametrize(
    "query", ["colour=red", "limit=0", "limit=1000", "sort=colour", "filter[colour]=red", "fields=colour", "q=%00"]
)
def test_a_list_says_which_parameter_it_does_not_know(manager, query):
    response = manager.send("GET", f"{manager.url('requests')}?{query}")
    assert response.status_code == 400
    assert list(errors(response)) == [query.partition("=")[0]]


def test_lists_are_filtered_sorted_counted_and_narrowed(manager):
    for number in range(5):
        manager.create("requests", title=f"No. {number}", request_kind="repair" if number % 2 else "inquiry")
    page = manager.ask("GET", f"{manager.url('requests')}?filter[request_kind]=repair&count=1&fields=title,number")
    assert page["total"] == 2
    assert {tuple(row) for row in page["items"]} == {("title", "number")}
    both = manager.list("requests", "filter[request_kind]=repair,inquiry&filter[place]=null&sort=opened_at")
    assert [row["title"] for row in both] == [f"No. {number}" for number in range(5)]
    first = manager.send("GET", f"{manager.url('requests')}?limit=3")
    assert 'rel="next"' in first.headers["Link"]


def test_tokens_stop_working_when_they_should(estate, manager):
    url = manager.url("requests")
    client = manager.app.test_client()
    assert client.get(url).status_code == 401
    for token in ("nonsense", manager.token[:-1] + "x", "wuye_" + "a" * 46):
        answer = client.get(url, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    narrow = estate.login("core.manager", scopes=("customer_service.read",))
    assert narrow.send("GET", url).status_code == 200
    assert narrow.send("POST", url, REQUEST).status_code == 403
    from wuye.identity.models import User

    with estate.place.database.session() as session:
        from wuye.identity.services import identify

        caller = identify(
            session, estate.place.database.secret, estate.place.clock.now(), manager.token, estate.code, demo=True
        )
        session.get_one(User, caller.user_id).active = False
    assert manager.send("GET", url).status_code == 401


def test_every_answer_carries_the_headers_that_protect(manager):
    for path in ("/healthz", "/nowhere", manager.url("requests"), "/api/v1/openapi.json"):
        headers = manager.send("GET", path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_comments_for_staff_stay_among_staff(estate):
    resident, agent = estate.login("core.resident"), estate.login("customer_service.agent")
    request = resident.create("requests", **REQUEST)
    agent.ask("POST", agent.url("requests", request["id"], "comments"), {"text": "A known trouble", "internal": True})
    agent.ask("POST", agent.url("requests", request["id"], "comments"), {"text": "We are coming"})
    assert [entry["data"].get("text") for entry in resident.timeline("requests", request)] == [None, "We are coming"]
    assert len(agent.timeline("requests", request)) == 3
    internal = {"text": "x", "internal": True}
    assert resident.send("POST", resident.url("requests", request["id"], "comments"), internal).status_code == 403


def test_a_password_gives_a_token_and_guessing_is_limited(estate):
    from wuye.identity.services import add_member, create_user

    with estate.context() as ctx:
        user = create_user(
            ctx.session, estate.place.clock, email=f"{uuid.uuid4().hex}@test.example", password="correct horse battery"
        )
        add_member(ctx.session, estate.place.plugins.registry, estate.info, user, ["core.manager"])
    body = {"email": user.email, "password": "correct horse battery", "estate": estate.code}
    client = estate.app.test_client()
    token = client.post("/api/v1/tokens", json=body).get_json()["token"]
    estates = client.get("/api/v1/estates", headers={"Authorization": f"Bearer {token}"}).get_json()["items"]
    assert [item["code"] for item in estates] == [estate.code]
    assert client.post("/api/v1/tokens", json={**body, "estate": "nowhere"}).status_code == 404
    wrong = {**body, "password": "wrong"}
    codes = [
        client.post("/api/v1/tokens", json=wrong, environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code
        for _ in range(11)
    ]
    assert codes == [401] * 10 + [429]
    there = client.post("/api/v1/tokens", json=body, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert there.status_code == 429, "even with the right one, for a while"
    assert client.post("/api/v1/tokens", json=body).status_code == 201, "nobody is locked out from elsewhere"


def test_a_category_stands_for_those_within_it(estate):
    agent = estate.login("customer_service.agent")
    for category in ("repair", "repair.leak", "repairs", "noise"):
        agent.create("requests", title=category, request_kind="repair", category=category)

    def found(value):
        rows = agent.ask("GET", agent.url("requests") + f"?filter[category]={value}&fields=title")["items"]
        return {row["title"] for row in rows}

    assert found("repair") == {"repair", "repair.leak"} and found("repair.leak") == {"repair.leak"}
    assert found("!repair") == {"repairs", "noise"} and found("repair%25") == found("repair_leak") == set()


def test_a_token_of_the_demos_people_says_so_where_no_demo_runs(estate, monkeypatch):
    client = estate.login("core.manager")
    with estate.place.database.session() as session:
        mine = select(Membership.user_id).where(Membership.person_id == client.person)
        session.get_one(User, session.scalars(mine).one()).demo = True
    assert client.send("GET", client.url("people")).status_code == 200
    monkeypatch.setattr(estate.place, "settings", dataclasses.replace(estate.place.settings, demo=False))
    refused = client.send("GET", client.url("people"))
    assert refused.status_code == 401 and "demo" in refused.get_json()["detail"]

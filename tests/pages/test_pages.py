"""Pages without a browser: who gets in, what forms do, what a change from elsewhere cannot do."""

import io
import re
from uuid import uuid4

import pytest
from PIL import Image
from sqlalchemy import select
from werkzeug.test import Client as HttpClient

from wuye.estates.services import disable
from wuye.identity.models import BrowserSession, User
from wuye.people.models import Person
from wuye.records.models import Record
from wuye.records.services import take
from wuye_customer_service.models import Request

PASSWORD = "a long enough password"
AGENT = ("core.agent", "customer_service.agent")
REQUESTS = "customer-service/requests"


def sign_in(app, user, password=PASSWORD, **data):
    return HttpClient(app).post("/sign-in", data={"email": user.email, "password": password, **data})


def records(estate):
    with estate.context() as ctx:
        return ctx.session.scalars(select(Record).order_by(Record.opened_at)).all()


def requests(estate):
    with estate.context() as ctx:
        return ctx.session.scalars(select(Request)).all()


def test_signing_in_gives_a_cookie_that_scripts_and_other_sites_do_not_get(app, user):
    cookies = []
    for _time in range(2):
        answer = sign_in(app, user)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie
        cookies.append(cookie.partition(";")[0])
    assert cookies[0] != cookies[1], "every sign-in makes a new session"
    secure = HttpClient(app).post(
        "/sign-in", data={"email": user.email, "password": PASSWORD}, base_url="https://localhost"
    )
    assert secure.headers["Set-Cookie"].startswith("__Host-wuye=") and "Secure" in secure.headers["Set-Cookie"]


def test_a_wrong_password_says_so_and_keeps_the_address(app, user):
    answer = sign_in(app, user, "not the password")
    assert answer.status_code == 401
    assert user.email in answer.text and "wrong" in answer.text
    assert "Set-Cookie" not in answer.headers
    assert "not the password" not in answer.text


@pytest.mark.parametrize(
    "address", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "evil", "/a\nb"]
)
def test_nobody_is_sent_elsewhere_after_signing_in(app, user, address):
    assert sign_in(app, user, next=address).headers["Location"] == "/"
    assert sign_in(app, user, next="/e/x/y?z=1").headers["Location"] == "/e/x/y?z=1"


def test_a_session_ends_by_signing_out_here_or_everywhere_and_with_its_user(visitor, estate):
    here, there = visitor("core.manager"), visitor("core.manager")
    assert here.get("").status_code == 200
    assert here.post("/sign-out").status_code == 303
    gone = here.http.get(f"/e/{estate.code}", headers={"Cookie": f"wuye={here.cookie}"})
    assert (gone.status_code, gone.headers["Location"]) == (303, f"/sign-in?next=%2Fe%2F{estate.code}")
    there.get("")
    with estate.place.database.session() as session:
        session.scalars(select(User).where(User.email == there.email)).one().active = False
    assert there.get("").status_code == 303


def test_a_session_that_was_not_used_for_hours_has_ended(visitor, estate):
    someone = visitor("core.manager")
    with estate.place.database.session() as session:
        mine = select(BrowserSession).join(User, User.id == BrowserSession.user_id).where(User.email == someone.email)
        row = session.scalars(mine).one()
        row.idle_until = estate.place.clock.now()
    assert someone.get("").status_code == 303


def test_every_page_of_an_estate_asks_who_is_there(app, visitor, estate, make_estate):
    other = make_estate()
    stranger = visitor("core.manager")
    pages = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/e/<estate>") and "GET" in rule.methods]
    assert len(pages) > 40
    for rule in pages:
        values = {name: uuid4() if name == "identity" else "x" for name in rule.arguments - {"estate"}}
        path = rule.rule.replace("<estate>", other.code).replace("<uuid:identity>", str(uuid4()))
        path = re.sub(r"<(\w+)>", lambda match, values=values: str(values[match[1]]), path)
        assert HttpClient(app).get(path).status_code == 303, path
        assert stranger.get(path).status_code == 404, path


def test_a_change_needs_the_proof_of_one_of_our_pages(visitor, estate):
    agent = visitor(*AGENT)
    agent.get(f"{REQUESTS}/new")
    data = {"title": "Lamp", "request_kind": "repair"}
    other = visitor(*AGENT)
    other.get(f"{REQUESTS}/new")
    refused = [
        agent.post(f"{REQUESTS}/new", data, token=""),
        agent.post(f"{REQUESTS}/new", data, token="AAAA"),
        agent.post(f"{REQUESTS}/new", data, token="%%%"),
        agent.post(f"{REQUESTS}/new", data, token=other.token),
        agent.post(f"{REQUESTS}/new", data, Origin="https://evil.example"),
        agent.post(f"{REQUESTS}/new", data, Origin="null"),
        agent.post(f"{REQUESTS}/new", data, **{"Sec-Fetch-Site": "cross-site"}),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert records(estate) == []
    api = agent.http.post(
        f"/api/v1/estates/{estate.code}/customer-service/requests", json={"title": "x", "request_kind": "repair"}
    )
    assert api.status_code == 403, "the API takes the cookie with the proof only"
    assert agent.post(f"{REQUESTS}/new", data).status_code == 303
    assert len(records(estate)) == 1


def test_a_form_says_what_is_wrong_at_its_field_and_loses_nothing(visitor, estate):
    agent = visitor(*AGENT)
    agent.get(f"{REQUESTS}/new")
    answer = agent.post(
        f"{REQUESTS}/new", {"title": "", "request_kind": "repair", "text": "<b>wet</b>", "contact_phone": "12"}
    )
    assert answer.status_code == 422
    assert 'id="f-title-e"' in answer.text and 'id="f-contact_phone-e"' in answer.text
    assert "&lt;b&gt;wet&lt;/b&gt;" in answer.text and 'value="12"' in answer.text
    assert records(estate) == []


def test_the_same_form_sent_twice_makes_one(visitor, estate):
    agent = visitor(*AGENT)
    agent.get(f"{REQUESTS}/new")
    data = {"title": "Lamp", "request_kind": "repair", "_key": str(uuid4())}
    first, second = (agent.post(f"{REQUESTS}/new", data) for _time in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    assert len(records(estate)) == 1


def test_a_reference_is_found_by_its_name_and_two_of_one_name_are_told_apart(visitor, estate):
    agent = visitor(*AGENT)
    chen = estate.person("Chen Yu")
    index(estate)
    agent.get(f"{REQUESTS}/new")
    data = {"title": "Lamp", "request_kind": "repair", "requester": "chen yu"}
    assert agent.post(f"{REQUESTS}/new", data).status_code == 303
    assert records(estate)[0].requester_id == chen
    twin = estate.person("Chen Yu")
    index(estate)
    answer = agent.post(f"{REQUESTS}/new", data)
    assert answer.status_code == 422 and str(chen) in answer.text and str(twin) in answer.text
    assert agent.post(f"{REQUESTS}/new", {**data, "requester": str(twin)}).status_code == 303
    assert "Nothing here is called" in agent.post(f"{REQUESTS}/new", {**data, "requester": "Nobody"}).text


def index(estate):
    """Make people findable whom a test put there by hand."""
    from wuye.resources.service import index as make_findable

    with estate.context() as ctx:
        for row in ctx.session.scalars(select(Person)):
            make_findable(ctx, ctx.loaded.registry.resources["core.people"], row)


def test_who_was_slower_sees_both_versions_and_decides(visitor, estate):
    agent = visitor(*AGENT)
    agent.get(f"{REQUESTS}/new")
    page = agent.post(f"{REQUESTS}/new", {"title": "Lamp", "request_kind": "repair"}).headers["Location"]
    version = re.search(r'name="_version" value="(\d+)"', agent.get(f"{page}/edit").text)[1]
    assert (
        agent.post(f"{page}/edit", {"title": "Lamp, hall", "request_kind": "repair", "_version": version}).status_code
        == 303
    )
    late = agent.post(f"{page}/edit", {"title": "Lamp, stairs", "request_kind": "repair", "_version": version})
    assert late.status_code == 412
    assert "Lamp, hall" in late.text and "Lamp, stairs" in late.text
    assert records(estate)[0].title == "Lamp, hall"
    newer = re.search(r'name="_version" value="(\d+)"', late.text)[1]
    assert (
        agent.post(f"{page}/edit", {"title": "Lamp, stairs", "request_kind": "repair", "_version": newer}).status_code
        == 303
    )
    assert records(estate)[0].title == "Lamp, stairs"


def test_actions_ask_for_what_they_want_and_say_why_not(visitor, estate):
    agent = visitor(*AGENT)
    agent.get(f"{REQUESTS}/new")
    page = agent.post(f"{REQUESTS}/new", {"title": "Lamp", "request_kind": "inquiry"}).headers["Location"]
    assert 'name="resolution"' in agent.get(f"{page}/actions/answer").text
    assert agent.post(f"{page}/actions/answer", {"resolution": ""}).status_code == 422
    assert agent.post(f"{page}/actions/answer", {"resolution": "It is lit"}).status_code == 303
    assert records(estate)[0].state == "resolved"
    refused = agent.post(f"{page}/actions/accept")
    assert refused.status_code == 409 and "not possible" in refused.text
    assert agent.get(f"{page}/actions/answered").status_code == 404, "the program's own step"
    text = agent.get(page).text
    assert "It is lit" in text and "Accepted by telephone" in text


def test_many_at_once_and_what_cannot_be_done_costs_the_others_nothing(visitor, estate):
    agent = visitor(*AGENT)
    agent.get(f"{REQUESTS}/new")
    pages = [
        agent.post(f"{REQUESTS}/new", {"title": f"No. {n}", "request_kind": "inquiry"}).headers["Location"]
        for n in range(3)
    ]
    agent.post(f"{pages[0]}/actions/reject", {"reason": "test"})
    ids = [str(record.id) for record in records(estate)]
    choose = agent.http.post(f"/e/{estate.code}/{REQUESTS}/bulk", data={"id": ids, "_token": agent.token})
    assert choose.status_code == 200 and 'value="answer"' in choose.text
    done = agent.http.post(
        f"/e/{estate.code}/{REQUESTS}/bulk",
        data={"id": ids, "_token": agent.token, "action": "answer", "step": "do", "resolution": "yes"},
        headers={"Accept-Language": "en"},
    )
    assert "2 done, 1 not." in done.text
    assert sorted(record.state for record in records(estate)) == ["rejected", "resolved", "resolved"]


def test_a_view_is_saved_shared_and_counted(visitor, estate):
    agent, manager, resident = visitor(*AGENT), visitor("core.manager"), visitor("core.resident")
    agent.get(f"{REQUESTS}/new")
    agent.post(f"{REQUESTS}/new", {"title": "Lamp", "request_kind": "repair"})
    agent.get(REQUESTS)
    query = "filter%5Brequest_kind%5D=repair"
    saved = agent.post(f"{REQUESTS}/views", {"name": "Mending", "query": query})
    assert 'Mending <span class="n">1</span>' in agent.get(saved.headers["Location"]).text
    assert "Mending" not in manager.get(REQUESTS).text
    assert agent.post(f"{REQUESTS}/views", {"name": "All of it", "query": query, "shared": "1"}).status_code == 403
    manager.post(f"{REQUESTS}/views", {"name": "For all", "query": query, "shared": "1"})
    assert "For all" in agent.get(REQUESTS).text
    assert resident.get(REQUESTS).status_code == 200
    assert "Lamp" not in resident.last.text


@pytest.mark.parametrize("shape", ["list", "table", "board", "calendar", "chart", "pivot"])
def test_a_list_has_every_shape_and_refuses_others(visitor, shape):
    agent = visitor(*AGENT)
    agent.get(f"{REQUESTS}/new")
    agent.post(f"{REQUESTS}/new", {"title": "Lamp", "request_kind": "repair", "due_at": "2026-03-05T14:20"})
    answer = agent.get(f"{REQUESTS}?view={shape}&month=2026-03")
    assert answer.status_code == 200
    if shape not in ("chart", "pivot"):
        assert "Lamp" in answer.text
    assert agent.get(f"{REQUESTS}?view=cube").status_code == 400
    assert agent.get("people?view=board").status_code == 400
    assert agent.get(f"{REQUESTS}?filter[colour]=red").status_code == 400


def test_work_of_all_departments_leads_to_each_departments_own_page(visitor, estate):
    made = estate.login(*AGENT).create("requests", title="漏水", request_kind="repair")
    manager, own = visitor("core.manager", *AGENT), f"/e/{estate.code}/{REQUESTS}/{made['id']}"
    listed = manager.get("records").text
    assert f'href="{own}"' in listed and "<span>Requests</span>" in listed
    assert manager.get(f"records/{made['id']}").location == own
    with estate.context() as ctx:
        disable(ctx, "customer_service", force=True)
    bare = f"/e/{estate.code}/records/{made['id']}"
    assert f'href="{bare}"' in manager.get("records").text and "漏水" in manager.get(bare).text


def test_what_has_no_name_is_called_by_what_it_says(visitor, estate):
    client = estate.login("core.manager")
    home, person = (
        client.create("properties", kind="unit", code="1202", name="1202"),
        client.create("people", name="陈雨"),
    )
    made = client.create("occupancies", person=person["id"], property=home["id"], relation="owner", since="2025-01-01")
    manager, title = visitor("core.manager"), f"陈雨 · {home['label']}"
    assert f"<h1>{title}</h1>" in manager.get(f"occupancies/{made['id']}").text
    assert title in manager.get(f"occupancies/{made['id']}/edit").text


def test_an_export_is_the_present_view_and_no_formula(visitor):
    agent = visitor(*AGENT)
    agent.get(f"{REQUESTS}/new")
    for title, kind in (("=1+1", "repair"), ("Question", "inquiry")):
        agent.post(f"{REQUESTS}/new", {"title": title, "request_kind": kind})
    answer = agent.post(f"{REQUESTS}/export?format=csv&filter[request_kind]=repair&fields=number,title")
    lines = answer.get_data().decode("utf-8-sig").split("\r\n")
    assert lines[0] == "number,title" and lines[1].endswith(",'=1+1") and lines[2] == ""
    assert "attachment" in answer.headers["Content-Disposition"]
    assert agent.post(f"{REQUESTS}/export?format=xlsx").get_data()[:2] == b"PK"
    assert agent.post(f"{REQUESTS}/export?format=exe").status_code == 400


def test_a_plugin_is_disabled_and_enabled_with_a_warning_and_leaves_no_trace(visitor, estate):
    manager = visitor("core.manager")
    manager.get("maintenance/work-orders/new")
    manager.post("maintenance/work-orders/new", {"title": "Pump", "order_type": "corrective"})
    manager.get("settings")
    warned = manager.post("settings", {"plugin": "maintenance", "act": "disable"})
    assert warned.status_code == 409 and "Disable it all the same" in warned.text
    assert manager.post("settings", {"plugin": "maintenance", "act": "disable", "force": "1"}).status_code == 303
    assert "maintenance/work-orders" not in manager.get("").text
    assert manager.get("maintenance/work-orders").status_code == 404
    manager.get("settings")
    manager.post("settings", {"plugin": "maintenance", "act": "enable"})
    assert "Pump" in manager.get("maintenance/work-orders").text


def test_members_get_roles_from_a_manager_but_nobody_changes_their_own(visitor, estate):
    manager, agent = visitor("core.manager"), visitor(*AGENT)
    assert agent.get("settings").status_code == 403
    with estate.place.database.session() as session:
        me, them = (session.scalar(select(User.id).where(User.email == each.email)) for each in (manager, agent))
    manager.get("settings/members")
    wrong = manager.post("settings/members", {"act": "change", "user": str(them), "roles": "core.king"})
    assert wrong.status_code == 422
    none = manager.post("settings/members", {"act": "change", "user": str(them)})
    assert none.status_code == 422, "a member without a role would be one of nothing"
    assert (
        manager.post("settings/members", {"act": "change", "user": str(me), "roles": "core.auditor"}).status_code == 403
    )
    assert (
        manager.post("settings/members", {"act": "change", "user": str(them), "roles": "core.staff"}).status_code == 303
    )
    assert manager.post("settings/members", {"act": "remove", "user": str(them)}).status_code == 303
    assert agent.email not in manager.get("settings/members").text


def test_pages_are_kept_from_caches_frames_and_inline_scripts(visitor, app):
    headers = visitor("core.manager").get("").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "*" not in policy
    assert headers["Cache-Control"] == "no-store"
    sheet = HttpClient(app).get(re.search(r'href="(/static/[^"]+\.css)"', visitor("core.manager").get("").text)[1])
    assert "immutable" in sheet.headers["Cache-Control"]
    assert HttpClient(app).get("/static/x/../app.py").status_code == 404


def test_problems_are_pages_with_the_requests_id(visitor, app, monkeypatch):
    manager = visitor("core.manager")
    missing = manager.get(f"{REQUESTS}/{uuid4()}")
    assert missing.status_code == 404 and missing.mimetype == "text/html"
    assert re.search(r"If you ask for help, say: [0-9a-f-]{36}", missing.text)
    assert HttpClient(app).get("/api/v1/nothing").mimetype == "application/problem+json"

    def broken(*_arguments):
        raise RuntimeError("secret detail")

    monkeypatch.setattr("wuye.pages.desk._greeting", broken)
    failed = manager.get("")
    assert failed.status_code == 500 and "secret detail" not in failed.text and "Traceback" not in failed.text


def test_language_and_theme_are_kept(app, user):
    http = HttpClient(app)
    assert "Sign in" in http.get("/sign-in").text
    http.post("/prefer", data={"locale": "zh_Hans", "next": "/sign-in"})
    http.post("/prefer", data={"theme": "dark", "next": "/sign-in"})
    text = http.get("/sign-in", headers={"Accept-Language": "en"}).text
    assert 'lang="zh-CN"' in text and 'data-theme="dark"' in text and "登录" in text
    assert http.post("/prefer", data={"theme": "dark"}, headers={"Origin": "https://evil.example"}).status_code == 403


def test_the_palette_finds_commands_people_and_work(visitor, estate):
    agent = visitor(*AGENT)
    agent.get(f"{REQUESTS}/new")
    agent.post(f"{REQUESTS}/new", {"title": "电梯异响", "request_kind": "repair"})
    found = agent.get("palette?q=电").get_json()["items"]
    assert [item["label"] for item in found] == ["电梯异响"]
    labels = [item["label"] for item in agent.get("palette?q=log").get_json()["items"]]
    assert "Log a request" in labels
    assert agent.get("palette?q=%00").status_code == 200
    assert "电梯异响" in agent.get("search?q=梯").text
    agent.http.set_cookie("locale", "zh_Hans")
    labels = [item["label"] for item in agent.get("palette?q=djbs").get_json()["items"]]
    assert labels == ["登记报事"]


def test_the_palette_shows_people_whose_name_begins_like_that_above_all_that_has_it_within(visitor, estate):
    manager = visitor("core.manager", "customer_service.agent")
    client = estate.login("core.manager", "customer_service.agent")
    client.create("people", name="陈雨")
    client.create("requests", title="Fancy lamp", request_kind="repair")
    manager.http.set_cookie("locale", "zh_Hans")
    found = [item["label"] for item in manager.get("palette?q=cy").get_json()["items"]]
    assert found == ["陈雨", "Fancy lamp"]
    assert manager.get("palette?q=gd").get_json()["items"][0]["label"] == "工单"
    inside = [item["label"] for item in manager.get("palette?q=an").get_json()["items"]]
    assert inside.index("Fancy lamp") > 0, "commands are found by what is within them, too"


def picture():
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "green").save(buffer, "JPEG")
    return buffer.getvalue()


def test_photos_are_attached_shown_and_removed_and_pages_are_refused(visitor, estate):
    agent = visitor(*AGENT)
    agent.get(f"{REQUESTS}/new")
    page = agent.post(f"{REQUESTS}/new", {"title": "Lamp", "request_kind": "repair"}).headers["Location"]
    sent = agent.post(f"{page}/files", {"file": [(io.BytesIO(picture()), "lamp.jpg")]})
    assert sent.status_code == 303
    source = re.search(r'<img src="([^"]+thumb=1)"', agent.get(page).text)[1]
    shown = agent.http.get(source)
    assert shown.status_code == 200 and shown.mimetype.startswith("image/") and shown.get_data()
    shown.close()
    refused = agent.post(f"{page}/files", {"file": [(io.BytesIO(b"<html><script>1</script>"), "x.jpg")]})
    assert refused.status_code == 422
    foreign = agent.post(f"{page}/files", {"file": [(io.BytesIO(picture()), "x.jpg")]}, Origin="https://evil.example")
    assert foreign.status_code == 403
    identity = re.search(r"files/([0-9a-f-]{36})", source)[1]
    agent.get(page)
    agent.post(f"{page}/files", {"remove": identity})
    assert '<img src="/api' not in agent.get(page).text


def test_somebody_is_told_and_says_that_they_have_seen_it(visitor, estate):
    chief = visitor("core.supervisor", "maintenance.dispatcher")
    technician = visitor("core.staff", "maintenance.technician")
    chief.get("maintenance/work-orders/new")
    page = chief.post("maintenance/work-orders/new", {"title": "Pump", "order_type": "corrective"}).headers["Location"]
    chief.post(f"{page}/actions/submit")
    assert chief.post(f"{page}/actions/assign", {"assignee": str(technician.person)}).status_code == 303
    told = technician.get("notifications")
    assert "is assigned to you: Pump" in told.text and "unseen" in told.text
    stream = technician.http.get(f"/api/v1/estates/{estate.code}/notifications/stream")
    assert b'data: {"unseen":1}' in stream.get_data()
    assert technician.post("notifications", {"record": "x"}).status_code == 422
    away = technician.post("notifications", {"record": page.rpartition("/")[2], "next": "//evil.example"})
    assert away.headers["Location"] == f"/e/{estate.code}/notifications", "nobody is sent elsewhere"
    assert "unseen" not in technician.get("notifications").text
    assert technician.post("notifications").status_code == 303
    assert "unseen" not in technician.get("notifications").text


def test_a_resident_reports_follows_talks_and_accepts(visitor, estate):
    resident, other = visitor("core.resident"), visitor("core.resident")
    assert "Nothing reported yet" in resident.get(f"/r/{estate.code}").text
    resident.get(f"/r/{estate.code}/report")
    wrong = resident.post(f"/r/{estate.code}/report", {"request_kind": "repair", "title": ""})
    assert wrong.status_code == 422
    data = {"request_kind": "repair", "title": "Lamp", "file": [(io.BytesIO(picture()), "lamp.jpg")]}
    page = resident.post(f"/r/{estate.code}/report", data).headers["Location"]
    assert "thumb=1" in resident.get(page).text
    assert other.get(page).status_code == 404
    assert resident.post(page, {"text": "Please ring twice"}).status_code == 303
    with estate.context() as ctx:
        take(ctx, ctx.session.scalars(select(Record)).one(), "answer", {"resolution": "It is lit"})
    assert "It is lit" in resident.get(page).text
    assert resident.post(page, {"action": "refuse"}).status_code == 422, "a refusal needs its reason"
    assert resident.post(page, {"action": "dispatch"}).status_code == 404, "not a resident's step"
    assert resident.post(page, {"action": "confirm"}).status_code == 303
    assert resident.post(page, {"action": "rate", "rating": "5"}).status_code == 303
    made = requests(estate)[0]
    assert (made.state, made.rating) == ("accepted_by_requester", 5)
    assert resident.post(page, {"text": "x"}, token="").status_code == 403


def test_a_places_code_takes_reports_without_an_account(visitor, estate, app):
    manager = visitor("core.manager")
    client = estate.login("core.manager")
    place = client.create("properties", kind="common_area", code="hall", name="Hall")
    sheet = manager.get(f"places/{place['id']}/code")
    code = re.search(r"/q/([\w-]+)", sheet.text)[1]
    guest = HttpClient(app)
    assert "Hall" in guest.get(f"/q/{code}").text
    assert guest.get(f"/q/{code[:-2]}AA").status_code == 404
    assert guest.get("/q/%00").status_code == 404
    answer = guest.post(f"/q/{code}", data={"request_kind": "repair", "title": "Lamp", "contact_phone": "13812345678"})
    assert answer.status_code == 303
    made = requests(estate)[0]
    assert (str(made.place_id), made.channel, made.created_by) == (place["id"], "qr", None)
    followed = guest.get(answer.headers["Location"]).text
    assert made.number in followed and "138" not in followed.replace(code, "")
    assert guest.get(f"/e/{estate.code}/{REQUESTS}/{made.id}").status_code == 303
    again = [guest.post(f"/q/{code}", data={"request_kind": "repair", "title": "x"}).status_code for _n in range(11)]
    assert again == [303] * 9 + [429] * 2
    with estate.context() as ctx:
        disable(ctx, "customer_service", force=True)
    assert guest.get(f"/q/{code}").status_code == 404

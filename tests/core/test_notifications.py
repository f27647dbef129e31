"""Who is told what, and who is not; each for themselves, in one statement, and gone with what is rolled back."""

import contextlib
import itertools
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, select

from wuye.estates.services import enable
from wuye.i18n import _, use_locale
from wuye.identity.models import Membership, User
from wuye.notifications.declaration import NotificationKind, show
from wuye.notifications.models import Notification
from wuye.notifications.notices import CHANNEL
from wuye.notifications.services import mentioned, notify_permission
from wuye.people.models import Person
from wuye.plugins.loader import PluginError, load
from wuye.plugins.manifest import Manifest
from wuye.records.models import Record
from wuye.records.services import edit
from wuye.testing import DEADLINE, Refused
from wuye.testing.statements import counted

INSERT = "INSERT INTO core_notification"


def path(client, *parts):
    return "/".join([f"/api/v1/estates/{client.estate}/notifications", *parts])


def told(client, *kinds):
    """Return the texts that a client finds, newest first; of some kinds only if they are named."""
    items = client.ask("GET", path(client))["items"]
    return [item["text"] for item in items if not kinds or item["kind"] in kinds]


def comment(client, record, text, *, internal=False, resource="requests"):
    body = {"text": text, "internal": internal}
    client.ask("POST", client.url(resource, record["id"], "comments"), body)


def name_of(estate, client, name):
    """Give the person behind a client a name that can be mentioned."""
    with estate.context() as ctx:
        ctx.session.get_one(Person, (estate.info.id, client.person)).name = name


@pytest.fixture
def people(estate):
    return (
        estate.login("core.resident"),
        estate.login("customer_service.agent"),
        estate.login("maintenance.dispatcher"),
        estate.login("maintenance.technician"),
    )


def repair(agent, resident, **values):
    return agent.create("requests", title="Leak", request_kind="repair", requester=str(resident.person), **values)


def test_whoever_gets_the_work_is_told_and_nobody_else(estate, people):
    resident, agent, dispatcher, technician = people
    order = dispatcher.create("work-orders", title="Pump", order_type="corrective")
    dispatcher.act("work-orders", order, "submit")
    order = dispatcher.act("work-orders", order, "assign", assignee=str(technician.person))
    assert told(technician) == [f"{order['number']} is assigned to you: Pump"]
    assert told(dispatcher) == told(agent) == told(resident) == []
    technician.act("work-orders", order, "decline", reason="Ill")
    dispatcher.act("work-orders", order, "assign", assignee=str(dispatcher.person))
    assert told(dispatcher) == [], "nobody is told what they did themselves"
    assert len(told(technician)) == 1, "to be rid of it is nothing to be told"


def test_it_does_not_matter_how_the_work_was_assigned(estate, people):
    _resident, _agent, dispatcher, technician = people
    order = dispatcher.create("work-orders", title="Pump", order_type="corrective")
    with estate.context() as ctx:
        record = ctx.session.scalars(select(Record).where(Record.number == order["number"])).one()
        edit(ctx, record, {"assignee_id": technician.person})
        ctx.session.flush()
        edit(ctx, record, {"title": "Pump 2"})
    assert told(technician) == [f"{order['number']} is assigned to you: Pump 2"]
    with estate.context() as ctx:
        edit(ctx, ctx.session.get_one(Record, (estate.info.id, record.id)), {"title": "Pump 3"})
    assert len(told(technician)) == 1


def test_a_comment_reaches_requester_and_assignee_but_not_its_writer(estate, people):
    resident, agent, dispatcher, technician = people
    request = repair(agent, resident)
    comment(agent, request, "We are coming")
    assert told(resident) == [f"Somebody comments on {request['number']}: Leak"]
    comment(resident, request, "Thank you")
    assert told(agent) == []
    assert len(told(resident)) == 1
    order = dispatcher.create("work-orders", title="Leak", order_type="corrective")
    dispatcher.act("work-orders", order, "submit")
    dispatcher.act("work-orders", order, "assign", assignee=str(technician.person))
    comment(dispatcher, order, "The key is with the porter", resource="work-orders")
    assert len(told(technician, "commented")) == 1
    assert told(dispatcher) == []


def test_an_internal_comment_is_nothing_for_the_requester(estate, people):
    resident, agent, _dispatcher, technician = people
    request = repair(agent, resident)
    name_of(estate, resident, "Wang Wei")
    estate.staff(resident.person, "maintenance")
    name_of(estate, technician, "Li Na")
    comment(agent, request, "A known trouble, @Wang Wei and @Li Na", internal=True)
    assert told(resident) == [], "neither as the requester, nor mentioned: they may not read it"
    assert told(technician) == [f"Somebody mentions you in {request['number']}: Leak"]


def test_who_is_mentioned_is_told_so_instead(estate, people):
    resident, agent, dispatcher, technician = people
    name_of(estate, technician, "王小明")
    name_of(estate, dispatcher, "王小")
    name_of(estate, resident, "Chen Yu")
    request = repair(agent, resident)
    comment(agent, request, "＠王小明 请看一下; @Chen Yu, @nobody")
    assert told(technician, "mentioned") == [f"Somebody mentions you in {request['number']}: Leak"]
    assert told(dispatcher) == [], "the longest name that fits"
    assert told(resident, "commented", "mentioned") == [f"Somebody comments on {request['number']}: Leak"], "no staff"
    with estate.context() as ctx:
        record = ctx.session.get_one(Record, (estate.info.id, request["id"]))
        record.assignee_id = technician.person
    comment(agent, request, "@王小明 and once more @王小明")
    assert len(told(technician, "mentioned")) == 2
    assert told(technician, "commented") == []


def test_names_are_found_in_either_case_and_only_after_an_at(estate):
    person, other, former = estate.person("Chen Yu"), estate.person("chen yu"), estate.person("Ma", archived=True)
    for each in (person, other, former):
        estate.staff(each, "maintenance")
    with estate.context() as ctx:
        assert mentioned(ctx, "Ask @CHEN YU") == {person, other}
        assert mentioned(ctx, "Ask Chen Yu, or chen@yu.example, or @Ma, @") == set()


def test_the_requester_hears_of_what_waits_and_of_the_end(estate, people):
    resident, agent, _dispatcher, _technician = people
    request = resident.create("requests", title="Leak", request_kind="repair")
    agent.act("requests", request, "accept", category="repair.plumbing")
    assert told(resident) == [], "on its way is no news"
    agent.act("requests", request, "resolve", resolution="New gasket")
    number = request["number"]
    assert told(resident) == [f"{number} is now “Waiting for acceptance”: Leak"]
    resident.act("requests", request, "rate", rating=5)
    resident.act("requests", request, "confirm")
    assert len(told(resident)) == 1, "what they did themselves"
    agent.act("requests", request, "close")
    assert told(resident)[0] == f"{number} is now “Closed”: Leak"
    assert told(agent) == []
    answer = resident.ask("GET", path(resident), Accept_Language="zh-CN")["items"][0]
    assert answer["text"] == f"{number} 现在的状态是“已办结”: Leak"
    assert answer["record"] == {"id": request["id"], "kind": "customer_service.request", "label": number}


def test_a_department_is_told_of_what_it_is_offered(estate, people):
    resident, agent, dispatcher, technician = people
    request = repair(agent, resident, category="repair.plumbing")
    agent.act("requests", request, "dispatch")
    [referral] = dispatcher.list("referrals")
    assert told(dispatcher) == [f"{referral['number']} is offered to your department: Leak"]
    assert told(technician) == told(agent) == told(resident) == []
    dispatcher.act("referrals", referral, "refuse", reason="Not ours")
    manager = estate.login("core.manager")
    manager.act("referrals", referral, "route", department="maintenance")
    assert len(told(dispatcher)) == 2
    assert told(manager) == [], "who routes it may take it over, and knows"


def test_the_requester_of_a_chain_hears_of_its_beginning_only(estate, people):
    resident, agent, dispatcher, technician = people
    request = repair(agent, resident, category="repair.plumbing")
    agent.act("requests", request, "dispatch")
    dispatcher.act("referrals", dispatcher.list("referrals")[0], "accept")
    [order] = dispatcher.list("work-orders")
    dispatcher.act("work-orders", order, "assign", assignee=str(technician.person))
    for step in ("take", "arrive", "start"):
        technician.act("work-orders", order, step)
    technician.act("work-orders", order, "finish", remedy="New gasket")
    assert told(resident) == [f"{request['number']} is now “Waiting for acceptance”: Leak"]


def test_a_department_that_is_not_enabled_is_told_when_it_is(make_estate):
    estate = make_estate(("customer_service",))
    resident, agent = estate.login("core.resident"), estate.login("customer_service.agent")
    manager = estate.login("core.manager")
    request = repair(agent, resident, category="repair.plumbing")
    agent.act("requests", request, "dispatch")
    assert told(manager) == [], "it waits on the board"
    with estate.context() as ctx:
        enable(ctx, ["maintenance"])
    assert len(told(manager, "referral_offered")) == 1


def test_another_estate_hears_and_sees_nothing(estate, people, make_estate):
    resident, agent, dispatcher, _technician = people
    other = make_estate()
    stranger = other.login("maintenance.dispatcher")
    request = repair(agent, resident, category="repair.plumbing")
    agent.act("requests", request, "dispatch")
    assert len(told(dispatcher)) == 1
    assert told(stranger) == []
    for method, tail, body in (("GET", (), None), ("POST", ("seen",), {"all": True}), ("GET", ("stream",), None)):
        assert stranger.send(method, path(agent, *tail), body).status_code == 404
        anonymous = estate.app.test_client().open(path(agent, *tail), method=method, json=body)
        assert anonymous.status_code == 401
    with other.context() as ctx:
        assert ctx.session.scalar(select(func.count()).select_from(Notification)) == 0
    assert estate.login().send("GET", path(agent)).status_code == 403, "a member without any role opens nothing"


def a_record(estate, ctx, resident, agent):
    request = repair(agent, resident)
    return ctx.session.get_one(Record, (estate.info.id, request["id"]))


def test_what_a_plugin_tells_ends_with_it(estate, people, monkeypatch):
    resident, agent, dispatcher, technician = people
    monkeypatch.setitem(
        estate.place.plugins.registry.notifications,
        "maintenance.tool_missing",
        NotificationKind("tool_missing", "{who} misses {tool}: {title}{unheard_of}"),
    )
    with estate.context() as ctx:
        record = a_record(estate, ctx, resident, agent)
        ctx.notify(technician.person, "maintenance.tool_missing", record, tool="a ladder")
        ctx.notify(ctx.session.get_one(Person, (estate.info.id, resident.person)), "maintenance.tool_missing", record)
        ctx.notify(None, "maintenance.tool_missing", record)
        notify_permission(ctx, "maintenance.dispatch", "maintenance.tool_missing", None, tool=_("Closed"))
        with pytest.raises(KeyError):
            ctx.notify(technician.person, "maintenance.unheard_of", record)
        with pytest.raises(KeyError):
            notify_permission(ctx, "maintenance.unheard_of", "assigned", record)
    assert told(technician) == ["wuye misses a ladder: Leak"]
    assert told(resident) == ["wuye misses : Leak"]
    assert told(dispatcher) == ["wuye misses Closed: "]
    with estate.context() as ctx:
        ctx.plugins -= {"maintenance"}
        ctx.notify(agent.person, "maintenance.tool_missing", record)
        notify_permission(ctx, "maintenance.dispatch", "assigned", record)
    assert told(agent) == []
    assert len(told(dispatcher)) == 1
    monkeypatch.undo()
    assert told(technician) == [f"{record.number} Leak"], "of a plugin that is gone, what it was about"


def test_a_user_is_told_and_one_who_may_not_sign_in_is_not(estate, people):
    resident, agent, dispatcher, technician = people
    with estate.context() as ctx:
        record = a_record(estate, ctx, resident, agent)
        users = {}
        for client in (dispatcher, technician):
            mine = select(User).join(Membership, Membership.user_id == User.id)
            users[client] = ctx.session.scalars(mine.where(Membership.person_id == client.person)).one()
            ctx.notify(users[client], "assigned", record)
            ctx.notify(client.person, "assigned", record)
        ctx.session.flush()
        users[technician].active = False
        ctx.session.flush()
    assert len(told(dispatcher)) == 1, "twice in one step is once"
    with estate.context() as ctx:
        rows = ctx.session.scalars(select(Notification)).all()
    assert [row.user_id for row in rows] == [users[dispatcher].id]
    assert [row.id.version for row in rows] == [7]


def test_what_is_told_is_written_by_one_statement_and_silence_by_none(estate, people, monkeypatch):
    resident, agent, dispatcher, _technician = people
    managers = [estate.login("core.manager") for _number in range(3)]
    with counted(estate.place, monkeypatch) as sent:
        request = repair(agent, resident, category="repair.plumbing")
    assert not [statement for statement in sent if "core_notification" in statement]
    with counted(estate.place, monkeypatch) as sent:
        agent.act("requests", request, "dispatch")
    assert len([statement for statement in sent if INSERT in statement]) == 1
    assert [len(told(client)) for client in (dispatcher, *managers)] == [1] * 4


def test_an_import_is_no_news(estate, tmp_path):
    from wuye.imports.engine import run

    dispatcher = estate.login("maintenance.dispatcher")
    file = tmp_path / "requests.csv"
    file.write_text("title,request_kind,category,state\nLeak,repair,repair.plumbing,in_progress\n", "utf-8")
    assert run(estate.place, estate.code, "requests", file).created == 1
    assert [row["state"] for row in dispatcher.list("referrals")] == ["offered"]
    assert told(dispatcher) == []


def test_what_is_rolled_back_was_never_told(estate, people):
    resident, agent, *_others = people
    with contextlib.suppress(ZeroDivisionError), estate.context() as ctx:
        ctx.notify(resident.person, "assigned", a_record(estate, ctx, resident, agent))
        ctx.seal()
        raise ZeroDivisionError
    assert told(resident) == []
    with estate.context() as ctx:
        ctx.notify(resident.person, "assigned", None)
        ctx.discard()
    assert told(resident) == []


def test_a_plugin_that_fails_while_it_listens_tells_nothing(estate, people, monkeypatch):
    resident, agent, *_others = people

    def fail(ctx, record):
        ctx.notify(resident.person, "commented", record)
        ctx.log(record, "never")
        raise ZeroDivisionError("a bug in a plugin")

    plan = (("maintenance", fail, ("ctx", "record")),)
    monkeypatch.setitem(estate.place.plugins.bus._plans, "record_changed", plan)
    monkeypatch.setattr(estate.place.plugins.bus, "strict", False)
    request = repair(agent, resident)
    assert told(resident) == []
    assert [entry["event"] for entry in agent.timeline("requests", request)] == ["created"]


def seen_at(client, identity):
    return next(item["seen_at"] for item in client.ask("GET", path(client))["items"] if item["id"] == identity)


def test_pages_are_read_to_the_end_and_what_is_seen_stays_seen(estate, people):
    resident, agent, dispatcher, _technician = people
    request = repair(agent, resident)
    for number in range(5):
        comment(agent, request, f"{number}")
    first = resident.ask("GET", f"{path(resident)}?limit=2")
    assert (len(first["items"]), first["unseen"], first["unseen_is_capped"]) == (2, 5, False)
    second = resident.ask("GET", f"{path(resident)}?limit=2&after={first['after']}")
    third = resident.ask("GET", f"{path(resident)}?limit=2&after={second['after']}")
    assert third["after"] is None
    ids = [item["id"] for page in (first, second, third) for item in page["items"]]
    assert len(set(ids)) == 5
    times = [item["created_at"] for page in (first, second, third) for item in page["items"]]
    assert times == sorted(times, reverse=True)
    assert dispatcher.ask("POST", path(dispatcher, "seen"), {"ids": ids})["unseen"] == 0
    assert resident.ask("GET", path(resident))["unseen"] == 5, "nobody sees for somebody else"
    assert resident.ask("POST", path(resident, "seen"), {"ids": ids[:2]})["unseen"] == 3
    assert [item["id"] for item in resident.ask("GET", f"{path(resident)}?unseen=1")["items"]] == ids[2:]
    elsewhere = repair(agent, resident)
    comment(agent, elsewhere, "another")
    assert resident.ask("POST", path(resident, "seen"), {"record": elsewhere["id"]})["unseen"] == 3
    assert resident.ask("POST", path(resident, "seen"), {"record": request["id"]})["unseen"] == 0
    before = seen_at(resident, ids[0])
    comment(agent, request, "one more")
    assert resident.ask("POST", path(resident, "seen"), {"all": True})["unseen"] == 0
    assert seen_at(resident, ids[0]) == before


def test_counting_the_unseen_stops_at_a_hundred(estate, people):
    resident, *_others = people
    with estate.context() as ctx:
        [user] = ctx.session.scalars(select(Membership.user_id).where(Membership.person_id == resident.person)).all()
        ctx.session.add_all(Notification(user_id=user, kind="assigned", created_at=ctx.now) for _ in range(130))
    page = resident.ask("GET", f"{path(resident)}?limit=200")
    assert (len(page["items"]), page["unseen"], page["unseen_is_capped"]) == (130, 100, True)


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "after=x", "after=WzEsMl0", "colour=red", "after=é"])
def test_what_cannot_be_shown_is_said_so(login, query):
    client = login("core.resident")
    answer = client.send("GET", f"{path(client)}?{query}")
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (400, query.partition("=")[0])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "ids"),
        ({"all": False}, "ids"),
        ({"all": True, "ids": []}, "ids"),
        ({"record": "0190163d-8694-739b-aea5-966c26f8ad91", "ids": []}, "ids"),
        ({"record": "x"}, "record"),
        ({"ids": "x"}, "ids"),
        ({"ids": ["x"]}, "ids.0"),
        ({"ids": ["0190163d-8694-739b-aea5-966c26f8ad91"] * 201}, "ids"),
        ({"seen": True}, "seen"),
    ],
)
def test_what_was_seen_must_be_said_clearly(login, body, field):
    client = login("core.resident")
    with pytest.raises(Refused) as refused:
        client.ask("POST", path(client, "seen"), body)
    assert (refused.value.status, refused.value.problem["errors"][0]["field"]) == (422, field)


def test_the_stream_says_at_once_how_many_are_new_and_ends(estate, people):
    resident, agent, *_others = people
    comment(agent, repair(agent, resident), "We are coming")
    answer = resident.send("GET", path(resident, "stream"))
    assert answer.mimetype == "text/event-stream"
    retry, *rest = answer.get_data(as_text=True).split("\n")
    assert 15_000 <= int(retry.removeprefix("retry: ")) < 20_000
    assert rest == ["event: notifications", 'data: {"unseen":1}', "", ""]
    assert answer.headers["Cache-Control"] == "no-store"


def test_who_listens_hears_for_whom_there_is_news_once_it_is_committed(estate, people):
    resident, agent, *_others = people
    address = estate.place.database.url("app").set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        with estate.context() as ctx:
            record = a_record(estate, ctx, resident, agent)
            ctx.notify(resident.person, "assigned", record)
            ctx.notify(resident.person, "commented", record)
        with psycopg.connect(address, autocommit=True) as last:
            last.execute(f"NOTIFY {CHANNEL}, 'all'")  # comes after all that was told before
        with contextlib.closing(
            listener.notifies(timeout=DEADLINE)
        ) as messages:  # it holds the connection while it is open
            payloads = (message.payload for message in messages)
            heard = list(itertools.takewhile(lambda payload: payload != "all", payloads))
    with estate.context() as ctx:
        [user] = ctx.session.scalars(select(Membership.user_id).where(Membership.person_id == resident.person)).all()
    assert heard.count(f"{estate.info.id} {user}") == 1


def test_what_was_seen_long_ago_is_forgotten(estate, people):
    resident, *_others = people
    with estate.context() as ctx:
        [user] = ctx.session.scalars(select(Membership.user_id).where(Membership.person_id == resident.person)).all()
        for kind, days in (("assigned", 91), ("commented", 89), ("mentioned", None)):
            at = None if days is None else ctx.now - timedelta(days=days)
            long_ago = ctx.now - timedelta(days=400)
            ctx.session.add(Notification(user_id=user, kind=kind, created_at=long_ago, seen_at=at))
    with estate.context() as ctx:
        estate.place.plugins.registry.jobs["core.purge_notifications"](ctx)
    with estate.context() as ctx:
        assert set(ctx.session.scalars(select(Notification.kind))) == {"commented", "mentioned"}


def test_a_text_is_translated_when_it_is_read_and_its_places_are_plain_names():
    kind = NotificationKind("x", _("{number} is now “{state}”: {title}"))
    data = {"number": "R-1", "state": {"_": "Answered"}, "title": "{who.__class__}"}
    assert show(kind, data) == "R-1 is now “Answered”: {who.__class__}"
    with use_locale("zh_Hans"):
        assert show(kind, data) == "R-1 现在的状态是“已答复”: {who.__class__}"
    with pytest.raises(ValueError, match="plain name"):
        NotificationKind("x", "{who.__class__}").bind("core", None)


def test_a_kind_goes_by_its_plugin_and_is_checked():
    from wuye.plugins.hookspecs import hookimpl
    from wuye.plugins.loader import Plugin

    class Parcels(Plugin):
        manifest = Manifest.parse({"plugin": {"name": "parcels", "label": "Parcels", "api": ">=1,<2"}}, "here")
        folder = Path()
        kinds = (NotificationKind("arrived", "A parcel: {title}"),)

        @hookimpl
        def register_notifications(self):
            return self.kinds

    assert "parcels.arrived" in load(strict=True, extra=(Parcels(),)).registry.notifications
    wrong = Parcels()
    wrong.kinds = ("arrived",)
    with pytest.raises(PluginError, match="must return NotificationKind"):
        load(strict=True, extra=(wrong,))

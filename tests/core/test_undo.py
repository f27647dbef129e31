"""What one has just done can be taken back whole for some seconds, or not at all."""

from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import inspect, select, text

from wuye.api import Conflict, Record
from wuye.context import Actor, Context
from wuye.errors import NotFound, Problem
from wuye.jobs.queue import enqueue
from wuye.notifications.models import Notification
from wuye.records.flow import SYSTEM
from wuye.records.models import Timeline
from wuye.records.timeline import verify_chain
from wuye.resources import service, undo
from wuye.resources.schemas import input_schema
from wuye.testing.inputs import minimal
from wuye.testing.samples import make_one, references

ORDERS, REQUESTS = "maintenance.work-orders", "customer_service.requests"


@pytest.fixture
def acting(estate):
    """A function that opens a step of a user who may everything: the same one, or another."""
    users, times = {}, []

    @contextmanager
    def open_(name="me", after=timedelta()):
        with estate.context() as ctx:
            ctx.actor = Actor(users.setdefault(name, uuid4()), None, name, ctx.actor.permissions)
            times.append(ctx.now)
            ctx.now = times[0] + after
            yield ctx

    return open_


@pytest.fixture
def done(acting):
    """A function that takes an action, or edits, as a page does; it returns what can be taken back."""

    def do(key, ids, event, data=None):
        with acting() as ctx:
            doing = undo.Doing(ctx, ctx.loaded.registry.resources[key], event)
            for identity in ids if isinstance(ids, list) else [ids]:
                with doing.watched(identity):
                    if event == undo.EDITED:
                        service.edit(ctx, doing.resource, identity, data, "*")
                    else:
                        service.act(ctx, doing.resource, identity, event, data or {}, "*")
            step = doing.keep()
            return step and step.id

    return do


def make(estate, key, **values):
    sample = {
        ORDERS: {"title": "Lamp", "order_type": "corrective"},
        REQUESTS: {"title": "Lamp", "request_kind": "repair"},
    }
    with estate.context() as ctx:
        return service.create(ctx, ctx.loaded.registry.resources[key], {**sample[key], **values})["id"]


def columns(estate, identity):
    """Return all that a record is, but for what counts its changes."""
    with estate.context() as ctx:
        kind = ctx.session.scalars(select(Record.kind).where(Record.id == identity)).one()
        row = ctx.session.get(ctx.loaded.registry.resource_of_kind(kind).model, (estate.info.id, identity))
        names = {each.key for each in inspect(row).mapper.column_attrs} - {"version", "updated_at"}
        return {name: getattr(row, name) for name in names}


def events(estate, identity):
    with estate.context() as ctx:
        rows = select(Timeline.event).where(Timeline.record_id == identity).order_by(Timeline.sequence)
        return ctx.session.scalars(rows).all()


def take_back(acting, step, **how):
    with acting(**how) as ctx:
        _resource, outcomes = undo.take_back(ctx, step)
        return [str(each.reason) if each.reason else None for each in outcomes]


def test_an_action_is_taken_back_whole_and_both_stand_on_the_timeline(estate, acting, done):
    order, person = make(estate, ORDERS), estate.person("Li Wei")
    done(ORDERS, order, "submit")
    before = columns(estate, order)
    step = done(ORDERS, order, "assign", {"assignee": str(person)})
    assert columns(estate, order)["assignee_id"] == person
    assert take_back(acting, step) == [None]
    assert columns(estate, order) == before
    assert events(estate, order) == ["created", "submit", "assign", "taken_back"]
    with estate.context() as ctx:
        assert list(verify_chain(ctx.session)) == []


def test_a_closed_record_is_open_again(estate, acting, done):
    request = make(estate, REQUESTS)
    step = done(REQUESTS, request, "reject", {"reason": "no"})
    assert columns(estate, request)["closed_at"] is not None
    take_back(acting, step)
    now = columns(estate, request)
    assert (now["state"], now["phase"], now["closed_at"]) == ("new", "open", None)


def test_fields_are_put_back_by_an_edit(estate, acting, done):
    place = make_one(estate, estate.place.plugins.registry.resources["core.properties"])
    request = make(estate, REQUESTS, title="Lamp", place=str(place))
    step = done(REQUESTS, request, undo.EDITED, {"title": "Lift", "place": None, "due_at": "2026-01-02T03:04:05Z"})
    assert columns(estate, request)["title"] == "Lift"
    take_back(acting, step)
    now = columns(estate, request)
    assert (now["title"], now["place_id"], now["due_at"]) == ("Lamp", place, None)
    assert events(estate, request) == ["created", "edited", "edited"]


@pytest.mark.parametrize(("seconds", "in_time"), [(0, True), (8, True), (12, True), (12.1, False), (3600, False)])
def test_it_is_too_late_after_the_window_and_the_way(estate, acting, done, seconds, in_time):
    request = make(estate, REQUESTS)
    step = done(REQUESTS, request, "reject", {"reason": "no"})
    if in_time:
        assert take_back(acting, step, after=timedelta(seconds=seconds)) == [None]
    else:
        with pytest.raises(Conflict, match="too late"):
            take_back(acting, step, after=timedelta(seconds=seconds))
        assert columns(estate, request)["state"] == "rejected"


def test_it_is_for_who_did_it_once_and_where_its_plugin_is_on(estate, make_estate, acting, done):
    request = make(estate, REQUESTS)
    step = done(REQUESTS, request, "reject", {"reason": "no"})
    with pytest.raises(NotFound):
        take_back(acting, step, name="somebody else")
    with make_estate().context() as elsewhere, pytest.raises(NotFound):
        undo.take_back(elsewhere, step)
    with acting() as ctx:
        ctx.plugins -= {"customer_service"}
        with pytest.raises(NotFound):
            undo.take_back(ctx, step)
    assert take_back(acting, step) == [None]
    with pytest.raises(NotFound):
        take_back(acting, step)
    assert events(estate, request).count("taken_back") == 1


def test_a_right_that_was_taken_away_meanwhile_is_missed(estate, acting, done):
    request = make(estate, REQUESTS)
    step = done(REQUESTS, request, "reject", {"reason": "no"})
    with acting() as ctx:
        ctx.actor = Actor(ctx.actor.user_id, None, "me", frozenset({"customer_service.read"}))
        assert "permission" in str(undo.take_back(ctx, step)[1][0].reason)
    assert columns(estate, request)["state"] == "rejected"


def test_what_somebody_changed_since_stays_and_the_others_are_put_back(estate, acting, done):
    requests = [make(estate, REQUESTS, title=title) for title in "abc"]
    step = done(REQUESTS, requests, "reject", {"reason": "no"})
    with acting(name="somebody else") as ctx:
        service.edit(ctx, ctx.loaded.registry.resources[REQUESTS], requests[1], {"title": "B"}, "*")
    reasons = take_back(acting, step)
    assert [bool(reason) for reason in reasons] == [False, True, False]
    assert "changed it" in reasons[1]
    assert [columns(estate, each)["state"] for each in requests] == ["new", "rejected", "new"]
    assert "taken_back" not in events(estate, requests[1])


def test_what_went_to_another_department_is_not_offered(estate, done):
    request = make(estate, REQUESTS)
    done(REQUESTS, request, "accept", {"category": "repair"})
    assert done(REQUESTS, request, "dispatch") is None


def test_what_made_something_is_not_offered(estate, done):
    order = make(estate, ORDERS, order_type="emergency")
    done(ORDERS, order, "assign", {"assignee": str(estate.person("Li Wei"))})
    for action in ("take", "start"):
        assert done(ORDERS, order, action)
    line = {"item": "Lamp", "quantity": "1"}
    assert done(ORDERS, order, "finish", {"remedy": "New lamp", "materials": [line]}) is None


def test_what_queued_a_job_is_not_offered(estate, acting):
    request = make(estate, REQUESTS)
    with acting() as ctx:
        doing = undo.Doing(ctx, ctx.loaded.registry.resources[REQUESTS], "reject")
        with doing.watched(request):
            service.act(ctx, doing.resource, request, "reject", {"reason": "no"}, "*")
            enqueue(ctx, "core.purge_idempotency_keys")
        assert doing.keep() is None


def test_personal_data_is_not_kept_for_it(estate, done):
    person = estate.person("Chen Yu", phone="13812345678")
    assert done("core.people", person, undo.EDITED, {"phone": "13887654321"}) is None
    assert done("core.people", person, undo.EDITED, {"name": "Chen Yun"})
    with estate.context() as ctx:
        assert "1381" not in str(ctx.session.scalars(select(undo.UndoStep.rows)).all())


def test_nothing_changed_is_nothing_to_take_back(estate, done):
    assert done(REQUESTS, make(estate, REQUESTS, title="Lamp"), undo.EDITED, {"title": "Lamp"}) is None


def test_who_was_told_never_hears_of_it_unless_they_have_seen_it(estate, acting, done):
    client = estate.login("maintenance.technician")
    order = make(estate, ORDERS)
    done(ORDERS, order, "submit")

    def told():
        with estate.context() as ctx:
            return ctx.session.scalars(select(Notification).where(Notification.record_id == order)).all()

    step = done(ORDERS, order, "assign", {"assignee": str(client.person)})
    assert [each.kind for each in told()] == ["assigned"]
    assert take_back(acting, step) == [None]
    assert told() == []

    step = done(ORDERS, order, "assign", {"assignee": str(client.person)})
    client.ask("POST", f"/api/v1/estates/{estate.code}/notifications/seen", {"all": True})
    assert "seen it" in take_back(acting, step)[0]
    assert columns(estate, order)["assignee_id"] == client.person
    assert len(told()) == 1


def test_giving_back_to_somebody_is_no_news_to_them(estate, acting, done):
    client = estate.login("maintenance.technician")
    order = make(estate, ORDERS)
    done(ORDERS, order, "submit")
    done(ORDERS, order, "assign", {"assignee": str(client.person)})
    step = done(ORDERS, order, "assign", {"assignee": str(estate.person("Somebody else"))})
    with estate.context() as ctx:
        ctx.session.execute(text("UPDATE core_notification SET created_at = created_at - interval '1 hour'"))
    take_back(acting, step)
    with estate.context() as ctx:
        assert [each.kind for each in ctx.session.scalars(select(Notification))] == ["assigned"]


def test_a_plugin_may_insist_that_it_stays(estate, acting, done, monkeypatch):
    request = make(estate, REQUESTS)
    step = done(REQUESTS, request, "reject", {"reason": "no"})
    call = Context.call

    def veto(ctx, hook, **arguments):
        if hook == "before_change" and arguments["event"] == "taken_back":
            raise Conflict("It is in the books.")
        return call(ctx, hook, **arguments)

    monkeypatch.setattr(Context, "call", veto)
    assert take_back(acting, step) == ["It is in the books."]
    assert columns(estate, request)["state"] == "rejected"
    assert "taken_back" not in events(estate, request)


def test_old_steps_are_forgotten(estate, done):
    done(REQUESTS, make(estate, REQUESTS), "reject", {"reason": "no"})
    job = estate.place.plugins.registry.jobs["core.purge_undo_steps"]
    for after, left in ((timedelta(seconds=11), 1), (timedelta(seconds=13), 0)):
        with estate.context() as ctx:
            ctx.now += after
            job(ctx)
            assert len(ctx.session.scalars(select(undo.UndoStep)).all()) == left


@pytest.mark.parametrize("key", [ORDERS, REQUESTS])
def test_wherever_a_flow_leads_a_step_is_taken_back_whole(estate, acting, key):
    item = estate.place.plugins.registry.resources[key]
    targets = references(estate)
    taken = set()

    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def walk(data):
        identity = make_one(estate, item)
        for _number in range(data.draw(st.integers(1, 12))):
            before, entries = columns(estate, identity), len(events(estate, identity))
            possible = [each for each in item.flow.from_state(before["state"]) if each.permission != SYSTEM]
            if not possible:
                return
            action = data.draw(st.sampled_from(possible))
            body = minimal(input_schema(action), targets, optional=("category",))
            with acting() as ctx:
                doing = undo.Doing(ctx, item, action.name)
                try:
                    with ctx.savepoint(), doing.watched(identity):
                        service.act(ctx, item, identity, action.name, body, "*")
                except Problem:
                    continue
                step = doing.keep()
                kept = step and step.id
            if kept is not None and data.draw(st.booleans()):
                assert take_back(acting, kept) == [None]
                assert columns(estate, identity) == before
                assert events(estate, identity)[entries:] == [action.name, "taken_back"]
                taken.add(action.name)

    walk()
    assert taken
    with estate.context() as ctx:
        assert list(verify_chain(ctx.session)) == []

"""Plugins that are broken, gone or in each other's way; and hooks that are documented and heard."""

import ast
import inspect
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import click
import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from wuye.errors import Conflict
from wuye.estates.models import EstatePlugin
from wuye.plugins import hookspecs
from wuye.plugins.hookspecs import MODES, hookimpl
from wuye.plugins.loader import Plugin, PluginError, load
from wuye.plugins.manifest import Manifest, ManifestError
from wuye.records import services
from wuye.records.flow import Flow, FlowError, State, Transition
from wuye.records.models import Record
from wuye.resources import service
from wuye.testing import Refused

HOOKS = {
    name: function
    for spec in (hookspecs.Declarations, hookspecs.Events)
    for name, function in vars(spec).items()
    if not name.startswith("_")
}


def made(plugin_class, **manifest):
    plugin = plugin_class()
    data = {"plugin": {"name": "odd", "label": "Odd", "api": ">=1,<2", **manifest}}
    plugin.manifest, plugin.folder = Manifest.parse(data, "here"), Path()
    return plugin


def failing(reason_class):
    return pytest.raises(PluginError) if reason_class is None else pytest.raises(reason_class)


def test_a_plugin_that_fails_is_skipped_and_named_or_fatal_when_strict():
    class Broken(Plugin):
        @hookimpl
        def register_resources(self):
            raise ZeroDivisionError("a bug")

    plugins = load(strict=False, extra=(made(Broken),))
    assert "odd" not in plugins.loaded
    assert "ZeroDivisionError" in plugins.failed["odd"]
    assert set(plugins.names) == {"customer_service", "maintenance"}
    with pytest.raises(PluginError, match="odd"):
        load(strict=True, extra=(made(Broken),))


def test_a_method_with_a_hooks_name_must_be_marked():
    class Forgetful(Plugin):
        def record_changed(self, ctx, record, event):
            pass

    with pytest.raises(PluginError, match="no @hookimpl"):
        load(strict=True, extra=(made(Forgetful),))


def test_contributions_are_checked():
    class Wrong(Plugin):
        @hookimpl
        def register_resources(self):
            return ["not a resource"]

    with pytest.raises(PluginError, match="must return Resource"):
        load(strict=True, extra=(made(Wrong),))


def test_a_plugin_brings_commands():
    class Talkative(Plugin):
        @hookimpl
        def register_commands(self):
            yield click.Command("hello")

    plugins = load(strict=True, extra=(made(Talkative),))
    assert [command.name for command in plugins.registry.commands["odd"]] == ["hello"]


def test_what_a_plugin_requires_must_be_there():
    with pytest.raises(PluginError, match="requires nothing_like_it"):
        load(strict=True, extra=(made(Plugin, requires=["nothing_like_it"]),))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "lacks api, label, name"),
        ({"plugin": {"name": "X", "label": "x", "api": ">=1"}}, "must be 2 to 31"),
        ({"plugin": {"name": "ok", "label": "x", "api": ">=2"}}, "made for plugin API"),
        ({"plugin": {"name": "ok", "label": "x", "api": "new"}}, "is not a version range"),
        ({"plugin": {"name": "ok", "label": "x", "api": ">=1", "colour": 1}}, "unknown plugin.colour"),
        ({"plugin": {"name": "ok", "label": "x", "api": ">=1"}, "roles": {"r": ["read"]}}, "not under"),
        ({"plugin": {"name": "ok", "label": "x", "api": ">=1"}, "grants": {"king": []}}, "knows manager"),
    ],
)
def test_a_manifest_says_what_is_wrong_with_it(data, reason):
    with pytest.raises(ManifestError, match=reason):
        Manifest.parse(data, "manifest.toml")


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ((), "at least one state"),
        ((State("a", "A", "sleeping"),), "is none of"),
        ((State("a", "A", "open"), State("b", "B", "done")), "no transition leads to b"),
        ((State("a", "A", "open"), Transition("t", "T", "a", "z", "x.y")), "unknown state z"),
        ((State("a", "A", "open"), State("a", "A", "open")), "declared twice"),
    ],
)
def test_a_flow_that_contradicts_itself_is_refused(items, reason):
    with pytest.raises(FlowError, match=reason):
        Flow(*items)


@pytest.fixture
def forgiving(installation, monkeypatch):
    """A bus that goes on without a hook that fails, as it does in production."""
    monkeypatch.setattr(installation.plugins.bus, "strict", False)


def test_a_plugin_may_veto_and_its_error_stays_its_own(estate, monkeypatch, forgiving):
    agent = estate.login("customer_service.agent")
    bus = estate.place.plugins.bus

    def fail(**_arguments):
        raise ZeroDivisionError("a bug in a plugin")

    monkeypatch.setitem(bus._plans, "record_changed", (("maintenance", fail, ()),))
    request = agent.create("requests", title="Lamp", request_kind="repair")
    assert request["number"], "a plugin that only listens costs the step nothing"
    monkeypatch.setitem(bus._plans, "before_change", (("maintenance", fail, ()),))
    with pytest.raises(Refused) as refused:
        agent.create("requests", title="Lamp", request_kind="repair")
    assert (refused.value.status, refused.value.problem["plugin"]) == (409, "maintenance")
    assert len(agent.list("requests")) == 1


def test_in_development_a_hook_that_fails_fails_the_step(estate, monkeypatch):
    def fail(**_arguments):
        raise ZeroDivisionError("a bug in a plugin")

    monkeypatch.setitem(estate.place.plugins.bus._plans, "record_changed", (("maintenance", fail, ()),))
    with pytest.raises(Refused, match="500"):
        estate.login("customer_service.agent").create("requests", title="Lamp", request_kind="repair")


@pytest.mark.parametrize("strict", [True, False])
def test_what_the_database_refuses_is_the_steps_own_failure_though_plugins_listen(estate, monkeypatch, strict):
    heard = []
    bus = estate.place.plugins.bus
    monkeypatch.setattr(bus, "strict", strict)
    plan = (("maintenance", lambda event: heard.append(event), ("event",)),)  # noqa: PLW0108 (called by name)
    monkeypatch.setitem(bus._plans, "record_changed", plan)
    agent = estate.login("customer_service.agent")
    with pytest.raises(Refused) as refused:
        agent.create("requests", title="Lamp", request_kind="repair", place=str(uuid4()))
    assert (refused.value.status, refused.value.problem["errors"][0]["field"]) == (422, "place")
    assert heard == [], "nothing was changed"
    agent.create("requests", title="Lamp", request_kind="repair")
    assert heard == ["created"]


def test_what_a_plugin_adds_when_it_hears_of_a_change_is_written_and_heard(estate, monkeypatch):
    heard = []

    def listen(ctx, record, event):
        heard.append((event, record.number is not None))
        if event == "created":
            services.edit(ctx, record, {"title": "Heard"})
            ctx.log(record, "listened")

    plan = (("maintenance", listen, ("ctx", "record", "event")),)
    monkeypatch.setitem(estate.place.plugins.bus._plans, "record_changed", plan)
    agent = estate.login("customer_service.agent")
    made = agent.create("requests", title="Lamp", request_kind="repair")
    assert made["title"] == "Heard" and heard == [("created", True), ("edited", True)]
    assert [entry["event"] for entry in agent.timeline("requests", made)] == ["created", "edited", "listened"]


def test_plugins_that_answer_each_other_without_end_are_stopped(estate, monkeypatch):
    def listen(ctx, record):
        services.edit(ctx, record, {"title": f"{record.title}!"})

    monkeypatch.setitem(
        estate.place.plugins.bus._plans, "record_changed", (("maintenance", listen, ("ctx", "record")),)
    )
    requests = estate.place.plugins.registry.resources["customer_service.requests"]
    with pytest.raises(RuntimeError, match="without end"), estate.context() as ctx:
        service.create(ctx, requests, {"title": "Lamp", "request_kind": "repair"})


def test_one_row_that_is_vetoed_costs_a_job_that_row_alone(estate, monkeypatch, forgiving):
    agent = estate.login("core.agent", "customer_service.agent")
    made = [agent.create("requests", title=title, request_kind="inquiry") for title in ("a", "vetoed", "c")]
    for request in made:
        agent.act("requests", request, "answer", resolution="yes")

    def veto(record, event):
        if record.title == "vetoed" and event == "silent_accept":
            raise Conflict("not this one")

    monkeypatch.setitem(estate.place.plugins.bus._plans, "before_change", (("maintenance", veto, ("record", "event")),))
    with estate.context() as ctx, capture_logs() as logs:
        ctx.now += timedelta(days=30)
        ctx.loaded.registry.jobs["customer_service.silent_acceptance"](ctx)
    assert [agent.get("requests", request)["state"] for request in made] == [
        "accepted_by_requester", "resolved", "accepted_by_requester",
    ]  # fmt: skip
    assert [(line["event"], line["row"]) for line in logs if line["event"] == "a row failed"] == [
        ("a row failed", UUID(made[1]["id"]))
    ]


def test_a_chosen_assignee_wins_over_the_least_busy_one(estate, monkeypatch):
    from wuye.people.models import Person

    dispatcher = estate.login("maintenance.dispatcher")
    favourite = estate.person("Favourite")

    def choose(ctx):
        return ctx.session.get(Person, (ctx.estate.id, favourite))

    monkeypatch.setitem(estate.place.plugins.bus._plans, "choose_assignee", (("maintenance", choose, ("ctx",)),))
    order = dispatcher.create("work-orders", title="Burst pipe", order_type="emergency")
    assert order["assignee"]["id"] == str(favourite)


def test_a_hook_that_handles_a_secret_fails_without_repeating_it(estate, monkeypatch, forgiving):
    def fail(text):
        raise ConnectionError(text)

    def refuse(text):
        raise Conflict(text)

    calls = (("maintenance", fail, ("text",)), ("maintenance", refuse, ("text",)), ("maintenance", lambda: True, ()))
    monkeypatch.setitem(estate.place.plugins.bus._plans, "send_code", calls)
    with estate.context() as ctx, capture_logs() as logs:
        assert ctx.loaded.bus.first("send_code", ctx, phone="13812345678", text="123456 is your code") is True
    assert [line["error"] for line in logs] == ["ConnectionError", "Conflict"]
    assert "123456" not in repr(logs) and "exc_info" not in repr(logs)


def test_enabling_and_disabling_tell_the_plugin_itself(make_estate, monkeypatch):
    from wuye.estates.services import disable, enable

    estate = make_estate(())
    heard = []
    bus = estate.place.plugins.bus
    for hook in ("on_enable", "on_disable"):
        plan = tuple(
            (name, lambda hook=hook, name=name: heard.append((hook, name)), ())
            for name in ("maintenance", "customer_service")
        )
        monkeypatch.setitem(bus._plans, hook, plan)
    with estate.context() as ctx:
        enable(ctx, ["maintenance"])
        disable(ctx, "maintenance")
    assert heard == [("on_enable", "maintenance"), ("on_disable", "maintenance")]


def test_the_work_of_a_plugin_that_is_gone_can_still_be_read(estate):
    manager = estate.login("core.manager")
    with estate.context() as ctx:
        ctx.session.add(EstatePlugin(estate_id=estate.info.id, plugin="parcels", enabled=True, changed_at=ctx.now))
    from wuye.ids import uuid7

    with estate.place.database.session(estate.info.id) as session:
        identity, now = uuid7(), estate.place.clock.now()
        session.connection().execute(
            Record.__table__.insert().values(
                estate_id=estate.info.id, id=identity, thread_id=identity, kind="parcels.parcel", number="P-2026-00001",
                title="From SF", state="waiting", phase="open", priority="normal", department="parcels", opened_at=now,
                extras={}, version=1, created_at=now, updated_at=now,
            )
        )  # fmt: skip
    assert [row["kind"] for row in manager.list("records")] == ["parcels.parcel"]
    assert manager.get("records", identity)["title"] == "From SF"
    with estate.context() as ctx:
        assert ctx.session.scalars(select(Record.kind)).all() == ["parcels.parcel"]


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_documented_with_the_five_facts(name):
    text = " ".join(inspect.getdoc(HOOKS[name]).split())
    for fact in ("When: ", "How often: ", "Transaction: ", "Return: ", "Exception: "):
        assert fact in text
    assert name in MODES


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_exercised_by_somebody(name):
    root = Path(__file__).parents[2]
    sources = [*root.glob("plugins/*/wuye_*/plugin.py"), root / "core/wuye/core_plugin.py", Path(__file__)]
    used = set()
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                used.add(node.name)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.add(node.value)
    assert name in used

"""What an estate decides about its plugins: declared, checked, kept apart, written down, and used."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text

from wuye.archives.estate_export import export_estate
from wuye.estates import lifecycle
from wuye.estates.services import disable, enable
from wuye.i18n import _
from wuye.plugins.hookspecs import hookimpl
from wuye.plugins.loader import Plugin, PluginError, load
from wuye.plugins.manifest import Manifest
from wuye.records.timeline import verify_chain
from wuye.resources import fields
from wuye.resources.fields import between
from wuye.settings.declaration import Settings, setting
from wuye.settings.models import PluginSettings
from wuye.testing import Refused
from wuye.testing.statements import counted
from wuye_customer_service.models import Request
from wuye_customer_service.settings import CustomerServiceSettings
from wuye_maintenance.settings import MaintenanceSettings


def url(estate, plugin="maintenance"):
    return f"/api/v1/estates/{estate.code}/settings/{plugin}"


def change(client, plugin="maintenance", match="*", **values):
    path = f"/api/v1/estates/{client.estate}/settings/{plugin}"
    return client.ask("PATCH", path, values, If_Match=match)


def settings_of(estate, declared=MaintenanceSettings):
    with estate.context() as ctx:
        return ctx.settings(declared)


def test_settings_are_read_as_typed_values_with_their_defaults(estate):
    assert settings_of(estate) == MaintenanceSettings()
    assert settings_of(estate, CustomerServiceSettings).silent_days == 7


def test_a_change_is_kept_for_its_estate_alone(estate, make_estate):
    other = make_estate()
    shown = change(estate.login("core.manager"), emergencies_at_once=False, hours_urgent=4)
    assert (shown["version"], shown["values"]["hours_urgent"]) == (1, 4)
    assert settings_of(estate) == MaintenanceSettings(emergencies_at_once=False, hours_urgent=4)
    assert settings_of(other) == MaintenanceSettings()


def test_each_setting_says_what_it_means_in_the_callers_language(estate):
    manager = estate.login("core.manager")
    english = manager.ask("GET", url(estate), Accept_Language="en")
    chinese = manager.ask("GET", url(estate), Accept_Language="zh-CN")
    first, erste = english["settings"][0], chinese["settings"][0]
    assert (first["name"], first["default"]) == ("emergencies_at_once", True)
    assert first["label"] == "Assign emergencies at once" and erste["label"] == "紧急工单立即派单"


def test_who_may_not_configure_neither_sees_nor_changes(estate):
    for roles in (("core.supervisor",), ("maintenance.dispatcher",), ("core.resident",)):
        client = estate.login(*roles)
        assert client.send("GET", url(estate)).status_code == 403
        assert client.send("PATCH", url(estate), {"hours_low": 1}, If_Match="*").status_code == 403
    assert settings_of(estate) == MaintenanceSettings()


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"hours_low": -1}, "hours_low"), ({"hours_low": "soon"}, "hours_low"), ({"hours_low": None}, "hours_low"),
        ({"emergencies_at_once": "perhaps"}, "emergencies_at_once"), ({"colour": "red"}, "colour"),
        ({"hours_urgent": 3, "hours_low": 10**9}, "hours_low"),
    ],
)  # fmt: skip
def test_a_value_that_is_not_accepted_changes_nothing(estate, values, wrong):
    manager = estate.login("core.manager")
    with pytest.raises(Refused) as refused:
        change(manager, **values)
    assert refused.value.status == 422
    assert [error["field"] for error in refused.value.problem["errors"]] == [wrong]
    assert settings_of(estate) == MaintenanceSettings()


def test_the_version_that_was_read_must_be_named_and_be_the_present_one(estate):
    manager = estate.login("core.manager")
    assert manager.send("GET", url(estate)).headers["ETag"] == '"0"'
    assert manager.send("PATCH", url(estate), {"hours_low": 1}).status_code == 428
    assert change(manager, match='"0"', hours_low=1)["version"] == 1
    for stale in ('"0"', '"7"', "W/x", '""'):
        assert manager.send("PATCH", url(estate), {"hours_low": 2}, If_Match=stale).status_code == 412, stale
    assert change(manager, match='"1"', hours_low=2)["version"] == 2
    assert change(manager, match='"2"', hours_low=2)["version"] == 2, "no change, no version"


def test_who_changed_what_stands_on_the_timeline(estate):
    manager = estate.login("core.manager")
    change(manager, hours_low=8)
    change(manager, hours_low=9, hours_urgent=2)
    with estate.context() as ctx:
        rows = ctx.session.execute(
            text(
                "SELECT data, audience, actor_id FROM core_timeline WHERE event = 'settings_changed' ORDER BY sequence"
            )
        ).all()
        assert list(verify_chain(ctx.session)) == []
    assert [row.data["changes"] for row in rows] == [
        {"hours_low": [0, 8]},
        {"hours_low": [8, 9], "hours_urgent": [0, 2]},
    ]
    assert {(row.audience, row.data["plugin"]) for row in rows} == {("staff", "maintenance")}
    assert all(row.actor_id for row in rows)


def test_a_step_reads_the_database_once_for_all_plugins(estate, monkeypatch):
    with estate.context() as ctx:
        ctx.session.connection()
        with counted(estate.place, monkeypatch) as sent:
            for _time in range(3):
                ctx.settings(MaintenanceSettings)
                ctx.settings(CustomerServiceSettings)
        assert len(sent) == 1, sent


def test_a_class_that_nobody_declared_is_an_error(estate):
    with estate.context() as ctx, pytest.raises(KeyError):
        ctx.settings(Path)


def test_settings_of_a_disabled_plugin_are_hidden_and_kept(estate):
    manager = estate.login("core.manager")
    change(manager, hours_low=8)
    with estate.context() as ctx:
        disable(ctx, "maintenance", force=True)
    assert manager.send("GET", url(estate)).status_code == 404
    assert manager.send("PATCH", url(estate), {"hours_low": 1}, If_Match="*").status_code == 404
    assert manager.send("GET", url(estate, "nothing")).status_code == 404
    with estate.context() as ctx:
        enable(ctx, ["maintenance"])
    assert manager.ask("GET", url(estate))["values"]["hours_low"] == 8


def test_purging_a_plugin_exports_and_forgets_its_settings(estate, tmp_path):
    import zipfile

    manager = estate.login("core.manager")
    change(manager, hours_low=8)
    change(manager, "customer-service", silent_days=5)
    with estate.context() as ctx:
        disable(ctx, "maintenance", force=True)
    export_estate(estate.place, estate.code, tmp_path / "x.zip", plugin="maintenance")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        lines = archive.read("tables/core_plugin_settings.jsonl").splitlines()
    assert [json.loads(line)["chosen"] for line in lines] == [{"hours_low": 8}]
    lifecycle.purge(estate.place, estate.code, "maintenance")
    with estate.context() as ctx:
        assert ctx.session.scalars(select(PluginSettings.plugin)).all() == ["customer_service"]


def test_what_a_newer_declaration_does_not_accept_counts_as_not_chosen(estate):
    with estate.context() as ctx:
        chosen = {"hours_low": 10**9, "hours_urgent": 3, "of_an_older_version": 1}
        ctx.session.add(PluginSettings(plugin="maintenance", chosen=chosen, created_at=ctx.now, updated_at=ctx.now))
    assert settings_of(estate) == MaintenanceSettings(hours_urgent=3)
    change(estate.login("core.manager"), hours_normal=24)
    with estate.context() as ctx:
        kept = ctx.session.scalars(select(PluginSettings.chosen)).one()
    assert kept == {**chosen, "hours_normal": 24}


# ---- declared wrongly


@dataclass(frozen=True)
class Plain:
    days: int = 3


@dataclass(frozen=True)
class OutOfRange:
    days: int = setting(3, fields.Integer(validate=between(5, 9)), _("Days"), _("Days"))


@dataclass(frozen=True)
class Fine:
    days: int = setting(6, fields.Integer(validate=between(5, 9)), _("Days"), _("Days"))


class Bare:
    days = 3


@dataclass
class Made(Plugin):
    declared: tuple = field(default=())

    @hookimpl
    def register_settings(self):
        return self.declared


def made(*declared):
    plugin = Made(declared)
    plugin.manifest, plugin.folder = (
        Manifest.parse({"plugin": {"name": "odd", "label": "Odd", "api": ">=1,<2"}}, "x"),
        Path(),
    )
    return plugin


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ((Settings(Plain),), "not made with setting"),
        ((Settings(OutOfRange),), "does not pass its own check"),
        ((Settings(Bare),), "frozen dataclass"),
        ((Settings(Fine, permission="tune"),), "no manifest declares the permission odd.tune"),
        ((Settings(Fine), Settings(Fine)), "already"),
        ((Fine,), "must return Settings"),
    ],
)
def test_a_declaration_that_cannot_be_right_is_refused_at_start(declared, reason):
    with pytest.raises(PluginError, match=reason):
        load(strict=True, extra=(made(*declared),))


def test_plugin_show_prints_them(estate, monkeypatch):
    from wuye.cli import plugins as command

    shown = command._settings(estate.place.plugins.registry.settings["customer_service"])
    assert shown["silent_days"]["default"] == 7 and "Days until" in shown["silent_days"]["label"]
    assert command._settings(None) == {}
    done = CliRunner().invoke(
        command.show_, ["maintenance", "--json"], env={"WUYE_DATA": str(estate.place.settings.data)}
    )
    assert done.exit_code == 0, done.output
    facts = json.loads(done.output)
    assert facts["settings"]["hours_low"]["default"] == 0
    assert facts["cards"] == ["on_hold"]
    assert facts["panels"] == ["orders on maintenance.assets", "materials on maintenance.work-orders"]


# ---- used


def test_silence_counts_as_acceptance_after_as_long_as_the_estate_says(estate):
    agent, manager = estate.login("customer_service.agent"), estate.login("core.manager")
    job = estate.place.plugins.registry.jobs["customer_service.silent_acceptance"]
    for kind in ("repair", "complaint"):
        made = agent.create("requests", title=kind, request_kind=kind)
        agent.act("requests", made, "answer", resolution="done")
    change(manager, "customer-service", silent_days=2, silent_days_complaint=4)
    with estate.context() as ctx:
        for row in ctx.session.scalars(select(Request)):
            row.resolved_at = ctx.now - timedelta(days=3)
    with estate.context() as ctx:
        job(ctx)
    assert {row["title"]: row["state"] for row in agent.list("requests")} == {
        "repair": "accepted_by_requester",
        "complaint": "resolved",
    }


def test_a_request_can_be_reopened_as_long_as_the_estate_says(estate):
    agent = estate.login("customer_service.agent")
    resident = estate.login("core.resident")
    made = agent.create("requests", title="Lamp", request_kind="inquiry", requester=str(resident.person))
    agent.act("requests", made, "answer", resolution="lit")
    resident.act("requests", made, "confirm")
    agent.act("requests", made, "close")
    with estate.context() as ctx:
        ctx.session.scalars(select(Request)).one().closed_at = ctx.now - timedelta(days=9)
    change(estate.login("core.manager"), "customer-service", reopen_days=8)
    with pytest.raises(Refused, match="more than 8 days ago"):
        resident.act("requests", made, "reopen", reason="dark again")
    change(estate.login("core.manager"), "customer-service", reopen_days=10)
    assert resident.act("requests", made, "reopen", reason="dark again")["state"] == "in_progress"


@pytest.mark.parametrize("at_once", [True, False])
def test_an_emergency_is_assigned_at_once_if_the_estate_wants_that(estate, at_once):
    technician = estate.person("Technician")
    estate.staff(technician, "maintenance")
    change(estate.login("core.manager"), emergencies_at_once=at_once)
    order = estate.login("maintenance.dispatcher").create("work-orders", title="Flood", order_type="emergency")
    assert order["state"] == ("assigned" if at_once else "ready")
    agent = estate.login("core.agent", "customer_service.agent")
    request = agent.create("requests", title="Flood", request_kind="repair", priority="emergency")
    agent.act("requests", request, "dispatch", category="repair")
    orders = estate.login("core.manager").list("work-orders")
    assert {row["state"] for row in orders} == {"assigned" if at_once else "ready"}


def test_work_without_a_deadline_gets_the_estates(estate):
    dispatcher = estate.login("maintenance.dispatcher")
    values = {"title": "Pump", "order_type": "corrective"}
    assert dispatcher.create("work-orders", **values)["due_at"] is None
    change(estate.login("core.manager"), hours_urgent=4, hours_emergency=1)
    before = estate.place.clock.now()
    urgent = dispatcher.create("work-orders", **values, priority="urgent")["due_at"]
    emergency = dispatcher.create("work-orders", title="Fire", order_type="emergency")["due_at"]
    assert dispatcher.create("work-orders", **values)["due_at"] is None
    for due, hours in ((urgent, 4), (emergency, 1)):
        late = datetime.fromisoformat(due) - before - timedelta(hours=hours)
        assert timedelta(0) <= late < timedelta(minutes=1)
    given = dispatcher.create("work-orders", **values, priority="urgent", due_at="2030-01-01T00:00:00Z")["due_at"]
    assert given.startswith("2030-01-01")

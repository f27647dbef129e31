"""Maintenance by itself."""

import pytest

from wuye.testing import Refused, conformance
from wuye_maintenance.plugin import plugin

TestConformance = conformance(plugin)

ROUND = ["take", "depart", "arrive", "start"]


def test_a_work_order_runs_from_draft_to_verified(login):
    dispatcher, technician = login("maintenance.dispatcher"), login("maintenance.technician")

    order = dispatcher.create("work-orders", title="Grease the pumps", order_type="preventive")
    assert order["state"] == "draft"
    dispatcher.act("work-orders", order, "submit")
    order = dispatcher.act("work-orders", order, "assign", assignee=str(technician.person))
    for step in ROUND:
        technician.act("work-orders", order, step)
    order = technician.act("work-orders", order, "finish", remedy="Greased", cause="Routine")
    assert None not in (order["accepted_at"], order["on_site_at"], order["started_at"], order["done_at"])

    order = dispatcher.act("work-orders", order, "verify")
    assert (order["state"], order["verified_by"]["id"]) == ("verified", str(dispatcher.person))


def test_nobody_verifies_their_own_work(login):
    one = login("maintenance.dispatcher", "maintenance.technician")
    order = one.create("work-orders", title="Paint", order_type="corrective")
    one.act("work-orders", order, "submit")
    one.act("work-orders", order, "assign", assignee=str(one.person))
    for step in ROUND:
        one.act("work-orders", order, step)
    done = one.act("work-orders", order, "finish", remedy="Painted")
    assert "verify" not in [action["name"] for action in done["actions"]]
    with pytest.raises(Refused) as refused:
        one.act("work-orders", order, "verify")
    assert refused.value.status == 403


def test_an_emergency_goes_to_whoever_on_duty_is_least_busy(login):
    dispatcher = login("maintenance.dispatcher")
    technician = login("maintenance.technician")
    first = dispatcher.create("work-orders", title="Burst pipe", order_type="emergency")
    second = dispatcher.create("work-orders", title="Gas smell", order_type="emergency")
    assert first["state"] == second["state"] == "assigned"
    assert {first["assignee"]["id"], second["assignee"]["id"]} == {str(dispatcher.person), str(technician.person)}


def test_with_nobody_on_duty_an_emergency_stays_ready(estate):
    manager = estate.login("core.manager")
    order = manager.create("work-orders", title="Burst pipe", order_type="emergency")
    assert (order["state"], order["priority"]) == ("ready", "emergency")
    with pytest.raises(Refused) as refused:
        manager.act("work-orders", order, "assign")
    assert refused.value.problem["errors"][0]["field"] == "assignee"


def test_money_comes_back_as_it_was_given(login):
    manager = login("core.manager")
    order = manager.create("work-orders", title="New pump", order_type="improvement")
    order = manager.act("work-orders", order, "request_approval", cost_limit="1234.50")
    assert (order["state"], order["cost_limit"]) == ("waiting_approval", "1234.50")
    assert manager.act("work-orders", order, "approve")["state"] == "ready"

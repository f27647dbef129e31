"""The loop that matters: found, reported, handled, accepted, answered; across departments that do not know each other."""

import pytest
from sqlalchemy import func, select

from wuye.errors import Conflict
from wuye.estates.services import disable, enable
from wuye.records.models import Record
from wuye.records.timeline import verify_chain
from wuye.testing import Refused


def report(estate, *, category="repair.plumbing", **said):
    """Have a resident report something that an agent classifies and hands over; return the four people and the request."""
    resident, agent = estate.login("core.resident"), estate.login("customer_service.agent")
    request = resident.create("requests", title="Leak in the kitchen", request_kind="repair")
    agent.act("requests", request, "accept", category=category, **said)
    return resident, agent, agent.act("requests", request, "dispatch")


def work(dispatcher, technician, order):
    dispatcher.act("work-orders", order, "assign", assignee=str(technician.person))
    for step in ("take", "arrive", "start"):
        technician.act("work-orders", order, step)
    return technician.act("work-orders", order, "finish", remedy="New gasket")


def test_from_the_report_to_the_answer_and_back_when_it_was_none(estate):
    dispatcher, technician = estate.login("maintenance.dispatcher"), estate.login("maintenance.technician")
    resident, agent, request = report(estate)
    [referral] = dispatcher.list("referrals")
    assert (referral["department"], request["state"]) == ("maintenance", "dispatched")

    dispatcher.act("referrals", referral, "accept")
    [order] = dispatcher.list("work-orders")
    assert resident.get("requests", request)["state"] == "in_progress"
    work(dispatcher, technician, order)
    request = resident.get("requests", request)
    assert (request["state"], request["resolution"]) == ("resolved", "New gasket")

    request = resident.act("requests", request, "refuse", reason="It still drips")
    again = technician.get("work-orders", order)
    assert (request["state"], request["reopens"]) == ("in_progress", 1)
    assert (again["id"], again["state"], again["reworks"]) == (order["id"], "rework", 1)
    technician.act("work-orders", order, "start")
    technician.act("work-orders", order, "finish", remedy="New tap")

    resident.act("requests", request, "confirm")
    assert technician.get("work-orders", order)["state"] == "verified"
    agent.act("requests", request, "close")
    from_one_end = resident.timeline("requests", request)
    from_the_other = technician.timeline("work-orders", order)
    assert from_one_end == from_the_other
    assert [entry["event"] for entry in from_one_end][-4:] == ["confirm", "close", "accepted_by_origin", "close"]
    with estate.context() as ctx:
        assert list(verify_chain(ctx.session)) == []


def test_without_the_department_it_stays_on_the_board_and_is_done_by_hand(make_estate):
    estate = make_estate(("customer_service",))
    manager = estate.login("core.manager")
    resident, _agent, request = report(estate)
    [referral] = manager.list("referrals")
    assert (referral["department"], referral["state"]) == ("office", "offered")

    manager.act("referrals", referral, "handle", outcome="The porter tightened it")
    request = resident.get("requests", request)
    assert (request["state"], request["resolution"]) == ("resolved", "The porter tightened it")
    resident.act("requests", request, "confirm")
    assert manager.get("referrals", referral)["state"] == "closed"


def test_a_department_that_comes_later_is_offered_what_waited_for_it(make_estate):
    estate = make_estate(("customer_service",))
    report(estate)
    with estate.context() as ctx:
        assert enable(ctx, ["maintenance"]) == {"maintenance": 1}
    dispatcher = estate.login("maintenance.dispatcher")
    [referral] = dispatcher.list("referrals")
    dispatcher.act("referrals", referral, "accept")
    assert len(dispatcher.list("work-orders")) == 1


def test_disabling_with_open_work_lists_it_and_wants_force(estate):
    dispatcher = estate.login("maintenance.dispatcher")
    order = dispatcher.create("work-orders", title="Pump", order_type="corrective")
    with estate.context() as ctx, pytest.raises(Conflict) as refused:
        disable(ctx, "maintenance")
    assert refused.value.extra["open"] == [{"kind": "maintenance.work_order", "count": 1}]
    with estate.context() as ctx:
        disable(ctx, "maintenance", force=True)
    manager = estate.login("core.manager")
    assert [row["id"] for row in manager.list("records")] == [order["id"]], "a stub is still to be read"
    with estate.context() as ctx:
        enable(ctx, ["maintenance"])
    assert dispatcher.get("work-orders", order)["state"] == "draft"


def test_an_emergency_is_taken_and_assigned_in_the_same_step(estate):
    technician = estate.login("maintenance.technician")
    _resident, agent, request = report(estate, priority="emergency")
    assert request["state"] == "in_progress"
    [order] = technician.list("work-orders")
    assert (order["state"], order["order_type"]) == ("assigned", "emergency")
    assert [row["kind"] for row in agent.list("records")] == [
        "maintenance.work_order",
        "core.referral",
        "customer_service.request",
    ]


def test_taking_back_cancels_what_was_handed_over(estate):
    dispatcher = estate.login("maintenance.dispatcher")
    _resident, agent, request = report(estate)
    [referral] = dispatcher.list("referrals")
    dispatcher.act("referrals", referral, "accept")
    request = agent.act("requests", request, "recall", reason="Reported twice")
    assert request["state"] == "accepted"
    assert dispatcher.get("referrals", referral)["state"] == "withdrawn"
    assert dispatcher.list("work-orders")[0]["state"] == "cancelled"


def test_a_refused_referral_goes_to_the_office_which_routes_it_again(estate):
    dispatcher, manager = estate.login("maintenance.dispatcher"), estate.login("core.manager")
    report(estate)
    [referral] = dispatcher.list("referrals")
    dispatcher.act("referrals", referral, "refuse", reason="Not ours")
    assert dispatcher.list("referrals") == []
    with pytest.raises(Refused) as gone:
        dispatcher.act("referrals", referral, "accept")
    assert gone.value.status == 404
    with pytest.raises(Refused) as nowhere:
        manager.act("referrals", referral, "route", department="nowhere")
    assert nowhere.value.problem["errors"][0]["field"] == "department"
    referral = manager.act("referrals", referral, "route", department="maintenance")
    assert (referral["department"], referral["bounces"]) == ("maintenance", 1)


def test_the_office_hands_over_a_record_that_no_department_did(estate):
    manager, resident = estate.login("core.manager"), estate.login("core.resident")
    request = resident.create("requests", title="Broken lamp", request_kind="repair")
    referral = manager.create("referrals", origin=request["id"], category="repair.electric")
    assert referral["department"] == "maintenance"
    with pytest.raises(Refused) as twice:
        manager.create("referrals", origin=request["id"], category="repair")
    assert twice.value.problem["errors"][0]["field"] == "origin"
    manager.act("referrals", referral, "accept")
    assert resident.get("requests", request)["state"] == "in_progress"


def test_a_step_that_fails_leaves_nothing_behind(estate, monkeypatch):
    dispatcher = estate.login("maintenance.dispatcher")
    _resident, agent, request = report(estate)
    [referral] = dispatcher.list("referrals")
    plugin = estate.place.plugins.loaded["customer_service"]
    plan = estate.place.plugins.bus.plan("referral_accepted")

    def fail(**_arguments):
        raise ZeroDivisionError("a bug in a plugin")

    broken = tuple((name, fail if name == plugin.manifest.name else call, args) for name, call, args in plan)
    monkeypatch.setitem(estate.place.plugins.bus._plans, "referral_accepted", broken)
    monkeypatch.setattr(estate.place.plugins.bus, "strict", False)
    with pytest.raises(Refused) as refused:
        dispatcher.act("referrals", referral, "accept")
    assert (refused.value.status, refused.value.problem["plugin"]) == (409, "customer_service")
    with estate.context() as ctx:
        orders = select(func.count()).where(Record.kind == "maintenance.work_order")
        assert ctx.session.scalar(orders) == 0
    assert agent.get("requests", request)["state"] == "dispatched"

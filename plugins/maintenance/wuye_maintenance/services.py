"""What happens in maintenance when a work order takes a step. No HTTP here."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from wuye.api import (
    Conflict,
    Context,
    FieldError,
    Invalid,
    Person,
    Referral,
    _,
    choose_assignee,
    open_record,
    referrals,
    take,
)
from wuye_maintenance.models import MaterialUse, WorkOrder
from wuye_maintenance.settings import MaintenanceSettings

Data = Mapping[str, Any]


def take_over(ctx: Context, referral: Referral) -> WorkOrder:
    """Make a work order of a referral; an emergency is assigned in the same moment, if somebody is on duty."""
    emergency = referral.priority == "emergency"
    order = open_record(
        ctx,
        WorkOrder,
        {
            "title": referral.title,
            "text": referral.text,
            "priority": referral.priority,
            "place_id": referral.place_id,
            "requester_id": referral.requester_id,
            "due_at": referral.due_at or _due(ctx, referral.priority),
            "order_type": "emergency" if emergency else "corrective",
        },
        state="ready",
        thread=referral,
        logged={"referral": str(referral.id)},
    )
    if emergency:
        dispatch_at_once(ctx, order)
    return order


def _due(ctx: Context, priority: str) -> datetime | None:
    """Return when work is due that comes without a deadline; None if the estate has decided nothing."""
    time = ctx.settings(MaintenanceSettings).time_for(priority)
    return ctx.now + time if time and not ctx.quiet else None


def create_work_order(ctx: Context, values: Data) -> WorkOrder:
    """Open a work order; an emergency is assigned in the same moment, if somebody is on duty."""
    emergency = values["order_type"] == "emergency"
    priority = "emergency" if emergency else values.get("priority", "normal")
    given = {**values, "priority": priority, "due_at": values.get("due_at") or _due(ctx, priority)}
    order = open_record(ctx, WorkOrder, given, state="ready" if emergency else None)
    if emergency:
        dispatch_at_once(ctx, order)
    return order


def dispatch_at_once(ctx: Context, order: WorkOrder) -> None:
    """Assign an emergency to somebody on duty, if the estate wants that.

    With nobody there it stays ready, and on top of the list.
    """
    if not ctx.settings(MaintenanceSettings).emergencies_at_once:
        return
    technician = choose_assignee(ctx, order, "maintenance")
    if technician is not None:
        take(ctx, order, "assign", {"assignee_id": technician.id})


def assign(ctx: Context, order: WorkOrder, data: Data) -> None:
    """Give the order to the one named, or to the least busy technician on duty.

    Raises:
        Invalid: nobody was named and nobody is on duty, or the one named does not exist.
    """
    if "assignee_id" not in data:
        technician = choose_assignee(ctx, order, "maintenance")
        if technician is None:
            raise Invalid(
                _("Nobody can be assigned."), errors=[FieldError("assignee", _("Nobody is on duty: name somebody."))]
            )
        order.assignee_id = technician.id
        return
    if ctx.session.get(Person, (ctx.estate.id, data["assignee_id"])) is None:
        raise Invalid(
            _("A reference leads nowhere."),
            errors=[FieldError("assignee", _("There is no such thing in this estate."))],
        )
    order.assignee_id = data["assignee_id"]


def unassign(_ctx: Context, order: WorkOrder, _data: Data) -> None:
    """Free the order for somebody else."""
    order.assignee_id = None


def note_limit(_ctx: Context, order: WorkOrder, data: Data) -> None:
    """Note what the work may cost."""
    order.cost_limit = data["cost_limit"]


def note_accepted(ctx: Context, order: WorkOrder, _data: Data) -> None:
    """Note when the technician took it on."""
    order.accepted_at = ctx.now


def note_arrival(ctx: Context, order: WorkOrder, _data: Data) -> None:
    """Note when the technician was there."""
    order.on_site_at = ctx.now


def note_start(ctx: Context, order: WorkOrder, _data: Data) -> None:
    """Note when the work began, the first time."""
    order.started_at = order.started_at or ctx.now


def note_hold(_ctx: Context, order: WorkOrder, data: Data) -> None:
    """Note why and until when the work rests."""
    order.hold_reason, order.hold_until = data["hold_reason"], data.get("hold_until")


def clear_hold(_ctx: Context, order: WorkOrder, _data: Data) -> None:
    """Forget the reason of the pause; the timeline keeps it."""
    order.hold_reason = order.hold_until = None


def finish(ctx: Context, order: WorkOrder, data: Data) -> None:
    """Note what was wrong and done and what it took, and answer the department that asked for it."""
    for line in data.get("materials", ()):
        ctx.session.add(MaterialUse(order_id=order.id, used_at=ctx.now, **{"measure_unit": None, **line}))
    order.cause, order.remedy, order.done_at = data.get("cause"), data["remedy"], ctx.now
    referrals.answer(ctx, order, data["remedy"])


def not_awaited(ctx: Context, order: WorkOrder, _data: Data) -> None:
    """Leave the verdict to whoever handed the work over, if somebody did."""
    referral = referrals.open_referral(ctx, order, as_target=True)
    if referral is not None and referral.phase != "done":
        raise Conflict(
            _("This work was handed over ({number}): who asked for it decides.", number=referral.number),
        )


def note_verification(ctx: Context, order: WorkOrder, _data: Data) -> None:
    """Note who found the work good, and when."""
    order.verified_at, order.verified_by_id = ctx.now, ctx.actor.person_id


def count_rework(_ctx: Context, order: WorkOrder, _data: Data) -> None:
    """Count that the same work has to be done again."""
    order.reworks += 1
    order.done_at = order.verified_at = order.verified_by_id = None


def give_up(ctx: Context, order: WorkOrder, data: Data) -> None:
    """Tell the department that asked why this order will not be done."""
    referrals.answer(ctx, order, data["reason"])

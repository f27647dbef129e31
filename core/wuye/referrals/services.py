"""Handing work over: refer, accept, answer, return, close, withdraw. Every step is one transaction with its effects.

The steps that belong to the origin or the target are called by their departments; they hear of each other through the
bus, and never import each other.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from wuye.context import Context
from wuye.errors import Conflict, FieldError, Invalid
from wuye.i18n import _
from wuye.notifications.services import notify_permission
from wuye.records import services
from wuye.records.flow import Step
from wuye.records.models import Record
from wuye.referrals.declaration import ReferralTarget
from wuye.referrals.models import OFFICE, Referral, Route


def route(ctx: Context, category: str) -> str:
    """Return the department that the estate's routing table names for a category; the office if it names none."""
    prefixes = [category.rsplit(".", cut)[0] for cut in range(category.count(".") + 1)] + ["*"]
    rows = ctx.session.execute(select(Route.category, Route.department).where(Route.category.in_(prefixes)))
    named = {row.category: row.department for row in rows}
    return next((named[prefix] for prefix in prefixes if prefix in named), OFFICE)


def can_take(ctx: Context, department: str) -> ReferralTarget | None:
    """Return what the department declared, if its plugin is enabled here and takes referrals."""
    return ctx.loaded.registry.targets.get(department) if department in ctx.plugins else None


def refer(
    ctx: Context,
    origin: Record,
    category: str,
    *,
    department: str | None = None,
    note: str | None = None,
    priority: str | None = None,
) -> Referral:
    """Hand a record over to the department that the routing table names for its category, or to the one given.

    Where that department is not enabled, the referral waits on the office's board. An emergency is taken at once.
    """
    wanted = department or route(ctx, category)
    target = can_take(ctx, wanted)
    referral = services.open_record(
        ctx,
        Referral,
        {
            "title": origin.title,
            "text": note or origin.text,
            "priority": priority or origin.priority,
            "place_id": origin.place_id,
            "requester_id": origin.requester_id,
            "due_at": origin.due_at,
            "department": wanted if target else OFFICE,
            "origin_id": origin.id,
            "category": category,
            "wanted": wanted,
        },
        thread=origin,
        logged={"category": category, "department": wanted if target else OFFICE, "wanted": wanted},
    )
    tell_department(ctx, referral)
    if target and referral.priority in target.at_once:
        services.take(ctx, referral, "accept")
    return referral


def tell_department(ctx: Context, referral: Referral) -> None:
    """Tell whoever may take a referral over that it is offered to their department; of what waits for the office, nobody."""
    target = can_take(ctx, referral.department)
    if target is not None:
        notify_permission(ctx, target.permission, "referral_offered", referral)


def open_referral(ctx: Context, record: Record, *, as_target: bool = False) -> Referral | None:
    """Return the referral that a record has under way: as its origin, or as the target that answers it."""
    side = Referral.target_id if as_target else Referral.origin_id
    for row in ctx.session.new:  # made in this very step, not written yet
        if (
            isinstance(row, Referral)
            and row.phase != "done"
            and (row.target_id if as_target else row.origin_id) == record.id
        ):
            return row
    rows = select(Referral).where(side == record.id).order_by(Referral.opened_at.desc(), Referral.id.desc())
    return next((row for row in ctx.session.scalars(rows) if row.state != "withdrawn"), None)


def answer(ctx: Context, target: Record, outcome: str) -> None:
    """Tell the origin that the target's work is done; nothing happens if it was not handed over."""
    referral = open_referral(ctx, target, as_target=True)
    if referral is not None and referral.state in ("accepted", "returned"):
        services.take(ctx, referral, "answer", {"outcome": outcome})


def send_back(ctx: Context, origin: Record, reason: str) -> bool:
    """Return the work to who did it, since the origin does not accept it; tell whether somebody had done it."""
    referral = open_referral(ctx, origin)
    if referral is None or referral.state not in ("answered", "closed"):
        return False
    services.take(ctx, referral, "return", {"reason": reason})
    return True


def close(ctx: Context, origin: Record) -> None:
    """Tell the target that the origin accepts what was done."""
    referral = open_referral(ctx, origin)
    if referral is not None and referral.state == "answered":
        services.take(ctx, referral, "close")


def withdraw(ctx: Context, origin: Record, reason: str) -> None:
    """Take back what was handed over, as far as it is not done yet."""
    referral = open_referral(ctx, origin)
    if referral is not None and referral.state in ("offered", "accepted", "returned"):
        services.take(ctx, referral, "withdraw", {"reason": reason})


def record_of(ctx: Context, identity: object) -> Record | None:
    """Return a record of whatever kind; None if there is none, or its plugin is not loaded."""
    if identity is None:
        return None
    for row in ctx.session.new:
        if isinstance(row, Record) and row.id == identity:
            return row
    kind = ctx.session.scalar(select(Record.kind).where(Record.id == identity))
    resource = ctx.loaded.registry.resource_of_kind(kind) if kind else None
    return ctx.session.get(resource.model, (ctx.estate.id, identity)) if resource else None


def may_take(ctx: Context, referral: Referral) -> bool:
    """Tell whether a referral is offered to a department that the actor may take work over for."""
    target = can_take(ctx, referral.department)
    return target is not None and ctx.may(target.permission)


def guard_by_hand(ctx: Context, referral: Referral, _data: Mapping[str, Any]) -> None:
    """Let the office answer only what no department is working on, so that nothing is done twice."""
    working = select(Record.id).where(Record.id == referral.target_id, Record.phase != "done")
    if referral.target_id is not None and ctx.session.scalar(working):
        raise Conflict(_("A department is working on this; it answers when it is done."))


def make_target(ctx: Context, referral: Referral, _data: Mapping[str, Any]) -> None:
    """Have the department make its own record, and tell the origin."""
    target = can_take(ctx, referral.department)
    assert target is not None, "guarded, or offered to an enabled department in this very step"
    record = target.take(ctx, referral)
    referral.target_id = record.id
    origin = record_of(ctx, referral.origin_id)
    if origin is not None:
        ctx.call("referral_accepted", referral=referral, origin=origin)


def put_on_board(ctx: Context, referral: Referral, _data: Mapping[str, Any]) -> None:
    """Give a refused referral to the office."""
    referral.department = OFFICE
    referral.bounces += 1


def offer_to(ctx: Context, referral: Referral, data: Mapping[str, Any]) -> None:
    """Offer a referral to the department that the office chose.

    Raises:
        Invalid: the department is not enabled here, or takes no referrals.
    """
    department = data["department"]
    if can_take(ctx, department) is None:
        enabled = sorted(name for name in ctx.loaded.registry.targets if name in ctx.plugins)
        raise Invalid(
            _("The referral cannot go there."),
            errors=[FieldError("department", _("Use one of: {choices}.", choices=", ".join(enabled) or "—"))],
        )
    referral.department = referral.wanted = department
    tell_department(ctx, referral)


def tell_origin(ctx: Context, referral: Referral, data: Mapping[str, Any]) -> None:
    """Note the outcome, and let the origin take its next step."""
    referral.outcome = data["outcome"]
    origin = record_of(ctx, referral.origin_id)
    if origin is not None:
        ctx.call("referral_answered", referral=referral, origin=origin)


def tell_target(hook: str) -> Step:
    """Return the effect that tells the target's department what the origin decided."""

    def effect(ctx: Context, referral: Referral, data: Mapping[str, Any]) -> None:
        target = record_of(ctx, referral.target_id)
        if target is not None or hook == "referral_withdrawn":
            extra = {"reason": data["reason"]} if hook == "referral_returned" else {}
            ctx.call(hook, referral=referral, target=target, **extra)

    return effect


def offer_waiting(ctx: Context, plugin: str) -> int:
    """Offer the open referrals that wait on the board for a department that is enabled now; return how many."""
    waiting = ctx.session.scalars(
        select(Referral).where(Referral.wanted == plugin, Referral.department == OFFICE, Referral.state == "offered")
    ).all()
    for referral in waiting:
        referral.department = plugin
        ctx.log(referral, "offered", {"department": plugin})
        tell_department(ctx, referral)
    return len(waiting)


def take_off(ctx: Context, plugin: str) -> int:
    """Put what was offered to a department that falls silent back on the board; return how many."""
    offered = ctx.session.scalars(
        select(Referral).where(Referral.department == plugin, Referral.state == "offered")
    ).all()
    for referral in offered:
        referral.department = OFFICE
        ctx.log(referral, "offered", {"department": OFFICE})
    return len(offered)

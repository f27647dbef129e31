"""What maintenance shows on the pages of others, and on those of its assets."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from wuye.api import Bar, Bars, Context, Item, Items, To, _, worded
from wuye_maintenance.models import MaterialUse, WorkOrder

_ORDERS = "maintenance.work-orders"

#: How many work orders an asset's page names.
_LATEST = 6


def on_hold(ctx: Context) -> Bars:
    """Return how much work rests, by what it waits for."""
    resting = select(WorkOrder.hold_reason, func.count()).where(
        WorkOrder.kind == WorkOrder.record_kind(), WorkOrder.state == "on_hold"
    )
    rows = ctx.session.execute(resting.group_by(WorkOrder.hold_reason).order_by(func.count().desc()))
    to = To(_ORDERS, query="tab=all&filter[state]=on_hold")
    return Bars([Bar(worded(reason), count, to) for reason, count in rows if reason], _("Nothing is on hold"))


def orders_of(ctx: Context, row: Mapping[str, Any]) -> Items:
    """Return an asset's work orders: those that are not done, then the latest."""
    mine = select(WorkOrder).where(WorkOrder.asset_id == row["id"])
    order = mine.order_by((WorkOrder.phase == "done"), WorkOrder.opened_at.desc(), WorkOrder.id.desc())
    found = ctx.session.scalars(order.limit(_LATEST)).all()
    return Items([Item.of(each) for each in found], _("No work was done on it yet."))


def materials_of(ctx: Context, row: Mapping[str, Any]) -> Items | None:
    """Return what material a work order took, in the order in which it was written down."""
    taken = select(MaterialUse).where(MaterialUse.order_id == row["id"]).order_by(MaterialUse.used_at, MaterialUse.id)
    found = ctx.session.scalars(taken).all()
    return (
        Items([Item(use.item, f"{use.quantity.normalize():f} {use.measure_unit or ''}".rstrip()) for use in found])
        if found
        else None
    )

"""What maintenance contributes, and what it does when who asked for work has decided on it."""

from collections.abc import Iterable

from wuye.api import (
    Card,
    Context,
    Found,
    Importing,
    Look,
    Panel,
    Plugin,
    Record,
    ReferralTarget,
    Resource,
    Settings,
    Stage,
    _,
    hookimpl,
    take,
)
from wuye_maintenance.cards import materials_of, on_hold, orders_of
from wuye_maintenance.demo import live_day
from wuye_maintenance.flows import work_order_flow
from wuye_maintenance.importing import ASSET_SYNONYMS, ASSET_WORDS, WORK_ORDER_SYNONYMS, WORK_ORDER_WORDS
from wuye_maintenance.models import Asset, WorkOrder
from wuye_maintenance.schemas import AssetSchema, WorkOrderSchema
from wuye_maintenance.services import create_work_order, take_over
from wuye_maintenance.settings import MaintenanceSettings

LOOK = Look(
    create=_("New work order"),
    icons=("order_type", {"corrective": "tool", "preventive": "gear", "inspection": "check", "statutory": "medal",
                          "improvement": "up", "emergency": "bolt"}),
    meta=("order_type", "place", "asset"),
    facts=("place", "asset", "order_type", "requester", "assignee", "opened_at", "accepted_at", "on_site_at",
           "started_at", "done_at", "verified_at", "verified_by", "hold_reason", "hold_until", "cause", "remedy",
           "cost_limit"),
    found=Found(("title", "text"), {"order_type": "corrective"}, then="submit"),
)  # fmt: skip


class Maintenance(Plugin):
    """The department that repairs and services."""

    @hookimpl
    def register_resources(self) -> Iterable[Resource]:
        """Offer work orders and assets."""
        yield Resource(
            "work-orders", WorkOrder, WorkOrderSchema, work_order_flow, on_create=create_work_order,
            columns=("number", "title", "order_type", "state", "priority", "place", "asset", "assignee", "requester",
                     "opened_at", "due_at", "done_at"),
            filters=("state", "phase", "order_type", "priority", "place", "asset", "assignee", "requester", "due_at", "opened_at"),
            sort=("-opened_at", "due_at"),
            look=LOOK, synonyms=WORK_ORDER_SYNONYMS, importing=Importing(words=WORK_ORDER_WORDS),
        )  # fmt: skip
        yield Resource(
            "assets", Asset, AssetSchema, read="read_assets", create="manage_assets", update="manage_assets", read_own=None,
            columns=("code", "name", "asset_class", "place", "condition"), filters=("asset_class", "condition", "place", "code"),
            sort=("code",), search=("code", "name", "serial"),
            look=Look(icon="box", scan="code"), synonyms=ASSET_SYNONYMS, importing=Importing(words=ASSET_WORDS),
        )  # fmt: skip

    @hookimpl
    def register_settings(self) -> Iterable[Settings]:
        """Let an estate decide how emergencies are dispatched, and how soon work is due."""
        yield Settings(MaintenanceSettings)

    @hookimpl
    def register_cards(self) -> Iterable[Card]:
        """Show the office and the workshop what work waits for."""
        yield Card("on_hold", _("Work on hold"), on_hold, "dispatch", on=("overview", "desk"))

    @hookimpl
    def register_panels(self) -> Iterable[Panel]:
        """Show on an asset's page what is and was done on it, on a work order's what it took."""
        yield Panel("orders", _("Work orders"), "maintenance.assets", orders_of, "read")
        yield Panel("materials", _("Material"), "maintenance.work-orders", materials_of, "read")

    @hookimpl
    def register_referral_targets(self) -> Iterable[ReferralTarget]:
        """Take work over from other departments."""
        yield ReferralTarget(take_over, permission="dispatch")

    @hookimpl
    def referral_returned(self, ctx: Context, target: Record, reason: str) -> None:
        """Who asked does not accept the result: the same order goes into rework."""
        if isinstance(target, WorkOrder) and target.state in ("done", "verified"):
            take(ctx, target, "returned_by_origin", {"reason": reason})

    @hookimpl
    def referral_closed(self, ctx: Context, target: Record) -> None:
        """Who asked accepts the result: the order is verified."""
        if isinstance(target, WorkOrder) and target.state == "done":
            take(ctx, target, "accepted_by_origin")

    @hookimpl
    def referral_withdrawn(self, ctx: Context, target: Record | None) -> None:
        """Who asked took it back: the order is cancelled."""
        if isinstance(target, WorkOrder) and target.state not in ("done", "verified", "cancelled", "converted"):
            take(ctx, target, "withdrawn_by_origin")

    @hookimpl
    def load_demo(self, stage: Stage) -> None:
        """The workshop takes over what is handed to it, and does it."""
        live_day(stage)


plugin = Maintenance()

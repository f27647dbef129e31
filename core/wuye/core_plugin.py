"""Core as a plugin of itself: what it offers comes by the same declarations as a department's."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, or_, select

from wuye.context import Context
from wuye.errors import FieldError, Invalid
from wuye.estates import tasks as estate_tasks
from wuye.i18n import _
from wuye.identity import invitations
from wuye.identity.codes import sign_out_person, sign_out_who_left
from wuye.identity.decisions import CoreSettings
from wuye.imports.runs import purge as purge_imports
from wuye.imports.work import proceed
from wuye.jobs.core_jobs import (
    old_keys,
    old_notifications,
    old_undo_steps,
    purge_idempotency_keys,
    purge_notifications,
    purge_undo_steps,
)
from wuye.jobs.declaration import Job
from wuye.notifications.declaration import NotificationKind
from wuye.notifications.services import CORE_KINDS
from wuye.people.models import Department, Occupancy, Person, Staff
from wuye.people.schemas import DepartmentSchema, OccupancySchema, PersonSchema, StaffSchema
from wuye.plugins.hookspecs import hookimpl
from wuye.plugins.loader import Plugin
from wuye.plugins.manifest import Manifest
from wuye.properties.models import Property
from wuye.properties.schemas import PropertySchema
from wuye.properties.services import create_property, edit_property
from wuye.records.models import Record
from wuye.referrals.flow import referral_flow
from wuye.referrals.models import Referral, Route
from wuye.referrals.schemas import ReferralSchema, RouteSchema
from wuye.referrals.services import open_referral, record_of, refer
from wuye.resources.declaration import Look, Resource, View
from wuye.resources.query import own
from wuye.resources.schemas import RecordSchema
from wuye.settings.declaration import Settings
from wuye.tasks import acting, exporting
from wuye.tasks import services as tasks


def visible_referrals(ctx: Context) -> ColumnElement[bool] | None:
    """Let coordinators see all referrals, and a department those that are offered to it or that it works on."""
    if ctx.may("core.coordinate"):
        return None
    ctx.require("core.take_referrals")
    targets = ctx.loaded.registry.targets
    mine = [name for name in targets if name in ctx.plugins and ctx.may(targets[name].permission)]
    return Referral.department.in_(mine)


def visible_records(ctx: Context) -> ColumnElement[bool] | None:
    """Let the office see all work, that of plugins that are disabled or gone included; everybody else what their own
    departments show them."""
    if ctx.may("core.read_records"):
        return None
    ctx.require("core.read_own")
    resources = ctx.loaded.registry.resources.values()
    readable = [r.kind for r in resources if r.kind and r.plugin in ctx.plugins and r.read and ctx.may(r.read)]
    readable = [kind for kind in readable if not kind.startswith("core.")]
    return or_(Record.kind.in_(readable), own(ctx, Record))


def create_referral(ctx: Context, values: Mapping[str, Any]) -> Referral:
    """Hand over a record that the office sees.

    Raises:
        Invalid: there is no such record, it is done, or it was handed over already.
    """
    visible = visible_records(ctx)
    wanted = select(Record.id).where(Record.id == values["origin_id"], Record.phase != "done")
    origin = record_of(ctx, ctx.session.scalar(wanted if visible is None else wanted.where(visible)))
    if origin is None:
        reason = _("There is no such thing in this estate, or it is done.")
    elif (under_way := open_referral(ctx, origin)) is not None and under_way.phase != "done":
        reason = _("It was handed over already: {number}.", number=under_way.number)
    else:
        return refer(ctx, origin, values["category"], note=values.get("text"), priority=values.get("priority"))
    raise Invalid(_("This cannot be handed over."), errors=[FieldError("origin", reason)])


def edit_person(ctx: Context, row: Person, values: Mapping[str, Any]) -> None:
    """Change a person; who signed in by the number that is not theirs any more is signed out."""
    for name, value in values.items():
        setattr(row, name, value)
    row.updated_at = ctx.now
    ctx.loaded.registry.resources["core.people"].index(ctx.session, row)
    if values.keys() & {"phone", "archived"}:
        sign_out_person(ctx, row.id)


class Core(Plugin):
    """What every estate has, whichever departments it runs."""

    folder = Path(__file__).parent
    manifest = Manifest.read(folder / "manifest.toml")

    @hookimpl
    def register_resources(self) -> Iterable[Resource]:
        """Offer properties, people, work of all departments, referrals and routing."""
        yield Resource(
            "properties", Property, PropertySchema, read="read_properties", read_own=None,
            create="manage_properties", update="manage_properties", on_create=create_property, on_edit=edit_property,
            columns=("code", "label", "kind", "parent", "area_m2", "archived"), filters=("kind", "parent", "code", "archived"),
            sort=("label", "code"), search=("code", "label"), look=Look(icon="build"),
        )  # fmt: skip
        yield Resource(
            "people", Person, PersonSchema, read="read_people", read_own=None, create="manage_people", update="manage_people",
            on_edit=edit_person, columns=("name", "phone", "email", "external_id"), filters=("archived", "external_id"),
            sort=("name", "created_at"), search=("name", "phone", "email", "external_id"), look=Look(icon="people"),
        )  # fmt: skip
        yield Resource(
            "occupancies", Occupancy, OccupancySchema, read="read_people", read_own=None, create="manage_people", update="manage_people",
            columns=("person", "property", "relation", "since", "until"), filters=("person", "property", "relation"),
            sort=("-since",), search=(), look=Look(icon="key"),
        )  # fmt: skip
        yield Resource(
            "departments", Department, DepartmentSchema, read="read_people", read_own=None, create="manage_people", update="manage_people",
            columns=("code", "name", "plugin"), filters=("code",), sort=("code",), search=(), look=Look(menu=False),
        )  # fmt: skip
        yield Resource(
            "staff", Staff, StaffSchema, read="read_people", read_own=None, create="manage_people", update="manage_people",
            columns=("person", "department", "post", "on_duty"), filters=("department", "person", "on_duty"),
            sort=("created_at",), search=(), look=Look(icon="user"),
        )  # fmt: skip
        yield Resource(
            "routes", Route, RouteSchema, read="coordinate", read_own=None, create="configure", update="configure",
            columns=("category", "department"), filters=("department",), sort=("category",), search=(), look=Look(menu=False),
        )  # fmt: skip
        yield Resource(
            "referrals", Referral, ReferralSchema, referral_flow, read="take_referrals", read_own=None,
            create="coordinate", update=None, on_create=create_referral, visible=visible_referrals, importable=False,
            columns=("number", "title", "category", "department", "state", "priority", "place", "opened_at", "due_at"),
            filters=("state", "phase", "department", "category", "priority", "origin", "target", "due_at", "opened_at"),
            sort=("-opened_at", "due_at"),
            look=Look(icon="swap", views=(View("all", _("All"), ""), View("open", _("Open"), "filter[phase]=!done"))),
        )  # fmt: skip
        yield Resource(
            "records", Record, RecordSchema, read="read_own", read_own=None, create=None, update=None,
            visible=visible_records, importable=False,
            columns=("number", "kind", "title", "state", "phase", "priority", "department", "place", "assignee", "opened_at", "due_at"),
            filters=("kind", "state", "phase", "department", "priority", "place", "assignee", "requester", "due_at", "opened_at"),
            sort=("-opened_at", "due_at"), look=Look(label=_("All work")),
        )  # fmt: skip

    @hookimpl
    def register_jobs(self) -> Iterable[Job]:
        """Tidy up."""
        yield Job("purge_idempotency_keys", purge_idempotency_keys, cron="17 * * * *", due=old_keys)
        yield Job("sign_out_who_left", sign_out_who_left, cron="3 18 * * *")
        yield Job("purge_undo_steps", purge_undo_steps, cron="47 * * * *", due=old_undo_steps)
        yield Job("purge_notifications", purge_notifications, cron="41 19 * * *", due=old_notifications)
        yield Job("send_invitation", invitations.send)
        yield Job("purge_invitations", invitations.purge, cron="29 20 * * *", due=invitations.expired)
        yield Job("import_file", proceed)
        yield tasks.job(estate_tasks.EXPORT, estate_tasks.export_estate)
        yield tasks.job(estate_tasks.DEMO, estate_tasks.load_demo)
        yield tasks.job(exporting.KIND, exporting.export_list)
        yield tasks.job(acting.KIND, acting.act_on_many)
        yield Job("purge_tasks", tasks.purge, cron="23 * * * *", due=tasks.ended)
        yield Job("purge_imports", purge_imports, cron="11 20 * * *")

    @hookimpl
    def register_settings(self) -> Iterable[Settings]:
        """Let an estate decide about its accounts."""
        yield Settings(CoreSettings)

    @hookimpl
    def register_notifications(self) -> Iterable[NotificationKind]:
        """Tell people what concerns them in any department's work."""
        return CORE_KINDS


core = Core()

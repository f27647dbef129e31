"""All that a plugin needs: `from wuye.api import …`. What is not here may change without notice."""

from uuid import UUID

from sqlalchemy import Numeric
from sqlalchemy.orm import Mapped, mapped_column

from wuye.context import Actor, Context, EstateInfo
from wuye.db.base import Base, EstateScoped, Tracked, link, ref, scoped_index, scoped_unique
from wuye.db.columns import check, money
from wuye.demo.stage import Stage
from wuye.errors import Conflict, FieldError, Forbidden, Invalid, NotFound, Problem
from wuye.files import services as files
from wuye.i18n import _
from wuye.jobs.declaration import Job
from wuye.labels import worded
from wuye.notifications.declaration import NotificationKind
from wuye.notifications.services import notify_permission
from wuye.people.models import Person
from wuye.people.services import choose_assignee
from wuye.plugins.hookspecs import hookimpl
from wuye.plugins.loader import Plugin
from wuye.properties.models import Property
from wuye.records.flow import SYSTEM, Flow, State, Transition
from wuye.records.models import PRIORITIES, Record
from wuye.records.services import open_record, perform, take
from wuye.referrals import services as referrals
from wuye.referrals.declaration import ReferralTarget
from wuye.referrals.models import Referral
from wuye.resources import fields
from wuye.resources.declaration import Found, Importing, Look, Portal, Resource, View
from wuye.resources.fields import between, length
from wuye.resources.schemas import ActionInput, RecordSchema, ScopedSchema
from wuye.settings.declaration import Settings, setting
from wuye.slots import Bar, Bars, Card, Figure, Figures, Item, Items, Own, Panel, To

__all__ = [
    "PRIORITIES",
    "SYSTEM",
    "UUID",
    "ActionInput",
    "Actor",
    "Bar",
    "Bars",
    "Base",
    "Card",
    "Conflict",
    "Context",
    "EstateInfo",
    "EstateScoped",
    "FieldError",
    "Figure",
    "Figures",
    "Flow",
    "Forbidden",
    "Found",
    "Importing",
    "Invalid",
    "Item",
    "Items",
    "Job",
    "Look",
    "Mapped",
    "NotFound",
    "NotificationKind",
    "Numeric",
    "Own",
    "Panel",
    "Person",
    "Plugin",
    "Portal",
    "Problem",
    "Property",
    "Record",
    "RecordSchema",
    "Referral",
    "ReferralTarget",
    "Resource",
    "ScopedSchema",
    "Settings",
    "Stage",
    "State",
    "To",
    "Tracked",
    "Transition",
    "View",
    "_",
    "between",
    "check",
    "choose_assignee",
    "fields",
    "files",
    "hookimpl",
    "length",
    "link",
    "mapped_column",
    "money",
    "notify_permission",
    "open_record",
    "perform",
    "ref",
    "referrals",
    "scoped_index",
    "scoped_unique",
    "setting",
    "take",
    "worded",
]

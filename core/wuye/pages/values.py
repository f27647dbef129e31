"""One field's value as people read it."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from wuye import labels
from wuye.db.base import table_of
from wuye.i18n import _
from wuye.pages import times
from wuye.resources import fields

if TYPE_CHECKING:
    from marshmallow.fields import Field

    from wuye.pages.rendering import Showing


def shown(see: "Showing", item: "Field[Any]", value: Any) -> Any:
    """Return a value as text in the reader's language, or as a link; None becomes a dash."""
    if value is None or value == "":
        return Markup('<span class="muted">–</span>')
    if isinstance(item, fields.Reference):
        return _link(see, item, value)
    if isinstance(item, fields.Choice):
        return labels.worded(value)
    if isinstance(item, fields.Category):
        return labels.category_label(value)
    if isinstance(item, fields.DepartmentCode):
        return see.department(value)
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, datetime):
        return times.short(see.ctx.estate, value, see.ctx.now)
    if isinstance(value, date):
        return times.day(value)
    return value


def _link(see: "Showing", item: fields.Reference, value: Any) -> Any:
    label = value["label"] or "–"
    resource = next(
        (each for each in see.registry.resources.values() if each.model.__tablename__ == table_of(item.target)), None
    )
    if resource is None or item.target == "record" or not see.visit.readable(resource):
        return label
    return Markup('<a class="link" href="{}">{}</a>').format(see.visit.url_of(resource, value["id"]), label)

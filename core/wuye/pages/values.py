"""One field's value as people read it."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from wuye import labels
from wuye.i18n import _
from wuye.pages import times
from wuye.resources import fields

if TYPE_CHECKING:
    from marshmallow.fields import Field

    from wuye.pages.rendering import Showing
    from wuye.resources.declaration import Resource


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
    base = see.page_of(item.target)
    return label if base is None else _anchor(f"{base}/{value['id']}", label)


def _anchor(address: str, label: Any) -> Markup:
    # Put together by hand: a table has hundreds, and `Markup.format` costs ten times as much.
    return Markup(f'<a class="link" href="{escape(address)}">{escape(label)}</a>')  # noqa: S704 (both are escaped)


def cell(
    see: "Showing", resource: "Resource", row: Mapping[str, Any], name: str, part: str, *, editable: bool
) -> Markup:
    """Return a field's value where it stands, with the way to change it: `part` is lead (a table's first column), cell, or
    fact."""
    value = row[name]
    if part == "lead":
        text = value["label"] if isinstance(value, Mapping) else value
        drawn: Any = _anchor(see.visit.url_of(resource, row["id"]), text or "–")
    elif part == "cell" and name == "state" and resource.is_record:
        drawn = see.tag(row["kind"], row["state"], row.get("phase", ""))
    elif part == "cell" and name == "kind" and resource.is_record:
        drawn = see.kind(row["kind"])
    else:
        drawn = see.value(resource, name, value)
    return escape(drawn) + see.pen(resource, row, name) if editable else escape(drawn)

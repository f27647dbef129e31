"""Lists: one query description in the address, shown as list, table, board, calendar, chart or pivot."""

import calendar
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from babel.dates import format_skeleton, get_day_names
from flask import Flask, request

from wuye import labels
from wuye.contracts import CATEGORIES
from wuye.errors import BadRequest, Text
from wuye.i18n import _, current_locale
from wuye.imports import runs
from wuye.pages import bulk, charts, forms, tasks
from wuye.pages.access import Visit, base_of, page, see
from wuye.pages.rendering import framed
from wuye.people.services import Worker
from wuye.resources import fields, query, views
from wuye.resources.declaration import Resource
from wuye.resources.rows import attribute_of
from wuye.tasks import exporting
from wuye.web.access import Access

#: Cards in one column of a board; the column's head leads to the rest.
_COLUMN = 25

#: What a list item needs besides the fields under its title.
_ITEM = ("id", "number", "title", "kind", "state", "phase", "priority", "due_at", "assignee", "opened_at", "closed_at")


@dataclass(frozen=True, slots=True)
class Tab:
    """A view over the list; `count` says how many rows it has, up to 100."""

    label: Text
    url: str
    count: Any
    current: bool
    saved: UUID | None = None
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is set, and the address without it."""

    label: Text
    value: Text
    without: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A filter that is offered with all its values, as (value, label); `chosen` is the one that is set."""

    name: str
    label: Text
    values: list[tuple[str, Text]]
    chosen: str


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """A column that a table can have; of one that is shown, the addresses with it one place further left and right."""

    name: str
    label: Text
    shown: bool
    left: str = ""
    right: str = ""


@dataclass
class Listing:
    """What a list's page shows of the query in its address."""

    visit: Visit
    resource: Resource
    arguments: dict[str, list[str]]
    shape: str
    tabs: list[Tab]
    rows: list[dict[str, Any]]
    after: str | None

    def url(self, **changes: str | None) -> str:
        """Return this list's address with some parameters changed; None takes one away."""
        merged = {name: ",".join(values) for name, values in self.arguments.items()}
        merged.update({"view": "" if self.shape == "list" else self.shape})
        merged.update({name: value or "" for name, value in changes.items()})
        if "after" not in changes:
            merged.pop("after", None)
        pairs = {name: value for name, value in merged.items() if value}
        return f"{self.visit.url_of(self.resource)}?{urlencode(pairs)}" if pairs else self.visit.url_of(self.resource)

    def with_filter(self, name: str, value: str | None) -> str:
        """Return this list's address with one filter changed."""
        return self.url(**{f"filter[{name}]": value, "tab": None})

    @property
    def chips(self) -> Iterator[Chip]:
        """The filters that are set."""
        for name in self.resource.filters:
            if values := self.arguments.get(f"filter[{name}]"):
                yield Chip(self._label(name), self._filter_text(name, ",".join(values)), self.with_filter(name, None))
        if values := self.arguments.get("q"):
            yield Chip(_("Search"), values[-1], self.url(q=None, tab=None))

    def _label(self, name: str) -> Text:
        return labels.field_label(name, self.resource.instance.fields[name])

    def _filter_text(self, name: str, value: str) -> Text:
        if value == "!done":
            return _("not done")
        if value.startswith(".."):
            return _("until {end}", end=value[2:] if value != "..now" else _("now"))
        if value.endswith(".."):
            return _("from {start}", start=value[:-2])
        words = {"null": _("nobody") if name in ("assignee", "requester") else _("none"), "me": _("me")}
        return ", ".join(str(words.get(each) or self.word(name, each)) for each in value.split(","))

    def word(self, name: str, value: str) -> Text:
        """Return what a filter's value is called."""
        if name == "state" and self.resource.flow and value in self.resource.flow.states:
            return self.resource.flow.states[value].label
        item = self.resource.instance.dump_fields[name]
        if isinstance(item, fields.Choice):
            return labels.worded(value)
        if isinstance(item, fields.Category):
            return labels.category_label(value)
        if isinstance(item, fields.DepartmentCode):
            return labels.department_label(self.visit.ctx.loaded.registry, value)
        if isinstance(item, fields.Reference):
            place = next((row[name] for row in self.rows if row.get(name) and str(row[name]["id"]) == value), None)
            return place["label"] if place else value[:8]
        return value

    @property
    def choices(self) -> Iterator[Offer]:
        """The filters that are offered with all their values."""
        for name in self.resource.filters:
            if values := self._values(name):
                yield Offer(name, self._label(name), values, ",".join(self.arguments.get(f"filter[{name}]", [])))

    def _values(self, name: str) -> list[tuple[str, Text]]:
        item = self.resource.instance.dump_fields[name]
        if name == "state" and self.resource.flow:
            return [(state.name, state.label) for state in self.resource.flow.states.values()]
        if isinstance(item, fields.Choice) and name != "phase":
            return [(word, labels.worded(word)) for word in item.choices]
        if isinstance(item, fields.Category):
            return [(code, labels.category_label(code)) for code in CATEGORIES]
        return [("true", _("Yes")), ("false", _("No"))] if isinstance(item, fields.Boolean) else []

    @property
    def sorts(self) -> Iterator[tuple[Text, str, bool]]:
        """The orders that are offered: label, address, whether it is this one."""
        now = (self.arguments.get("sort") or [self.resource.sort[0]])[-1]
        for name in dict.fromkeys(each.removeprefix("-") for each in self.resource.sort):
            for sort, text in ((name, _("{field}, ascending", field=self._label(name))),
                               (f"-{name}", _("{field}, descending", field=self._label(name)))):  # fmt: skip
                yield text, self.url(sort=sort), sort == now

    @property
    def columns(self) -> list[str]:
        """The columns of the table, in their order."""
        return columns_of(self.resource, self.arguments)

    @property
    def column_choices(self) -> Iterator[ColumnChoice]:
        """The columns that a table can have: the shown ones in their order, then the others."""
        shown = self.columns
        for place, name in enumerate(shown):
            left, right = [
                self.url(view="table", fields=",".join(_swapped(shown, place, place + step))) for step in (-1, 1)
            ]
            yield ColumnChoice(name, self._label(name), True, left, right)
        for name in self.resource.attributes:
            if name not in (*shown, "id", "version", "thread", "phase", "kind"):
                yield ColumnChoice(name, self._label(name), False)

    @property
    def editable(self) -> set[str]:
        """The columns that the visitor may change where they stand."""
        return forms.editable(self.visit, self.resource)

    @property
    def shapes(self) -> Iterator[tuple[str, Text, str]]:
        """The ways in which this list can be shown: name, label, icon."""
        if self.resource.is_record:
            yield "list", _("List"), "list"
        yield "table", _("Table"), "table"
        if self.resource.flow:
            yield "board", _("Board"), "board"
        if "due_at" in self.resource.filters:
            yield "calendar", _("Calendar"), "cal"
        if self.resource.is_record:
            yield "chart", _("Chart"), "chart"
            yield "pivot", _("Pivot"), "pivot"

    @property
    def everything(self) -> str:
        """The query of all that this list finds, on whichever page."""
        kept = {n: ",".join(v) for n, v in self.arguments.items() if "[" in n or n == "q"}
        return urlencode(kept)

    @property
    def exports(self) -> Iterator[tuple[str, str]]:
        """The addresses of exactly this view as a file: format, address."""
        for kind in ("csv", "xlsx"):
            yield kind.upper(), self.url(view=None, format=kind).replace("?", "/export?", 1)

    @property
    def people(self) -> list[Worker]:
        """Whom the chosen can be given to with one click, the least busy first."""
        return bulk.people(self.visit, self.resource)

    @property
    def ways(self) -> list[tuple[str, Text]]:
        """What can be done where nothing is shown: take the filters away, or make the first one."""
        base = self.visit.url_of(self.resource)
        found: list[tuple[str, Text]] = []
        if list(self.chips):
            tab = next((view.name for view in self.resource.views if not view.query), "")
            shape = self.shape if self.shape != "list" else ""
            found.append((self.visit.url_of(self.resource, view=shape, tab=tab), _("Show all")))
        if self.can_create:
            found.append((f"{base}/new", self.resource.look.create or _("Create")))
        if self.can_import:
            found.append((f"{base}/import", _("Import")))
        return found

    @property
    def can_import(self) -> bool:
        """Whether the visitor may import a table."""
        return runs.may(self.visit.ctx, self.resource)

    @property
    def can_create(self) -> bool:
        """Whether the visitor may make a new one."""
        return bool(self.resource.create and self.visit.ctx.may(self.resource.create))


def register(app: Flask, resource: Resource) -> None:
    """Add a resource's list, its board's and saved views' changes."""
    base = base_of(resource)
    readers = tuple(name for name in (resource.read, resource.read_own) if name)
    access = Access(readers, resource.plugin)
    page(app, base, f"{resource.key}.list", lambda visit: listing(visit, resource), access)
    page(app, f"{base}/export", f"{resource.key}.export", lambda visit: _export(visit, resource), access, ("POST",))
    if resource.flow:
        bulk.register(app, resource, access)
    page(app, f"{base}/views", f"{resource.key}.views", lambda visit: _save(visit, resource), access, ("POST",))


def read(visit: Visit, resource: Resource, *, limit: int = query.DEFAULT_LIMIT) -> Listing:
    """Read what the address asks for.

    Raises:
        BadRequest: it asks for something that the list does not have.
    """
    given = {name: [each for each in values if each] for name, values in request.args.to_dict(flat=False).items()}
    arguments = {name: values for name, values in given.items() if values and name != "view"}
    shape = (given.get("view") or [""])[-1] or ("list" if resource.is_record else "table")
    tab = (arguments.get("tab") or [""])[-1]
    stored = views.saved(visit.ctx, resource)
    if not tab and not (arguments.keys() - {"after", "format"}) and resource.views:
        tab = resource.views[0].name
    chosen = _tab_arguments(resource, stored, tab)
    merged = {**chosen, **arguments}
    wanted = query.parse(resource, {n: v for n, v in merged.items() if n in query.PARAMETERS or "[" in n})
    columns = _fields_of(resource, shape, merged)
    found = query.run(visit.ctx, resource, replace(wanted, fields=columns, limit=limit))
    tabs = list(_tabs(visit, resource, stored, tab))
    return Listing(visit, resource, merged, shape, tabs, found.items, found.after)


def _tab_arguments(resource: Resource, stored: Any, tab: str) -> dict[str, list[str]]:
    declared: dict[str, list[str]] = next((view.arguments for view in resource.views if view.name == tab), {})
    return declared or next((views.arguments_of(each.query) for each in stored if str(each.id) == tab), {})


def _tabs(visit: Visit, resource: Resource, stored: Any, current: str) -> Iterator[Tab]:
    base = visit.url_of(resource)
    for place, view in enumerate(resource.views):
        count = visit.count(resource, view.arguments) if view.query else None
        yield Tab(view.label, f"{base}?tab={view.name}" if place else base, count, view.name == current)
    for each in stored:
        arguments = views.arguments_of(each.query)
        filters = {name: values for name, values in arguments.items() if "[" in name or name == "q"}
        yield Tab(
            each.name,
            f"{base}?tab={each.id}",
            visit.count(resource, filters),
            str(each.id) == current,
            each.id,
            each.owner_id is None,
        )


def columns_of(resource: Resource, arguments: Mapping[str, list[str]]) -> list[str]:
    """Return the columns that an address asks for, each once and in this order; the resource's own if it asks for none."""
    chosen = ",".join(arguments.get("fields", [])).split(",")
    return [name for name in dict.fromkeys(chosen) if name in resource.attributes] or list(resource.columns)


def _swapped(names: Sequence[str], one: int, other: int) -> list[str]:
    """Return the names with two of them in each other's place; at the ends, where there is no other, as they are."""
    swapped = list(names)
    if 0 <= other < len(names):
        swapped[one], swapped[other] = names[other], names[one]
    return swapped


def _fields_of(resource: Resource, shape: str, arguments: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Return the fields to read: what the table shows, or what a list's items need."""
    if shape == "table" or not resource.is_record:
        shown = columns_of(resource, arguments)
        return tuple(dict.fromkeys(["id", *shown, *(_ITEM[1:5] if resource.is_record else ())]))
    icons = [resource.look.icons[0]] if resource.look.icons else []
    meta = resource.look.meta or ("place", "requester")
    wanted = dict.fromkeys([*_ITEM, *icons, *meta])
    return tuple(name for name in wanted if name in resource.attributes)


def listing(visit: Visit, resource: Resource) -> Any:
    """Show a list in the shape that its address names."""
    found = read(visit, resource)
    shapes = {name for name, _label, _icon in found.shapes}
    if found.shape not in shapes:
        raise BadRequest(_("This list cannot be shown as “{shape}”.", shape=found.shape))
    extra = _EXTRAS[found.shape](found) if found.shape in _EXTRAS else {}
    return framed(
        visit,
        f"list_{found.shape}.html",
        listing=found,
        resource=resource,
        title=labels.resource_label(resource),
        selected=None,
        **extra,
    )


def _save(visit: Visit, resource: Resource) -> Any:
    """Save the present query as a view, or remove a saved one."""
    if identity := request.form.get("remove"):
        views.remove(visit.ctx, UUID(identity))
        return see(visit.url_of(resource))
    arguments = views.arguments_of(request.form.get("query", ""))
    made = views.save(
        visit.ctx, resource, request.form.get("name", ""), arguments, shared=bool(request.form.get("shared"))
    )
    return see(visit.url_of(resource, tab=made.id))


def _export(visit: Visit, resource: Resource) -> Any:
    """Send all rows of the present view as a file, with the columns that the table shows; a long one is made in the
    background."""
    kind = request.args.get("format", "")
    if kind not in ("csv", "xlsx"):
        raise BadRequest(_("Choose the format csv or xlsx."))
    found = read(visit, resource, limit=1)
    arguments = {n: v for n, v in found.arguments.items() if n in query.PARAMETERS - {"after", "limit"} or "[" in n}
    with tempfile.TemporaryDirectory(prefix="wuye-export-") as folder:
        file = Path(folder) / f"{resource.name}.{kind}"
        task = exporting.export(visit.ctx, resource, arguments, found.columns, kind, file)
        if task is not None:
            return see(tasks.address(visit, task))
        return tasks.send(BytesIO(file.read_bytes()), f"{visit.ctx.estate.code}-{resource.name}.{kind}")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a board: a state, its cards, and whether there are more."""

    state: Any
    rows: list[dict[str, Any]]
    more: bool
    url: str
    #: The actions that lead here: state → action, for those that want no input.
    reached: dict[str, str]


def _board(found: Listing) -> dict[str, Any]:
    """Return a column for each state that is not done, and the first one that is."""
    flow = found.resource.flow
    assert flow is not None, "only work has a board"
    kept = {n: v for n, v in found.arguments.items() if "[" in n and n not in ("filter[state]", "filter[phase]")}
    wanted = query.parse(found.resource, {**kept, **{n: v for n, v in found.arguments.items() if n == "q"}})
    columns = []
    for state in flow.states.values():
        if state.phase == "done" and state.name not in flow.path:
            continue
        narrowed = {**wanted.filters, "state": query.Filter((state.name,))}
        if state.phase == "done":  # what was done long ago is no news
            start = found.visit.ctx.now - timedelta(days=7)
            narrowed["opened_at"] = query.Filter(range=query.Range(start, None))
        fields_ = _fields_of(found.resource, "list", found.arguments)
        chosen = replace(wanted, filters=narrowed, fields=fields_, limit=_COLUMN)
        rows = query.run(found.visit.ctx, found.resource, chosen)
        reached = {
            source: step.name
            for step in flow.transitions.values()
            if step.target == state.name and found.visit.ctx.may(step.permission)
            for source in step.sources
        }
        if rows.items or state.name in flow.path:
            columns.append(
                Column(state, rows.items, rows.after is not None, found.with_filter("state", state.name), reached)
            )
    return {"columns": columns}


def _calendar(found: Listing) -> dict[str, Any]:
    """Return a month of what is due: weeks of days with their rows."""
    today = found.visit.ctx.now.astimezone(found.visit.ctx.estate.tzinfo).date()
    try:
        first = date.fromisoformat(f"{request.args.get('month', '')}-01")
    except ValueError:
        first = today.replace(day=1)
    weeks = calendar.Calendar().monthdatescalendar(first.year, first.month)
    wanted = query.parse(
        found.resource, {n: v for n, v in found.arguments.items() if "[" in n and n != "filter[due_at]"}
    )
    span = query.Filter(range=query.Range(weeks[0][0], weeks[-1][-1]))
    rows = query.run(
        found.visit.ctx,
        found.resource,
        replace(
            wanted,
            filters={**wanted.filters, "due_at": span},
            fields=_fields_of(found.resource, "list", found.arguments),
            sort="due_at",
            limit=query.MAX_LIMIT,
        ),
    ).items
    by_day: dict[date, list[dict[str, Any]]] = {}
    for row in rows:
        due: datetime = row["due_at"]
        by_day.setdefault(due.astimezone(found.visit.ctx.estate.tzinfo).date(), []).append(row)
    names = get_day_names("abbreviated", locale=current_locale())
    return {
        "weeks": weeks,
        "by_day": by_day,
        "month": first,
        "today": today,
        "month_name": format_skeleton("yMMMM", first, locale=current_locale()),
        "day_names": [names[number] for number in range(7)],
        "before": (first - timedelta(days=1)).strftime("%Y-%m"),
        "next": (first + timedelta(days=31)).strftime("%Y-%m"),
    }


def _dimensions(resource: Resource) -> list[str]:
    """Return the fields that a chart can be drawn by: words and references, not texts."""
    words = fields.Choice, fields.Category
    names = [name for name, item in resource.instance.dump_fields.items() if isinstance(item, words)]
    return ["state", *(name for name in names if name != "phase"), "department"]


def _grouped(found: Listing, names: list[str]) -> list[tuple[Any, ...]]:
    wanted = query.parse(found.resource, {n: v for n, v in found.arguments.items() if "[" in n or n == "q"})
    return query.groups(found.visit.ctx, found.resource, wanted, [attribute_of(found.resource, name) for name in names])


def _chosen(found: Listing, parameter: str, otherwise: str) -> str:
    name = (found.arguments.get(parameter) or [otherwise])[-1]
    return name if name in _dimensions(found.resource) else otherwise


def _chart(found: Listing) -> dict[str, Any]:
    """Return the counts by one field as bars."""
    by = _chosen(found, "by", "state")
    bars = [
        charts.Bar(str(found.word(by, value) if value is not None else _("none")), count, found.with_filter(by, value))
        for value, count in _grouped(found, [by])
    ]
    return {"by": by, "bars": bars, "dimensions": _dimensions(found.resource), "drawing": charts.bars(bars)}


def _pivot(found: Listing) -> dict[str, Any]:
    """Return the counts by two fields as a table with sums."""
    by, across = _chosen(found, "by", "state"), _chosen(found, "across", "priority")
    counts = {(row, column): count for row, column, count in _grouped(found, [by, across])} if by != across else {}
    rows = list(dict.fromkeys(row for row, _column in counts))
    columns = list(dict.fromkeys(column for _row, column in counts))
    return {
        "by": by,
        "across": across,
        "dimensions": _dimensions(found.resource),
        "counts": counts,
        "pivot_rows": rows,
        "pivot_columns": columns,
        "word": lambda name, value: found.word(name, value) if value is not None else _("none"),
    }


_EXTRAS = {"board": _board, "calendar": _calendar, "chart": _chart, "pivot": _pivot}

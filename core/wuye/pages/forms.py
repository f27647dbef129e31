"""Forms from schemas: the same fields and rules as the API's; errors stand at their field, nothing typed is lost."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from marshmallow import Schema
from marshmallow.fields import Field
from sqlalchemy import select

from wuye import labels
from wuye.contracts import CATEGORIES, DEPARTMENTS
from wuye.db.base import table_of
from wuye.errors import FieldError, Invalid, Text
from wuye.i18n import _
from wuye.pages import times
from wuye.pages.access import Visit
from wuye.records import search
from wuye.referrals.models import Route
from wuye.resources import fields
from wuye.resources.choosing import open_fields
from wuye.resources.declaration import Resource
from wuye.resources.finding import best
from wuye.resources.schemas import load_with, wrong_fields

#: A form has room for so many lines; a script adds more.
_LINES = 2

#: Suggestions for a reference; whoever needs more types another letter.
SUGGESTIONS = 20

_KINDS: tuple[tuple[type[Field[Any]], str], ...] = (
    (fields.Lines, "lines"),
    (fields.Reference, "reference"),
    (fields.Choice, "choice"),
    (fields.Category, "choice"),
    (fields.DepartmentCode, "choice"),
    (fields.LongText, "long"),
    (fields.Phone, "tel"),
    (fields.Email, "email"),
    (fields.Boolean, "boolean"),
    (fields.Moment, "moment"),
    (fields.Day, "day"),
    (fields.Decimal, "decimal"),
    (fields.Integer, "integer"),
)


@dataclass(frozen=True, slots=True)
class Input:
    """One field of a form as a template draws it; a field of several lines has a row of further inputs for each."""

    name: str
    label: Text
    kind: str
    value: str
    required: bool
    choices: Sequence[tuple[str, Text]] = ()
    errors: Sequence[FieldError] = ()
    target: str = ""
    matches: Sequence[tuple[str, str]] = ()
    lines: Sequence[Sequence["Input"]] = ()
    help: Text = ""


@dataclass
class Answers:
    """What came with a form: the data that the schema shall check, and what could not even be read."""

    data: dict[str, Any] = field(default_factory=dict)
    errors: list[FieldError] = field(default_factory=list)
    matches: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


def names_of(schema: Schema, wanted: Sequence[str] = ()) -> list[str]:
    """Return the fields of a form: the wanted ones, or all that the schema takes."""
    return list(wanted) or list(schema.load_fields)


def editable(visit: Visit, resource: Resource) -> set[str]:
    """Return the fields that the visitor may change one by one, where they stand; masked ones only on the whole form."""
    if resource.update is None or not visit.ctx.may(resource.update):
        return set()
    taken = resource.instance.load_fields
    shown = {name for name, attribute in resource.attributes.items() if attribute not in resource.masked_attributes}
    return {
        name
        for name in open_fields(visit.ctx, resource, sorted(shown & taken.keys()))
        if not isinstance(taken[name], fields.Lines)
    }


def inputs(
    visit: Visit,
    schema: Schema,
    names: Sequence[str],
    values: Mapping[str, Any],
    errors: Sequence[FieldError] = (),
    matches: Mapping[str, Sequence[tuple[str, str]]] | None = None,
) -> Iterator[Input]:
    """Yield the inputs of a form; `values` are what was typed, or what the thing has now."""
    for name in names:
        item = schema.load_fields[name]
        wrong = [error for error in errors if error.field.partition(".")[0] == name]
        yield Input(
            name,
            labels.field_label(name, item),
            _kind(item),
            _text(visit, values.get(name)),
            item.required,
            _choices(visit, item, values.get(name)),
            wrong,
            item.target if isinstance(item, fields.Reference) else "",
            (matches or {}).get(name, ()),
            list(_lines(visit, name, item, values, errors)) if isinstance(item, fields.Lines) else (),
            item.metadata.get("help", ""),
        )


def _choices(visit: Visit, item: Field[Any], value: Any) -> list[tuple[str, Text]]:
    """Return the words that a form offers; where others are taken too, the one that is there now is among them."""
    registry, enabled = visit.ctx.loaded.registry, visit.ctx.plugins
    if isinstance(item, fields.Choice):
        return [(word, labels.worded(word)) for word in item.choices]
    present = [str(value)] if value else []
    if isinstance(item, fields.Category):
        own = visit.ctx.session.scalars(select(Route.category).where(Route.category != "*").order_by(Route.category))
        return [(code, labels.category_label(code)) for code in dict.fromkeys([*CATEGORIES, *own, *present])]
    if isinstance(item, fields.DepartmentCode):
        taking = [name for name in registry.targets if name in enabled]
        codes = taking if item.taking else [*registry.targets, *DEPARTMENTS]
        return [(code, labels.department_label(registry, code)) for code in dict.fromkeys([*codes, *present])]
    return []


def _lines(
    visit: Visit, name: str, item: fields.Lines, values: Mapping[str, Any], errors: Sequence[FieldError]
) -> Iterator[list[Input]]:
    """Yield a row of inputs for each line that was typed, and for some more."""
    for number in range(max(_LINES, _typed_lines(name, item, values))):
        prefix = f"{name}.{number}."
        wrong = [
            replace(each, field=each.field.removeprefix(prefix)) for each in errors if each.field.startswith(prefix)
        ]
        typed = {column: values.get(prefix + column) for column in item.line.load_fields}
        row = inputs(visit, item.line, list(item.line.load_fields), typed, wrong)
        # A line that stays empty is none, so a browser must not ask for its fields.
        yield [replace(cell, name=prefix + cell.name, required=False) for cell in row]


def _typed_lines(name: str, item: fields.Lines, values: Mapping[str, Any]) -> int:
    """Return how many lines a form has, up to the last in which something was typed."""
    typed = (number + 1 for number in range(item.most) for column in item.line.load_fields
             if str(values.get(f"{name}.{number}.{column}") or "").strip())  # fmt: skip
    return max(typed, default=0)


def _kind(item: Field[Any]) -> str:
    return next((kind for cls, kind in _KINDS if isinstance(item, cls)), "text")


def _text(visit: Visit, value: Any) -> str:
    """Return a value as the text of an input."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return str(value.get("label") or "")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return times.local_input(visit.ctx.estate, value)
    return value.isoformat() if isinstance(value, date) else str(value)


def answers(visit: Visit, schema: Schema, names: Sequence[str], form: Mapping[str, str], *, whole: bool) -> Answers:
    """Read a form into what the schema takes.

    With `whole` (a new thing) empty fields are left out; else (a change) they empty the field.
    """
    found = Answers()
    for name in names:
        item = schema.load_fields[name]
        if isinstance(item, fields.Lines):
            columns = list(item.line.load_fields)
            rows = [
                answers(visit, item.line, columns, {each: form.get(f"{name}.{number}.{each}", "") for each in columns}, whole=True).data
                for number in range(_typed_lines(name, item, form))
            ]  # fmt: skip
            if rows or not whole:
                found.data[name] = rows
            continue
        text = form.get(name, "").strip() if not isinstance(item, fields.LongText) else form.get(name, "")
        if isinstance(item, fields.Boolean):
            found.data[name] = text == "true"
        elif not text.strip():
            if not whole and item.allow_none:
                found.data[name] = None
            elif not whole and (item.required or name in form):  # whether it may be empty, the schema says
                found.data[name] = ""
        elif isinstance(item, fields.Reference):
            _resolve(visit, item, name, text, found)
        elif isinstance(item, fields.Moment):
            found.data[name] = times.from_local(visit.ctx.estate, text)
        elif isinstance(item, fields.Integer):
            found.data[name] = int(text) if text.removeprefix("-").isdecimal() and len(text) < 12 else text
        else:
            found.data[name] = text
    return found


def _resolve(visit: Visit, item: fields.Reference, name: str, text: str, found: Answers) -> None:
    """Find what a reference names: an id, or a text that means one thing."""
    try:
        found.data[name] = str(UUID(text))
        return
    except ValueError:
        pass
    matches = suggestions(visit, item.target, text)
    folded = search.fold(text)
    exact = [
        each for each in matches if search.fold(each[1]) == folded or search.fold(each[1].partition("  ")[0]) == folded
    ]
    if len(exact) == 1 or len(matches) == 1:
        found.data[name] = (exact or matches)[0][0]
        return
    found.matches[name] = matches
    reason = _("Several are called like this: choose one.") if matches else _("Nothing here is called like this.")
    found.errors.append(FieldError(name, reason))


def suggestions(visit: Visit, target: str, text: str) -> list[tuple[str, str]]:
    """Return what a reference may mean: (id, label), found by its words; people with where they live."""
    resource = target_of(visit, target)
    if resource is None or not visit.readable(resource):
        return []
    label = fields.Reference(target).label
    if label not in resource.attributes:
        return []  # nothing refers to these, so they have no name of their own
    needle = search.fold(text) if resource.search else None
    rows = best(visit.ctx, resource, needle or None, ("id", label), SUGGESTIONS)
    if not resource.search:  # a short list without an index of its own
        rows = [row for row in rows if search.fold(text) in search.fold(str(row[label]))]
    found = [(str(row["id"]), str(row[label])) for row in rows]
    return _with_homes(visit, found) if target == "person" else found


def _with_homes(visit: Visit, people: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Tell people of one name apart by where they live."""
    from wuye.people.models import Occupancy
    from wuye.properties.models import Property

    rows = visit.ctx.session.execute(
        select(Occupancy.person_id, Property.label)
        .join(Property, Property.id == Occupancy.property_id)
        .where(Occupancy.person_id.in_([UUID(each[0]) for each in people]))
        .order_by(Occupancy.since)
    )
    homes: dict[str, str] = {str(person): label for person, label in rows}
    return [(key, f"{name}  {homes[key]}" if key in homes else name) for key, name in people]


def target_of(visit: Visit, target: str) -> Resource | None:
    """Return the resource that a reference's target is a row of."""
    table = table_of(target)
    resources = visit.ctx.loaded.registry.resources.values()
    return next((item for item in resources if item.model.__tablename__ == table), None)


def checked(schema: Schema, given: Answers, preset: Mapping[str, Any] | None = None, *, partial: bool = False) -> None:
    """Let the schema look at what could be read as well, so that all errors are shown at once.

    `preset` is what is filled in besides, which the form does not ask for.

    Raises:
        Invalid: with the errors of both.
    """
    errors = list(given.errors)
    unread = {error.field for error in errors}
    try:
        load_with(schema, {**given.data, **(preset or {})}, partial=partial)
    except Invalid as invalid:
        errors += [error for error in invalid.errors if error.field not in unread]
    if errors:
        raise wrong_fields(errors)

"""Writing one row: the generic way, by a resource's schema; what consists of several things has its own importer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import select

from wuye.context import Context
from wuye.errors import Invalid
from wuye.i18n import _
from wuye.imports.mapping import Target
from wuye.imports.places import unit_codes
from wuye.imports.references import References, Unresolved
from wuye.imports.report import Fault, Remark, Report
from wuye.records import services
from wuye.records.models import Record
from wuye.referrals.services import route
from wuye.resources import fields, service
from wuye.resources.declaration import Resource
from wuye.resources.schemas import ScopedSchema, load_with

_PLACE_PARTS = ("building", "entrance", "room")


class Refused(Exception):
    """A row that is not imported, with what is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults)
        self.faults = tuple(faults)


class Importer(Protocol):
    """What knows how to write the rows of one kind."""

    targets: list[Target]
    words: Mapping[str, Mapping[str, str]]

    def load(self, ctx: Context, references: References, rows: Sequence[Mapping[str, Any]]) -> None:
        """Read what a batch of rows refers to."""

    def write(self, ctx: Context, references: References, number: int, values: dict[str, Any], report: Report) -> None:
        """Write one row and count it; raise `Refused`, `Unresolved` or a `Problem` before anything of it is written."""


@dataclass
class ResourceImporter:
    """Imports the rows of a resource that is one thing a row.

    A row is known again by its external id (work, people) or its code (everything else that has one).
    """

    resource: Resource
    schema: ScopedSchema
    targets: list[Target]
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    _existing: dict[str, Any] = field(default_factory=dict)
    _routes: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str | None:
        """The field that a row is known again by."""
        loadable = self.schema.load_fields
        return next((name for name in ("external_id", "code") if name in loadable), None)

    def load(self, ctx: Context, references: References, rows: Sequence[Mapping[str, Any]]) -> None:
        """Read what the rows refer to, and those of them that are here already."""
        wanted: dict[str, set[str]] = {}
        for values in rows:
            for name, item in self.schema.load_fields.items():
                if isinstance(item, fields.Reference) and (text := self._text(name, item, values)):
                    wanted.setdefault(item.target, set()).add(text)
        references.load(wanted)
        self._existing = {}
        if self.key is not None:
            column = getattr(self.resource.model, self.key)
            texts = [str(values[self.key]) for values in rows if values.get(self.key)]
            statement = select(self.resource.model).where(column.in_(texts))
            self._existing = {getattr(row, self.key): row for row in ctx.session.scalars(statement)}

    def _text(self, name: str, item: fields.Reference, values: Mapping[str, Any]) -> str:
        """Return what a row has for a reference: its column, or the room's code from columns of its parts."""
        if values.get(name):
            return str(values[name])
        if item.target == "property" and values.get("room"):
            return unit_codes(*(str(values.get(part, "")) for part in _PLACE_PARTS))[-1]
        return ""

    def write(self, ctx: Context, references: References, number: int, values: dict[str, Any], report: Report) -> None:
        """Create the row's thing, or bring the one that is known up to date."""
        data, faults = self._resolved(references, values)
        loaded: dict[str, Any] = {}
        try:
            loaded = load_with(self.schema, data)
        except Invalid as error:
            faults += [Fault(each.field, "", each.reason) for each in error.errors if each.field not in _named(faults)]
        if faults:
            raise Refused(faults)
        references.use([value for value in loaded.values() if isinstance(value, UUID)], number)
        references.write()
        known = self._existing.get(str(values.get(self.key))) if self.key else None
        if self.resource.is_record:
            record, outcome = self._write_record(ctx, known, loaded, number, report)
            report.summary[self._department(ctx, record), record.state] += 1
        elif known is None:
            record, outcome = service.create_from(ctx, self.resource, loaded), "created"
        else:
            record = known
            outcome = "updated" if service.edit_to(ctx, self.resource, known, loaded) else "unchanged"
        if self.key and values.get(self.key):
            self._existing[str(values[self.key])] = record
        report.count(outcome)

    def _resolved(self, references: References, values: dict[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
        """Return what the schema gets: names replaced by ids, times with their offset."""
        data: dict[str, Any] = {**self.resource.importing.defaults}
        faults: list[Fault] = []
        for name, item in self.schema.load_fields.items():
            if isinstance(item, fields.Reference):
                text = self._text(name, item, values)
                phone = values.get("contact_phone") or values.get("phone")
                if text:
                    try:
                        data[name] = str(references.find(item.target, name, text, phone))
                    except Unresolved as error:
                        faults.append(Fault(name, "", error.reason))
            elif name in values:
                value = values[name]
                data[name] = value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
                if isinstance(item, fields.Day) and isinstance(value, datetime):
                    data[name] = value.astimezone(references.ctx.estate.tzinfo).date().isoformat()
                if isinstance(item, fields.Integer) and isinstance(value, str) and value.lstrip("-").isdigit():
                    data[name] = int(value)
        return data, faults

    def _write_record(
        self, ctx: Context, known: Any, loaded: dict[str, Any], number: int, report: Report
    ) -> tuple[Record, str]:
        flow = self.resource.flow
        assert flow is not None, "work that can be imported has a flow"
        state = loaded.pop("state", flow.initial.name)
        done = flow.states[state].phase == "done"
        closed = loaded.pop("closed_at", None)
        loaded["external_id"] = loaded.get("external_id") or None
        if done and closed is None:
            report.warnings.append(
                Remark(number, "closed_at", _("It is closed, but the file does not say since when."))
            )
        if closed is not None and not done:
            report.warnings.append(
                Remark(number, "closed_at", _("It is not closed, so the closing time of the file was left out."))
            )
            closed = None
        if known is not None:
            changed = service.edit_to(ctx, self.resource, known, loaded)
            if known.state != state:
                services.enter(flow, known, state, ctx)
                ctx.log(known, "imported", {"source": report.file, "row": number, "to": state})
                changed = True
            if done and known.closed_at != closed:
                known.closed_at = closed
                changed = True
            return known, "updated" if changed else "unchanged"
        values = {name: value for name, value in loaded.items() if value is not None}
        logged = {"source": report.file, "row": number}
        record = services.open_record(ctx, self.resource.model, values, state=state, event="imported", logged=logged)
        record.closed_at = closed
        after = self.resource.importing.after
        if after is not None and not done:
            after(ctx, record, self._department(ctx, record))
        return record, "created"

    def _department(self, ctx: Context, record: Record) -> str:
        """Return the department that the routing table names for the record's category."""
        category = getattr(record, "category", None)
        if not category:
            return record.department
        if category not in self._routes:
            self._routes[category] = route(ctx, category)
        return self._routes[category]


def _named(faults: Sequence[Fault]) -> set[str]:
    return {fault.field for fault in faults}

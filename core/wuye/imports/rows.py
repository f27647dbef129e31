"""Writing one row: the generic way, by a resource's schema; what consists of several things has its own importer."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import orjson
from sqlalchemy import UniqueConstraint, select

from wuye.context import Context
from wuye.errors import Invalid
from wuye.i18n import _
from wuye.imports.mapping import Target
from wuye.imports.places import unit_codes
from wuye.imports.references import References, Unresolved
from wuye.imports.report import Fault, Remark, Report
from wuye.records import services
from wuye.records.flow import Flow
from wuye.records.models import Record
from wuye.referrals.services import route, withdraw
from wuye.resources import fields, service
from wuye.resources.declaration import Resource
from wuye.resources.schemas import ScopedSchema, load_with

#: What happened cannot lie ahead; a day of grace is for clocks and time zones that are wrong.
_GRACE = timedelta(days=1)
#: Where a record remembers the row that it was imported from last.
_MEMORY = "import"
_PLACE_PARTS = ("building", "entrance", "room")


class Refused(Exception):
    """A row that is not imported, with what is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults)
        self.faults = tuple(faults)


class Importer(Protocol):
    """What knows how to write the rows of one kind.

    `key` is the field that no two rows may share. `others` are fields whose values go to another resource: field → its key.
    """

    others: Mapping[str, str]

    targets: list[Target]
    words: Mapping[str, Mapping[str, str]]

    @property
    def key(self) -> str | None:
        """The field that no two rows may share, or None."""

    def load(self, ctx: Context, references: References, rows: Sequence[Mapping[str, Any]]) -> None:
        """Read what a batch of rows refers to."""

    def write(self, ctx: Context, references: References, number: int, values: dict[str, Any], report: Report) -> None:
        """Write one row and count it; raise `Refused` or a `Problem` if that cannot be done."""

    def finish(self, ctx: Context) -> None:
        """Write what refers to the things that the rows of a batch made."""


@dataclass
class ResourceImporter:
    """Imports the rows of a resource that is one thing a row.

    A row is known again by its external id (work, people) or its code (everything else that has one).
    """

    resource: Resource
    schema: ScopedSchema
    targets: list[Target]
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
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
        if self.resource.is_record and not faults:
            faults += _impossible_times(ctx, loaded)
        if faults:
            raise Refused(faults)
        references.use([value for value in loaded.values() if isinstance(value, UUID)], number)
        references.write()
        known = self._existing.get(str(values.get(self.key))) if self.key else self._twin(ctx, loaded)
        if self.resource.is_record:
            if known is None:
                record, outcome = self._open(ctx, loaded, values, number, report), "created"
            else:
                record, outcome = known, self._follow(ctx, known, loaded, values, number, report)
            report.summary[self._department(ctx, record), record.state] += 1
        elif known is None:
            record, outcome = service.create_from(ctx, self.resource, loaded), "created"
        else:
            record = known
            outcome = "updated" if service.edit_to(ctx, self.resource, known, loaded) else "unchanged"
        if self.key and values.get(self.key):
            self._existing[str(values[self.key])] = record
        report.count(outcome)

    def finish(self, _ctx: Context) -> None:
        """Nothing is left: each row is one thing, and what it refers to was made before it."""

    def _twin(self, ctx: Context, loaded: Mapping[str, Any]) -> Any:
        """Return the row that is the same by one of the table's unique constraints."""
        for constraint in self.resource.model.__table__.constraints:
            if isinstance(constraint, UniqueConstraint):
                names = [column.name for column in constraint.columns if column.name != "estate_id"]
                if all(loaded.get(name) is not None for name in names):
                    same = {name: loaded[name] for name in names}
                    return ctx.session.scalar(select(self.resource.model).filter_by(**same))
        return None

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

    def _open(
        self, ctx: Context, loaded: dict[str, Any], values: Mapping[str, Any], number: int, report: Report
    ) -> Record:
        """Open a record in the state and with the times that it has where it comes from."""
        flow = _flow_of(self.resource)
        state = loaded.pop("state", flow.initial.name)
        closed = _closing_time(flow, state, loaded.pop("closed_at", None), number, report)
        given = {name: value for name, value in loaded.items() if value is not None}
        given["extras"] = {_MEMORY: {"digest": _digest(values), "state": state}}
        logged = {"source": report.file, "row": number}
        record: Record = services.open_record(
            ctx, self.resource.model, given, state=state, event="imported", logged=logged
        )
        record.closed_at = closed
        after = self.resource.importing.after
        if after is not None and record.phase != "done":
            after(ctx, record, self._department(ctx, record))
        return record

    def _follow(
        self,
        ctx: Context,
        known: Record,
        loaded: dict[str, Any],
        values: Mapping[str, Any],
        number: int,
        report: Report,
    ) -> str:
        """Bring a known record up to date; what was done here since the last import is never undone.

        A row that says what it said the last time changes nothing, whatever happened to the record in between.
        """
        memory = known.extras.get(_MEMORY, {})
        digest = _digest(values)
        if memory.get("digest") == digest:
            return "unchanged"
        flow = _flow_of(self.resource)
        state = loaded.pop("state", known.state)
        closed = loaded.pop("closed_at", None)
        told = {name: value for name, value in loaded.items() if name not in self.resource.importing.defaults}
        told |= {name: loaded[name] for name in self.resource.importing.defaults if name in values}
        changed = service.edit_to(ctx, self.resource, known, told)
        if memory.get("state") == known.state:
            closed = _closing_time(flow, state, closed, number, report)
            changed |= _move(ctx, flow, known, state, closed, {"source": report.file, "row": number})
        elif state != known.state:
            stays = _(
                "It is “{ours}” here by now and stays so; the file says “{theirs}”.", ours=known.state, theirs=state
            )
            report.warnings.append(Remark(number, "state", stays))
            state = memory.get("state", "")
        known.extras = {**known.extras, _MEMORY: {"digest": digest, "state": state}}
        return "updated" if changed else "unchanged"

    def _department(self, ctx: Context, record: Record) -> str:
        """Return the department that the routing table names for the record's category."""
        category = getattr(record, "category", None)
        if not category:
            return record.department
        if category not in self._routes:
            self._routes[category] = route(ctx, category)
        return self._routes[category]


def _flow_of(resource: Resource) -> Flow:
    assert resource.flow is not None, "work that can be imported has a flow"
    return resource.flow


def _digest(values: Mapping[str, Any]) -> str:
    """Return what tells whether a row says the same as the last time."""
    text = orjson.dumps(dict(values), option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.blake2b(text, digest_size=12).hexdigest()


def _closing_time(flow: Flow, state: str, closed: datetime | None, number: int, report: Report) -> datetime | None:
    """Return the closing time as far as it agrees with the state, and remark where it does not."""
    done = flow.states[state].phase == "done"
    if done and closed is None:
        remark = _("It is closed, but the file does not say since when.")
        report.warnings.append(Remark(number, "closed_at", remark))
    if closed is not None and not done:
        remark = _("It is not closed, so the closing time of the file was left out.")
        report.warnings.append(Remark(number, "closed_at", remark))
    return closed if done else None


def _move(
    ctx: Context, flow: Flow, record: Record, state: str, closed: datetime | None, logged: Mapping[str, Any]
) -> bool:
    """Put a record where the file says that it is by now; what is done there is no longer asked of a department here."""
    if state == record.state:
        if record.phase != "done" or closed is None or record.closed_at == closed:
            return False
        record.closed_at = closed
        return True
    before = record.state
    if flow.states[state].phase == "done":
        withdraw(ctx, record, str(_("It was closed in the system that it comes from.")))
    services.enter(flow, record, state, ctx)
    record.closed_at = closed
    ctx.log(record, "imported", {**logged, "from": before, "to": state})
    return True


def _impossible_times(ctx: Context, loaded: Mapping[str, Any]) -> list[Fault]:
    """Return what cannot have happened like this: in the future, or closed before it was opened."""
    faults = [
        Fault(name, "", _("This lies in the future."))
        for name, value in loaded.items()
        if isinstance(value, datetime) and name != "due_at" and value > ctx.now + _GRACE
    ]
    opened, closed = loaded.get("opened_at"), loaded.get("closed_at")
    if not faults and opened and closed and closed < opened:
        faults.append(Fault("closed_at", "", _("It was closed before it was opened.")))
    return faults


def _named(faults: Sequence[Fault]) -> set[str]:
    return {fault.field for fault in faults}

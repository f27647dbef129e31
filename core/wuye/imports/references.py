"""What the names in a file mean here: places, people, departments and other things, looked up a batch at a time.

What is unknown stays an error, unless the mapping says what to make of it (`[create]`): then it is planned, and made
together with the first row that uses it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Table, select

from wuye.context import Context
from wuye.db.base import Base, table_of
from wuye.errors import Invalid, Text
from wuye.i18n import LOCALES, _, use_locale
from wuye.ids import uuid7
from wuye.imports.headers import normal_value
from wuye.imports.places import address_code, plain_text
from wuye.people.models import Department, Person
from wuye.properties.models import Property
from wuye.resources import service
from wuye.resources.declaration import Resource
from wuye.resources.schemas import load_with

_NAMES: Mapping[str, tuple[str, ...]] = {
    "core_property": ("code", "label"),
    "core_person": ("external_id", "name"),
    "core_record": ("number", "external_id"),
}
_ANY_NAMES = ("code", "external_id", "number", "label", "name")
_MODELS: Mapping[str, tuple[str, type[Any]]] = {
    "core_property": ("core.properties", Property),
    "core_person": ("core.people", Person),
    "core_department": ("core.departments", Department),
}


@cache
def _order(_known: int) -> dict[str, int]:
    """Return table → place, parents before children; anew when more tables are known than the last time."""
    return {table.name: place for place, table in enumerate(Base.metadata.sorted_tables)}


class Unresolved(Exception):
    """A name that means nothing here, or more than one thing; `reason` is for the user."""

    def __init__(self, reason: Text) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Found:
    """A person as far as telling apart needs it."""

    id: UUID
    phone: str


@dataclass(eq=False)
class References:
    """The things that one batch of rows refers to.

    `create` is the mapping's `[create]`; `source` goes on the timeline of what is made. `made` counts it by table.
    """

    ctx: Context
    create: Mapping[str, str]
    source: str
    made: Counter[str] = field(default_factory=Counter)
    _known: dict[tuple[str, str, str], list[UUID]] = field(default_factory=dict)
    _people: dict[str, list[Found]] = field(default_factory=lambda: defaultdict(list))
    _planned: dict[UUID, Any] = field(default_factory=dict)
    _staged: list[Any] = field(default_factory=list)

    def load(self, wanted: Mapping[str, Iterable[str]]) -> None:
        """Read what the texts of a batch may mean, one statement for each kind of thing (target → texts)."""
        for target, texts in wanted.items():
            table = Base.metadata.tables[table_of(target)]
            variants = {form for text in texts for form in (text, plain_text(text), address_code(text)) if text}
            if table.name == "core_department":
                self._load_departments(table)
            elif variants:
                self._load(table, sorted(variants))

    def _load(self, table: Table, variants: list[str]) -> None:
        names = names_of(table)
        person = table.name == "core_person"
        extra = [table.c.phone] if person else []
        for name in names:
            columns = [table.c.id, table.c[name], *extra]
            rows = self.ctx.session.connection().execute(select(*columns).where(table.c[name].in_(variants)))
            for row in rows:
                if person and name == "name":
                    self._people[normal_value(row[1])].append(Found(row[0], digits(row[2])))
                else:
                    self.know(table.name, name, row[1], row[0])

    def _load_departments(self, table: Table) -> None:
        """Departments are few, and their names may be known in another language than the file's."""
        rows = self.ctx.session.connection().execute(select(table.c.id, table.c.code, table.c.name))
        for row in rows:
            self.know(table.name, "code", row.code, row.id)
            for locale in LOCALES:
                with use_locale(locale):
                    shown = str(_(row.name))
                for name in {shown, f"{shown}部", f"{shown}部门"}:
                    self.know(table.name, "name", name, row.id)

    def know(self, table: str, attribute: str, text: str, identity: UUID) -> None:
        """Remember that a text names a thing."""
        ids = self._known.setdefault((table, attribute, normal_value(text)), [])
        if identity not in ids:
            ids.append(identity)

    def know_person(self, identity: UUID, name: str, phone: str | None) -> None:
        """Remember a person who was made in this batch."""
        self._people[normal_value(name)].append(Found(identity, digits(phone)))

    def find(self, target: str, field_name: str, text: str, phone: str | None = None) -> UUID:
        """Return what `text` means for a field that refers to `target`, by code before name.

        `phone` tells people of one name apart.

        Raises:
            Unresolved: it means nothing, or more than one thing, and nothing may be made of it.
        """
        table = Base.metadata.tables[table_of(target)]
        for name in names_of(table):
            if table.name == "core_person" and name == "name":
                person = self.person(text, phone)
                if person is not None:
                    return person
                continue
            ids = self._known.get((table.name, name, normal_value(text)), [])
            if len(ids) > 1:
                raise Unresolved(_("“{text}” could be {count} different things here.", text=text, count=len(ids)))
            if ids:
                return ids[0]
        return self._plan(table.name, field_name, text, phone)

    def person(self, name: str, phone: str | None) -> UUID | None:
        """Return the person of this name, and of this telephone number if one is given.

        Raises:
            Unresolved: there are several.
        """
        found = self._people.get(normal_value(name), [])
        if phone and digits(phone):
            found = [each for each in found if each.phone == digits(phone)]
        if len({each.id for each in found}) > 1:
            raise Unresolved(
                _("{count} people are named “{name}”; a telephone number or an external id tells them apart.",
                  count=len(found), name=name)
            )  # fmt: skip
        return found[0].id if found else None

    def _plan(self, table: str, field_name: str, text: str, phone: str | None) -> UUID:
        word = self.create.get(field_name)
        if word is None:
            raise Unresolved(_nothing(table, field_name, text, phone))
        identity = uuid7()
        name = plain_text(text)
        key, model = _MODELS[table]
        data: dict[str, Any]
        if table == "core_person":
            data = {"name": name, **({"phone": phone} if phone else {})}
        elif table == "core_department":
            data = {"code": name.casefold(), "name": name}
        else:
            data = {"code": address_code(text), "name": name, "kind": word}
        try:
            values = load_with(self.resource(key).instance, data)
        except Invalid as error:
            raise Unresolved(error.errors[0].reason) from error
        if table == "core_property":
            values["label"] = name
        self._planned[identity] = self.new(model, values, identity)
        if table == "core_person":
            self.know_person(identity, name, phone)
        else:
            self.know(table, "code", data["code"], identity)
            self.know(table, "code", text, identity)
        return identity

    def resource(self, key: str) -> Resource:
        """Return one of core's resources by its key (`core.people`)."""
        return self.ctx.loaded.registry.resources[key]

    def new(self, model: type[Any], values: Mapping[str, Any], identity: UUID | None = None) -> Any:
        """Return a new row of a model, not yet staged."""
        now, user = self.ctx.now, self.ctx.actor.user_id
        return model(id=identity or uuid7(), created_at=now, created_by=user, updated_at=now, **values)

    def use(self, identities: Iterable[object], row: int) -> None:
        """Stage what was planned for these identities, since a row that needs it is going to be written."""
        for identity in identities:
            planned = self._planned.pop(identity, None) if isinstance(identity, UUID) else None
            if planned is not None:
                self.stage(planned, row)
                self.made[planned.__tablename__] += 1

    def stage(self, thing: Any, row: int) -> None:
        """Have a new row written with the batch, findable and with an entry on its timeline."""
        self._staged.append(thing)
        entry = _MODELS.get(thing.__tablename__)
        if entry is not None:
            service.index(self.ctx, self.resource(entry[0]), thing)
        self.ctx.note(thing.id, thing.id, "imported", {"source": self.source, "row": row}, "staff")

    def write(self) -> None:
        """Write what was staged, parents first."""
        by_table: dict[str, list[Any]] = defaultdict(list)
        for thing in self._staged:
            by_table[thing.__tablename__].append(thing)
        self._staged = []
        order = _order(len(Base.metadata.tables))
        for name in sorted(by_table, key=order.__getitem__):
            self.ctx.session.add_all(by_table[name])
            self.ctx.session.flush()


def names_of(table: Table) -> tuple[str, ...]:
    """Return the columns by which files name the rows of a table, the strictest first."""
    return _NAMES.get(table.name) or tuple(name for name in _ANY_NAMES if name in table.c)


def digits(phone: str | None) -> str:
    """Return a telephone number as it is compared: its digits, without China's country code."""
    bare = "".join(filter(str.isdigit, phone or ""))
    return bare[2:] if len(bare) == 13 and bare.startswith("86") else bare


def _nothing(table: str, field_name: str, text: str, phone: str | None) -> Text:
    if table == "core_person":
        if phone:
            return _("Nobody named “{name}” with this telephone number is known here.", name=text)
        return _("Nobody named “{name}” is known here.", name=text)
    if table == "core_property":
        return _(
            "There is no place “{text}” in this estate; the mapping's [create] can say that it is to be made"
            ' ({field} = "address").',
            text=text,
            field=field_name,
        )
    if table == "core_department":
        return _(
            "There is no department “{text}” in this estate; the mapping's [create] can say that it is to be made"
            ' ({field} = "department").',
            text=text,
            field=field_name,
        )
    return _("There is no “{text}” in this estate.", text=text)

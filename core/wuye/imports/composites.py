"""Files whose rows are several things: homes with their owners, people with their homes, staff with their posts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from wuye.context import Context
from wuye.i18n import _
from wuye.imports.declared import words_of
from wuye.imports.mapping import Target
from wuye.imports.places import unit_codes
from wuye.imports.references import References, Unresolved, digits
from wuye.imports.report import Fault, Report
from wuye.imports.rows import Importer, Refused
from wuye.imports.words import PERSON_SYNONYMS, PROPERTY_SYNONYMS, PROPERTY_WORDS, RELATION_WORDS, STAFF_SYNONYMS
from wuye.people.models import Occupancy, Person, Staff
from wuye.people.schemas import OccupancySchema
from wuye.properties.models import Property
from wuye.resources import service
from wuye.resources.declaration import Resource
from wuye.resources.schemas import load_with

#: What people are known again by, and the columns that it comes from.
_CALLED = {"name": ("name", "person"), "external_id": ("external_id",)}
_PARTS = ("building", "entrance", "room")
#: What building, entrance and room are in the tree.
_LEVELS = ("building", "floor", "unit")


def _targets(synonyms: Mapping[str, Sequence[str]], required: Sequence[str], kinds: Mapping[str, str]) -> list[Target]:
    return [
        Target(name, tuple(names), name in required, kinds.get(name, "text"))  # type: ignore[arg-type]  # one of the kinds
        for name, names in synonyms.items()
    ]


def _spread(words: Mapping[str, Mapping[str, Sequence[str]]]) -> dict[str, dict[str, str]]:
    return {
        name: {text.casefold(): word for word, texts in choices.items() for text in (word, *texts)}
        for name, choices in words.items()
    }


@dataclass
class _Composite:
    """What the importers here share: finding or making people and places, and counting a row once."""

    resource: Resource
    targets: list[Target] = field(default_factory=list)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None  # a home has several owners, a person several homes
    _places: dict[str, Property | None] = field(default_factory=dict)
    _people: dict[tuple[str, str], list[Person]] = field(default_factory=dict)
    _relations: dict[UUID, set[tuple[UUID, str]]] = field(default_factory=dict)
    _occupancies: list[dict[str, Any]] = field(default_factory=list)

    def load(self, ctx: Context, _references: References, rows: Sequence[Mapping[str, Any]]) -> None:
        """Read the places and people that a batch of rows names, and who lives where; what is made is added to them."""
        codes = {code for values in rows for code in _codes(values)}
        self._places = dict.fromkeys(codes)
        for place in ctx.session.scalars(select(Property).where(Property.code.in_(codes))):
            self._places[place.code] = place
        self._people = {}
        for attribute, columns in _CALLED.items():
            texts = {str(values[name]) for values in rows for name in columns if values.get(name)}
            self._people |= {(attribute, text): [] for text in texts}
            called = select(Person).where(getattr(Person, attribute).in_(texts)).order_by(Person.id)
            for person in ctx.session.scalars(called):
                self._people[attribute, getattr(person, attribute)].append(person)
        self._relations = {person.id: set() for people in self._people.values() for person in people}
        for row in ctx.session.scalars(select(Occupancy).where(Occupancy.person_id.in_(self._relations))):
            self._relations[row.person_id].add((row.property_id, row.relation))
        self._occupancies = []

    def finish(self, ctx: Context) -> None:
        """Write who lives where, once the people and places are written."""
        ctx.session.flush()
        for loaded in self._occupancies:
            service.create_from(ctx, ctx.loaded.registry.resources["core.occupancies"], loaded)

    def _place_of(self, ctx: Context, code: str) -> Property | None:
        """Return the place with a code."""
        if code not in self._places:
            self._places[code] = ctx.session.scalar(select(Property).where(Property.code == code))
        return self._places[code]

    def _place_called(self, ctx: Context, text: str) -> Property | None:
        """Return the place with a code, or else with a label."""
        place = self._place_of(ctx, text)
        if place is None:
            ctx.session.flush()
            place = ctx.session.scalar(select(Property).where(Property.label == text))
        return place

    def _people_called(self, ctx: Context, attribute: str, text: str) -> list[Person]:
        """Return the people with a name or an external id; to be added to when one is made."""
        if (attribute, text) not in self._people:
            rows = select(Person).where(getattr(Person, attribute) == text)
            self._people[attribute, text] = list(ctx.session.scalars(rows))
        return self._people[attribute, text]

    def _person(
        self, ctx: Context, values: Mapping[str, Any], name: str, report: Report, *, main: bool
    ) -> tuple[Person, bool | None]:
        """Return the person of a row: made (True), changed (False) or as it was (None)."""
        resource = ctx.loaded.registry.resources["core.people"]
        data = {"name": name}
        data.update({key: str(values[key]) for key in ("phone", "email", "external_id", "note") if values.get(key)})
        loaded = load_with(resource.instance, data)
        called = {each: self._people_called(ctx, each, loaded[each]) for each in _CALLED if loaded.get(each)}
        found = called.get("external_id", called["name"])
        if data.get("phone") and "external_id" not in called:
            found = [each for each in found if not each.phone or digits(each.phone) == digits(data["phone"])]
        if len(found) > 1:
            reason = _(
                "{count} people are named “{name}”; a telephone number or an external id tells them apart.",
                count=len(found),
                name=name,
            )
            raise Refused([Fault("name" if main else "person", "", reason)])
        if found:
            return found[0], False if service.edit_to(ctx, resource, found[0], loaded) else None
        person = service.create_from(ctx, resource, loaded)
        for people in called.values():
            people.append(person)
        self._relations[person.id] = set()
        if not main:
            report.made["core_person"] += 1
        return person, True

    def _home(self, ctx: Context, values: Mapping[str, Any]) -> Property | None:
        """Return the home that a row names, None if it names none.

        Raises:
            Refused: there is no such home.
        """
        code = str(values.get("place") or "")
        if values.get("room"):
            code = unit_codes(*(str(values.get(part, "")) for part in _PARTS))[-1]
        if not code:
            return None
        home = self._place_called(ctx, code)
        if home is None:
            raise Refused([Fault("room", "", _("There is no “{text}” in this estate.", text=code))])
        return home

    def _relations_of(self, ctx: Context, person: Person) -> set[tuple[UUID, str]]:
        """Return where a person lives or owns, and as what."""
        if person.id not in self._relations:
            rows = select(Occupancy.property_id, Occupancy.relation).where(Occupancy.person_id == person.id)
            self._relations[person.id] = {(row[0], row[1]) for row in ctx.session.execute(rows)}
        return self._relations[person.id]

    def _occupancy(self, ctx: Context, person: Person, home: Property, values: Mapping[str, Any]) -> bool:
        """Note that a person lives or owns here; return whether that is news."""
        relation = values.get("relation") or "owner"
        relations = self._relations_of(ctx, person)
        if (home.id, relation) in relations:
            return False
        today = ctx.now.astimezone(ctx.estate.tzinfo).date()
        data = {
            "person": str(person.id),
            "property": str(home.id),
            "relation": relation,
            "since": _day(ctx, values.get("since")) or today.isoformat(),
            "until": _day(ctx, values.get("until")),
        }
        loaded = load_with(OccupancySchema(), data)
        if loaded["until"] is not None and loaded["until"] < loaded["since"]:
            raise Refused([Fault("until", "", _("This lies before the beginning ({since}).", since=data["since"]))])
        relations.add((home.id, relation))
        self._occupancies.append(loaded)
        return True


def _codes(values: Mapping[str, Any]) -> list[str]:
    """Return the codes of the places that a row names, by parts or as a whole."""
    parts = unit_codes(*(str(values.get(part) or "") for part in _PARTS))
    return [*parts, *(str(values[name]) for name in ("code", "parent", "place") if values.get(name))]


def _day(ctx: Context, value: Any) -> str | None:
    if isinstance(value, datetime):
        return value.astimezone(ctx.estate.tzinfo).date().isoformat()
    return str(value) if value else None


def _outcome(made: bool | None, *news: bool) -> str:
    if made:
        return "created"
    return "updated" if made is False or any(news) else "unchanged"


class HomeImporter(_Composite):
    """Rows of 楼栋, 单元, 房号, 面积, 业主, 手机: the tree down to the home, and who owns it."""

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource, others={"person": "core.people"})
        kinds = {"area_m2": "number", "kind": "choice", "relation": "choice", "since": "date", "until": "date"}
        self.targets = _targets(PROPERTY_SYNONYMS, (), kinds)
        self.words = {**words_of(resource, resource.instance), **_spread(RELATION_WORDS)}
        for name, words in _spread(PROPERTY_WORDS).items():
            self.words = {**self.words, name: {**self.words.get(name, {}), **words}}

    def write(
        self, ctx: Context, _references: References, _number: int, values: dict[str, Any], report: Report
    ) -> None:
        """Make or find the home, then its owner."""
        name = str(values.get("person") or "")
        if name:
            people = ctx.loaded.registry.resources["core.people"].instance
            phone = {"phone": str(values["phone"])} if values.get("phone") else {}
            load_with(people, {"name": name, **phone})  # before anything is written
        home, made = self._place(ctx, values, report)
        news = False
        if name:
            person, _made = self._person(ctx, {"phone": values.get("phone")}, name, report, main=False)
            news = self._occupancy(ctx, person, home, values)
        report.count(_outcome(made, news))

    def _place(self, ctx: Context, values: Mapping[str, Any], report: Report) -> tuple[Property, bool | None]:
        parts = [str(values.get(part) or "") for part in _PARTS]
        if values.get("code"):
            codes = [str(values["code"])]
            kinds: tuple[str, ...] = (str(values.get("kind") or "unit"),)
        elif any(parts):
            codes = unit_codes(*parts)
            kinds = tuple(kind for part, kind in zip(parts, _LEVELS, strict=True) if part)
        else:
            raise Refused([Fault("room", "", _("Neither a code nor building and room say which place this is."))])
        area = {"area_m2": str(values["area_m2"])} if values.get("area_m2") not in (None, "") else {}
        names = [part for part in parts if part] if not values.get("code") else [str(values.get("name") or codes[0])]
        data = [
            {"code": code, "kind": kind, "name": name} for code, kind, name in zip(codes, kinds, names, strict=True)
        ]
        data[-1].update(area)
        loaded = [load_with(self.resource.instance, each) for each in data]
        parent = self._parent(ctx, values)
        made: bool | None = None
        for place, each in enumerate(loaded):
            last = place == len(loaded) - 1
            row = self._place_of(ctx, each["code"])
            if row is None:
                if parent in ctx.session.new:
                    ctx.session.flush()
                row = service.create_from(ctx, self.resource, {**each, "parent_id": parent.id if parent else None})
                self._places[row.code] = row
                if last:
                    made = True
                else:
                    report.made["core_property"] += 1
            elif last and area:
                made = False if service.edit_to(ctx, self.resource, row, {"area_m2": each["area_m2"]}) else None
            parent = row
        assert parent is not None, "there is at least one level"
        return parent, made

    def _parent(self, ctx: Context, values: Mapping[str, Any]) -> Property | None:
        code = str(values.get("parent") or "")
        if not code:
            return None
        parent = self._place_called(ctx, code)
        if parent is None:
            raise Refused([Fault("parent", "", _("There is no “{text}” in this estate.", text=code))])
        return parent


class PersonImporter(_Composite):
    """Rows of 姓名, 手机, 房号, 关系: a person, and the home they live in."""

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource)
        kinds = {"relation": "choice", "since": "date", "until": "date"}
        self.targets = _targets(PERSON_SYNONYMS, ("name",), kinds)
        self.words = _spread(RELATION_WORDS)

    def write(
        self, ctx: Context, _references: References, _number: int, values: dict[str, Any], report: Report
    ) -> None:
        """Make or find the person, then note where they live."""
        home = self._home(ctx, values)
        if values.get("relation") and values["relation"] not in RELATION_WORDS["relation"]:
            choices = ", ".join(RELATION_WORDS["relation"])
            raise Refused([Fault("relation", "", _("Use one of: {choices}.", choices=choices))])
        person, made = self._person(ctx, values, str(values.get("name") or ""), report, main=True)
        news = self._occupancy(ctx, person, home, values) if home is not None else False
        report.count(_outcome(made, news))


class StaffImporter(_Composite):
    """Rows of 姓名, 部门, 岗位, 手机, 工号: a person and their post."""

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource)
        self.targets = _targets(STAFF_SYNONYMS, ("name", "department"), {"on_duty": "choice"})
        self.targets = [
            replace(target, kind="reference", creates=("department",)) if target.name == "department" else target
            for target in self.targets
        ]
        self.words = words_of(resource, resource.instance)

    def write(self, ctx: Context, references: References, _number: int, values: dict[str, Any], report: Report) -> None:
        """Make or find the person, then the post."""
        references.load({"department": [str(values.get("department") or "")]})
        try:
            department = references.find("department", "department", str(values.get("department") or ""))
        except Unresolved as error:
            raise Refused([Fault("department", "", error.reason)]) from error
        references.use([department], _number)
        references.write()
        person, _made = self._person(ctx, values, str(values.get("name") or ""), report, main=False)
        ctx.session.flush()
        data = {name: str(values[name]) for name in ("post", "employee_number") if values.get(name)}
        loaded = load_with(
            self.resource.instance,
            {**data, "person": str(person.id), "department": str(department), "on_duty": values.get("on_duty", "true")},
        )
        known = ctx.session.scalar(select(Staff).where(Staff.person_id == person.id, Staff.department_id == department))
        if known is None:
            service.create_from(ctx, self.resource, loaded)
            ctx.session.flush()
            report.count("created")
        else:
            report.count("updated" if service.edit_to(ctx, self.resource, known, loaded) else "unchanged")


COMPOSITES: Mapping[str, Callable[[Resource], Importer]] = {
    "core.properties": HomeImporter,
    "core.people": PersonImporter,
    "core.staff": StaffImporter,
}

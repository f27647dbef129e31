"""The declaration of a resource: one object from which list, detail, API, search, import and export are made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson
from sqlalchemy import ColumnElement

from wuye.db.session import EstateSession
from wuye.errors import Text
from wuye.i18n import _
from wuye.records import search
from wuye.records.flow import SYSTEM, Flow
from wuye.records.models import Record
from wuye.resources import checks, fields
from wuye.resources.schemas import RecordSchema, ScopedSchema

if TYPE_CHECKING:
    from wuye.context import Context
    from wuye.plugins.registry import Registry

Create = Callable[["Context", Mapping[str, Any]], Any]
Edit = Callable[["Context", Any, Mapping[str, Any]], Any]
Visible = Callable[["Context"], "ColumnElement[bool] | None"]


def plain(value: Any) -> Any:
    """Return a value as JSON can carry it and the timeline's chain can repeat it."""
    return orjson.loads(orjson.dumps(value, default=str))


@dataclass(frozen=True)
class Importing:
    """What an import needs to know of a resource besides its schema.

    `words` are the names that files have for the words of a choice: field → word → names, in any language. `defaults`
    fill fields for which a file has nothing; a mapping's own `[defaults]` win. `after(ctx, record, department)` is called
    for every record that came in and is not done, with the department that the routing table names for its category.
    """

    words: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    after: "Callable[[Context, Any, str], None] | None" = None


def arguments_of(text: str) -> dict[str, list[str]]:
    """Return the parameters of an address's query as lists of values."""
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=False):
        found.setdefault(name, []).append(value)
    return found


@dataclass(frozen=True, slots=True)
class View:
    """A named query that a resource offers: `query` is written as in a list's address (`filter[phase]=!done`)."""

    name: str
    label: Text
    query: str

    @property
    def arguments(self) -> dict[str, list[str]]:
        """The query as parsed parameters."""
        return arguments_of(self.query)


#: What every list of work can be narrowed and ordered by, and is searched in; a declaration adds to it.
WORK_FILTERS = ("state", "phase", "priority", "place", "assignee", "requester", "due_at", "opened_at")
WORK_SORTS = ("-opened_at", "due_at")
WORK_SEARCH = ("number", "title", "text", "external_id")

#: What a list of work shows after what is the kind's own.
_WORK_COLUMNS = ("state", "priority", "place", "assignee", "opened_at", "due_at")

#: What every list of work offers.
WORK_VIEWS = (
    View("open", _("Open"), "filter[phase]=!done"),
    View("mine", _("Mine"), "filter[phase]=!done&filter[assignee]=me"),
    View("unassigned", _("Unassigned"), "filter[phase]=!done&filter[assignee]=null"),
    View("overdue", _("Overdue"), "filter[phase]=!done&filter[due_at]=..now&sort=due_at"),
    View("all", _("All"), ""),
)


@dataclass(frozen=True, slots=True)
class Portal:
    """What residents can make of a resource themselves, on their own pages or by the code that hangs at a place.

    `fields` are those of their form: the first is a choice, shown as large tiles. `member` and `guest` are what is filled in
    for somebody signed in, and for somebody who only scanned a place's code. `guests(ctx)` tells whether this estate takes
    reports from those without an account at all.
    """

    fields: Sequence[str]
    member: Mapping[str, Any] = field(default_factory=dict)
    guest: Mapping[str, Any] = field(default_factory=dict)
    guests: "Callable[[Context], bool]" = lambda _ctx: True


@dataclass(frozen=True, slots=True)
class Found:
    """What people at work can make of a resource when they find something on their way, on the phone pages.

    `fields` are those of their form (a choice that comes first is shown as large tiles), `preset` is what is filled in for
    them, and `then` an action that is taken at once, so that nobody has to.
    """

    fields: Sequence[str]
    preset: Mapping[str, Any] = field(default_factory=dict)
    then: str | None = None


@dataclass(frozen=True)
class Look:
    """How pages show a resource; all of it can be left out.

    `label` is the heading of its list, `create` what the button says that makes a new one. `icon` is a name from the icon
    set, the plugin's own by default; `icons` chooses another by a choice field: (field, value → icon). `meta` are the
    fields under a list item's title, `facts` the fields of the detail, `form` those of the form, in this order. `preset`
    is what forms of a new one hold at first, and `then` an action that can be taken with the same click as it is saved.
    `views` are the tabs over the list, the first one is shown first. With `menu` False it is no entry of the
    navigation. With `portal` residents make it on their own pages, with `found` people at work on the phone pages.
    `scan` is the field that stands on a thing's label: who scans it comes to the thing's `place`, or to the thing if
    that has none.
    """

    label: Text | None = None
    create: Text | None = None
    icon: str | None = None
    icons: tuple[str, Mapping[str, str]] | None = None
    meta: Sequence[str] = ()
    facts: Sequence[str] = ()
    form: Sequence[str] = ()
    preset: Mapping[str, Any] = field(default_factory=dict)
    then: str | None = None
    views: Sequence[View] = ()
    menu: bool = True
    portal: Portal | None = None
    found: Found | None = None
    scan: str | None = None


@dataclass(eq=False)
class Resource:
    """A model that is offered to people and programs.

    `name` is the last part of its URL. `columns` are the fields that a list shows unless `fields=` asks for others;
    `filters` and `sort` what it may be narrowed and ordered by (`sort` begins with the default, `-` for descending);
    `search` the model attributes that `q=` looks through (those that are shown masked only as a whole,
    unless the reader may reveal them). `read`, `read_own`, `create` and `update` name permissions,
    the plugin's own by default; `read_own` lets people see what they asked for, do, or wrote. None means: not offered.
    `comment` are the permissions of which one is needed to comment on a thing that one sees, and to attach files to it; by
    default all those by which something can be done there (create, update, the flow's actions), so that who may only read
    does only that. None lets nobody.
    `on_create` and `on_edit` replace the default service; `visible` replaces the rule of who sees which rows. An
    import takes the resource unless `importable` is False; `synonyms` are the headers that it knows for each field,
    and `importing` what else it needs to know. `look` says how pages show it.
    """

    name: str
    model: type[Any]
    schema: type[ScopedSchema]
    flow: Flow | None = None
    columns: Sequence[str] = ()
    filters: Sequence[str] = ()
    sort: Sequence[str] = ("-opened_at",)
    search: Sequence[str] = WORK_SEARCH
    read: str | None = "read"
    read_own: str | None = "read_own"
    create: str | None = "create"
    update: str | None = "update"
    comment: Sequence[str] | None = ()
    on_create: Create | None = None
    on_edit: Edit | None = None
    visible: Visible | None = None
    importable: bool = True
    synonyms: Mapping[str, Sequence[str]] = field(default_factory=dict)
    importing: Importing = field(default_factory=Importing)
    look: Look = field(default_factory=Look)
    plugin: str = field(default="", init=False)

    @property
    def key(self) -> str:
        """The name that no other resource has: `maintenance.work-orders`."""
        return f"{self.plugin}.{self.name}"

    @cached_property
    def is_record(self) -> bool:
        """Whether the model is a kind of work, with a timeline and a number."""
        return issubclass(self.model, Record)

    @cached_property
    def kind(self) -> str | None:
        """The record kind of the model; None for what is not work (properties, people) and for all kinds at once."""
        return self.model.record_kind() if self.is_record and self.model is not Record else None

    @property
    def search_kind(self) -> str:
        """The kind under which the model's rows stand in the search index."""
        return self.kind or str(self.model.__tablename__)

    @cached_property
    def views(self) -> Sequence[View]:
        """The tabs over its list: declared ones, those of all work, or none."""
        if self.look.views or not self.is_record:
            return self.look.views
        return WORK_VIEWS

    @cached_property
    def instance(self) -> ScopedSchema:
        """The schema, instantiated once."""
        return self.schema()

    @cached_property
    def attributes(self) -> dict[str, str]:
        """Field name → model attribute, for every field that can be shown."""
        return {name: item.attribute or name for name, item in self.instance.dump_fields.items()}

    @cached_property
    def references(self) -> dict[str, str]:
        """Field name → target, for every reference that can be shown."""
        return {
            name: item.target for name, item in self.instance.dump_fields.items() if isinstance(item, fields.Reference)
        }

    @cached_property
    def masked_attributes(self) -> frozenset[str]:
        """The model attributes that hold personal data and are shown masked."""
        dump = self.instance.dump_fields
        return frozenset(
            attribute
            for name, attribute in self.attributes.items()
            if isinstance(dump[name], fields.Phone | fields.Email)
        )

    def index(self, session: EstateSession, row: Any) -> None:
        """Make a row findable by what the declaration says; by what is shown masked only as far as that may be revealed."""
        found_by = {name: getattr(row, name) for name in self.search if hasattr(row, name)}
        masked = [found_by.pop(name) for name in list(found_by) if name in self.masked_attributes]
        name = None if self.is_record else getattr(row, "name", None)
        search.index(session, self.search_kind, row.id, found_by.values(), name=name, masked=masked)

    def changes(self, row: Any, values: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Return attribute → [old, new] as the timeline keeps it: plain JSON, personal data masked."""
        shown = {name: fields.masked if name in self.masked_attributes else plain for name in values}
        return {name: [shown[name](getattr(row, name)), shown[name](value)] for name, value in values.items()}

    def _permissions(self, plugin: str) -> set[str]:
        """Work out who may comment, and return all permissions that are named."""
        acting = {name for name in (self.create, self.update) if name}
        if self.flow:
            acting |= {t.permission for t in self.flow.transitions.values()} - {SYSTEM}
        if self.comment is not None:
            said = [name if "." in name else f"{plugin}.{name}" for name in self.comment]
            self.comment = tuple(said or sorted(acting))
        return acting | {name for name in (self.read, self.read_own, *(self.comment or ())) if name}

    def bind(self, plugin: str, registry: "Registry") -> str:
        """Take the plugin's name and check the declaration against the schema, the model and the manifest.

        Raises:
            ValueError: something is named that does not exist; all that is wrong is said.
        """
        self.plugin = plugin
        for slot in ("read", "read_own", "create", "update"):
            name = getattr(self, slot)
            if name is not None and "." not in name:
                full: str | None = f"{plugin}.{name}"
                if slot == "read_own" and full not in registry.permissions:
                    full = None
                setattr(self, slot, full)
        if self.flow:
            self.flow = self.flow.of(plugin)
        named = self._permissions(plugin)
        shown = self.attributes
        if self.is_record:
            self.filters = tuple(dict.fromkeys((*self.filters, *WORK_FILTERS)))
            self.sort = tuple(dict.fromkeys((*self.sort, *WORK_SORTS)))
        elif self.search == WORK_SEARCH:
            self.search = ()
        checks.check(self, registry, named)
        if not self.columns:
            own = [name for name in shown if name not in RecordSchema().fields]
            self.columns = ("number", "title", *own, *_WORK_COLUMNS) if self.is_record else tuple(shown)
        return self.key

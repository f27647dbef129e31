"""Templates, what they may call, and the frame around every page of an estate."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

from flask import Response, g, request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from wuye import labels
from wuye.db.base import table_of
from wuye.errors import Text
from wuye.i18n import LazyText, _, current_locale
from wuye.pages import items, times, toasts
from wuye.pages.access import Visit
from wuye.pages.assets import url_of
from wuye.pages.values import cell, shown
from wuye.records.flow import Transition
from wuye.resources.declaration import Resource
from wuye.resources.schemas import input_schema
from wuye.web.access import installation

#: How a page's text is sent; nothing inline runs, nothing comes from elsewhere, nobody frames it.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; font-src 'self';"
    " worker-src 'self'; manifest-src 'self'; media-src 'self' blob:;"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none';"
    " report-uri /csp-report"
)
THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the navigation; `count` is a function, since all counts of a page are asked for together."""

    label: Text
    icon: str
    url: str
    count: Any = None
    current: bool = False


@cache
def environment() -> Environment:
    """Return the templates of core; what they print is escaped, what they do not know is an error."""
    made = Environment(
        loader=PackageLoader("wuye.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters["trans"] = lambda text: str(LazyText(text, {}))
    made.globals.update(_=_, icon=icon, asset=url_of, languages=LANGUAGES)
    return made


LANGUAGES = (("zh_Hans", "中文", "zh-CN"), ("en", "English", "en"))


@cache
def icon(name: str, size: str = "") -> Markup:
    """Return an icon that says nothing to a screen reader: its word stands beside it."""
    return Markup('<svg class="i {}" aria-hidden="true"><use href="{}#{}"/></svg>').format(
        size, url_of("icons.svg"), name
    )


def respond(text: str, status: int = 200) -> Response:
    """Return a page's text as an answer that no cache keeps."""
    response = Response(text, status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["Permissions-Policy"] = "camera=(self), geolocation=(self), microphone=()"
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Cookie, Accept-Language"
    return response


def plain(template: str, status: int = 200, **values: Any) -> Response:
    """Return a page outside any estate: the sign-in, an error."""
    return respond(environment().get_template(template).render(**surroundings(), **values), status)


def secretly(response: Response) -> Response:
    """Return a page whose address is a secret: no other site is told where somebody came from.

    With `no-referrer` browsers would send `Origin: null` along with its own form, which is refused.
    """
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def surroundings() -> dict[str, Any]:
    """Return what every template knows: language, theme, address."""
    theme = request.cookies.get("theme", "auto")
    return {
        "lang": {"zh_Hans": "zh-CN"}.get(current_locale(), "en"),
        "locale": current_locale(),
        "theme": theme if theme in THEMES else "auto",
        "path": request.full_path.rstrip("?"),
        "request_id": g.get("request_id"),
        "demo": installation().settings.demo,
    }


def framed(visit: Visit, template: str, status: int = 200, **values: Any) -> Response:
    """Return a page of an estate with the frame around it: navigation, search, who is signed in."""
    ctx = visit.ctx
    frame = {
        "visit": visit,
        "ctx": ctx,
        "estate": ctx.estate,
        "me": ctx.actor,
        "navigation": list(_navigation(visit)),
        "token": visit.token,
        "see": Showing(visit),
        "toast": toasts.carried(visit) if request.method == "GET" else None,
    }
    if request.headers.get("X-Part"):
        values["part"] = request.headers["X-Part"]
    return respond(
        environment().get_template(template).render(**{"part": None, **surroundings(), **frame, **values}), status
    )


def bare(visit: Visit, template: str, status: int = 200, **values: Any) -> Response:
    """Return a page of an estate without the office's frame: for residents, and for work with a phone in the hand."""
    given = {"visit": visit, "ctx": visit.ctx, "estate": visit.ctx.estate, "see": Showing(visit), "token": visit.token}
    text = environment().get_template(template).render(**surroundings(), **given, key=str(uuid4()), **values)
    return respond(text, status)


def _navigation(visit: Visit) -> Iterator[tuple[Text | None, list[Entry]]]:
    """Yield the groups of the navigation: one's own, the departments, the records, the office."""
    ctx, registry = visit.ctx, visit.ctx.loaded.registry
    here = request.path

    def entry(label: Text, icon_name: str, url: str, count: Any = None) -> Entry:
        current = here == url or (url != visit.url() and here.startswith(f"{url}/"))
        return Entry(label, icon_name, url, count, current)

    own = [entry(_("My desk"), "home", visit.url())]
    if ctx.may("core.read_records"):
        own.append(entry(_("Overview"), "chart", visit.url("overview")))
    if ctx.may("core.coordinate"):
        own.append(entry(_("Coordination"), "swap", visit.url("coordination")))
    yield None, own
    departments, records = [], []
    seen: set[str] = set()
    for resource in registry.resources.values():
        if not resource.look.menu or not visit.readable(resource):
            continue
        manifest = registry.manifests[resource.plugin]
        icon_name = resource.look.icon or manifest.icon
        if resource.kind and resource.plugin != "core":
            first = resource.plugin not in seen
            seen.add(resource.plugin)
            label = LazyText(manifest.label, {}) if first else labels.resource_label(resource)
            count = visit.count(resource, resource.views[0].arguments) if resource.views else None
            departments.append(entry(label, icon_name, visit.url_of(resource), count))
        elif not resource.is_record:
            records.append(entry(labels.resource_label(resource), icon_name, visit.url_of(resource)))
    if departments:
        yield _("Departments"), departments
    if records:
        yield _("Records"), records


_DUE = Markup('<span class="sla {}">{}{}</span>')


def _flag(priority: str) -> Markup:
    if priority == "emergency":
        return Markup('<span class="tag bad">{}</span>').format(_("Emergency"))
    return Markup('<span class="tag none red">{}</span>').format(_("Urgent")) if priority == "urgent" else Markup()


#: The fields that a thing is called by.
_NAMES = ("number", "name", "label", "code")


class Showing:
    """How values are shown in the visitor's language and the estate's zone; templates call it `see`."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.ctx = visit.ctx
        self.registry = visit.ctx.loaded.registry
        self._states: dict[tuple[str, str], tuple[str, Text]] = {}
        self._tags: dict[tuple[str, str], Markup] = {}
        self._flags: dict[str, Markup] = {}
        self._avatars: dict[str | None, Markup] = {}
        self._pens: dict[str, tuple[str, str, str]] = {}
        self._pages: dict[str, str | None] = {}

    def page_of(self, target: str) -> str | None:
        """The address below which what a reference means has its pages; None if it has none, or the visitor sees none."""
        if target not in self._pages:
            table = table_of(target)
            found = next((r for r in self.registry.resources.values() if r.model.__tablename__ == table), None)
            seen = found is not None and target != "record" and self.visit.readable(found)
            self._pages[target] = self.visit.url_of(found) if found is not None and seen else None
        return self._pages[target]

    def ago(self, at: Any) -> Text:
        """How long ago."""
        return times.ago(at, self.ctx.now)

    def left(self, due: Any) -> times.Left | None:
        """How a deadline stands."""
        return times.left(due, self.ctx.now)

    def moment(self, at: Any) -> str:
        """A time in full."""
        return times.moment(self.ctx.estate, at)

    def short(self, at: Any) -> str:
        """A time as short as it is clear."""
        return times.short(self.ctx.estate, at, self.ctx.now)

    def word(self, name: Any) -> Text:
        """A word of a choice."""
        return labels.worded(str(name))

    def department(self, code: str) -> Text:
        """A department's name."""
        return labels.department_label(self.registry, code)

    def icon(self, resource: Resource | None, row: Mapping[str, Any]) -> Markup:
        """The icon of a thing: by the field that its resource names, else the resource's or its department's own."""
        resource = resource or self.registry.resource_of_kind(row["kind"])
        if resource is None:
            return icon("box")
        by, icons = resource.look.icons or ("", {})
        return icon(icons.get(str(row.get(by))) or resource.look.icon or self.registry.manifests[resource.plugin].icon)

    def items(
        self, rows: Iterable[Mapping[str, Any]], resource: Resource | None = None, query: str = ""
    ) -> Iterator[items.Item]:
        """Pieces of work as the items of a list, of one resource or of all departments."""
        return items.prepared(self, rows, resource, query)

    def flag(self, priority: str) -> Markup:
        """The sign of what is more than ordinarily urgent."""
        if priority not in self._flags:
            self._flags[priority] = _flag(priority)
        return self._flags[priority]

    def deadline(self, row: Mapping[str, Any]) -> Markup:
        """How a piece of work stands in time: done, late, near, or what is left."""
        if row["phase"] == "done":
            return _DUE.format("", icon("ok", "s"), _("Done"))
        left = self.left(row["due_at"])
        if left is None:
            return Markup()
        return _DUE.format(left.kind, icon("alert" if left.kind == "late" else "clock", "s"), left.text)

    def category(self, code: str) -> Text:
        """A category's name."""
        return labels.category_label(code)

    def role(self, role: str) -> Text:
        """A role's name."""
        return labels.role_label(self.registry, role)

    def kind(self, kind: str) -> Text:
        """What a kind of work is called."""
        resource = self.registry.resource_of_kind(kind)
        return labels.resource_label(resource) if resource else labels.worded(kind.partition(".")[2])

    def address(self, kind: str, identity: object) -> str | None:
        """The page of a record of any kind; None if its plugin is off or gone."""
        resource = self.registry.resource_of_kind(kind)
        if resource is None or resource.plugin not in self.ctx.plugins:
            return None
        return self.visit.url_of(resource, identity)

    def value(self, resource: Resource, name: str, value: Any) -> Any:
        """A field's value as text, or as a link to what it refers to."""
        return shown(self, resource.instance.dump_fields[name], value)

    def label(self, resource: Resource, name: str) -> Text:
        """What a field is called."""
        return labels.field_label(name, resource.instance.fields[name])

    def pen(self, resource: Resource, row: Mapping[str, Any], name: str) -> Markup:
        """The way to change one field where it stands; a table has hundreds, so that most of it is drawn once."""
        if name not in self._pens:
            said = str(_("Edit {field}: {thing}", field=self.label(resource, name), thing="\0"))
            before, _place, after = str(escape(said)).partition(str(escape("\0")))
            start = f'<a class="ib mini pen" href="{escape(self.visit.url_of(resource))}/'
            middle = f'/edit?only={escape(name)}">{icon("pen", "s")}<span class="sr">{before}'
            self._pens[name] = start, middle, f"{after}</span></a>"
        start, middle, end = self._pens[name]
        return Markup(f"{start}{row['id']}{middle}{escape(self.name(resource, row))}{end}")  # noqa: S704 (all is escaped)

    def cell(
        self, resource: Resource, row: Mapping[str, Any], name: str, part: str, *, editable: bool = False
    ) -> Markup:
        """A field's value where it stands, with the way to change it."""
        return cell(self, resource, row, name, part, editable=editable)

    def name(self, resource: Resource, row: Mapping[str, Any]) -> str:
        """What a thing is called: its number or name, or the first two columns of what has none."""
        for each in _NAMES:
            if row.get(each):
                return str(row[each])
        values = [(each, row[each]) for each in resource.columns[:2] if row.get(each)]
        return " · ".join(str(v["label"] if isinstance(v, Mapping) else self.value(resource, n, v)) for n, v in values)

    def state(self, kind: str, state: str, phase: str) -> tuple[str, Text]:
        """How a state is drawn, and what it is called."""
        if (kind, state) not in self._states:
            self._states[kind, state] = self._state(kind, state, phase)
        return self._states[kind, state]

    def tag(self, kind: str, state: str, phase: str) -> Markup:
        """The sign of a state with its name, drawn once for a page."""
        if (kind, state) not in self._tags:
            self._tags[kind, state] = Markup('<span class="tag {}">{}</span>').format(*self.state(kind, state, phase))
        return self._tags[kind, state]

    def _state(self, kind: str, state: str, phase: str) -> tuple[str, Text]:
        resource = self.registry.resource_of_kind(kind)
        known = resource.flow.states.get(state) if resource and resource.flow else None
        if known is None:
            return {"open": "new", "active": "run", "waiting": "wait"}.get(phase, "done"), labels.worded(state)
        return known.shape, str(known.label)

    def heading(self, resource: Resource) -> Text:
        """The heading of a resource's list."""
        return labels.resource_label(resource)

    def resource(self, kind: str) -> Resource | None:
        """The resource of a kind of work; None if its plugin is off or gone."""
        found = self.registry.resource_of_kind(kind)
        return found if found is not None and found.plugin in self.ctx.plugins else None

    def wants(self, step: Transition) -> bool:
        """Whether an action asks for something before it is taken."""
        return bool(input_schema(step).fields)

    def avatar(self, person: Mapping[str, Any] | None) -> Markup:
        """Somebody's round sign; says so if nobody is meant."""
        name = person["label"] if person else None
        if name not in self._avatars:
            self._avatars[name] = self._avatar(name)
        return self._avatars[name]

    def initial(self, name: str | None) -> str:
        """The letters of somebody's round sign."""
        words = (name or "").split()
        if not words:
            return "?"
        return words[0][0] if not words[0].isascii() or len(words) == 1 else f"{words[0][0]}{words[-1][0]}"

    def tint(self, name: str | None) -> str:
        """The colour of somebody's round sign: the same one for the same name."""
        return ("", "blue", "violet", "amber")[sum(map(ord, name or "")) % 4]

    def _avatar(self, name: str | None) -> Markup:
        if not name:
            return Markup('<span class="sm muted">{}</span>').format(_("unassigned"))
        return Markup(
            '<span class="av s {tint}" title="{name}" aria-hidden="true">{initial}</span><span class="sr">{name}</span>'
        ).format(tint=self.tint(name), name=name, initial=self.initial(name))

"""Every page that the application has, with the parameters that it takes: what `bench/office.py` asks for.

The URL map is the list; here is what stands in its places. A route that nothing here fills has no addresses, and the
benchmark fails: no page can hide.
"""

from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from wuye.contracts import CATEGORIES
from wuye.records.flow import SYSTEM
from wuye.resources import fields

#: What people look for: part of a number, a whole one, words, single characters, names, telephones, homes, and nothing.
NEEDLES = ("wo-2026", "SR-2025-00042", "漏水", "漏", "a", "王", "王伟", "13900012345", "1390001", "12-1-0304", "水异响")


@dataclass
class World:
    """What there is in the measured estate: ids by resource, the newest first, and one of each thing that pages show."""

    estate: str
    registry: object
    day: str
    rows: dict[str, list[dict]] = field(default_factory=dict)
    by_state: dict[tuple[str, str], str] = field(default_factory=dict)
    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    place_code: str = ""
    report_code: str = ""
    export: str = ""
    task: str = ""
    invitation: str = ""
    password: str = ""
    asset: tuple[str, str] = ("", "")


def addresses(world, urls, rule):
    """Return what a rule is asked for: addresses, each with all its parameters; none if it is not known how to ask it."""

    def at(query="", **values):
        path = urls.build(rule.endpoint, values)
        return f"{path}?{query}" if query else path

    known = {"estate": world.estate} if "estate" in rule.arguments else {}
    resource, what = _resource_of(world, rule.endpoint)
    if resource is not None:
        return [at(query, **known, **values) for query, values in _OF_RESOURCE[what](world, resource)]
    others = rule.arguments - {"estate"}
    if others and rule.endpoint not in _SPECIAL:
        return []
    asked = _SPECIAL.get(rule.endpoint, lambda _world: [("", {})])(world)
    return [at(query, **known, **values) for query, values in asked]


def _resource_of(world, endpoint):
    part, _dot, rest = endpoint.partition(".")
    for key, resource in world.registry.resources.items():
        if part in ("pages", "api") and rest.startswith(f"{key}."):
            return resource, f"{part}.{rest.removeprefix(f'{key}.')}"
    return None, None


def _plain(_world, _resource):
    return [("", {})]


def _each(world, resource):
    """Ask for the newest and for the oldest."""
    rows = world.rows[resource.key]
    return [("", {"identity": row["id"]}) for row in (rows[0], rows[-1])]


def _edits(world, resource):
    one = {"identity": world.rows[resource.key][0]["id"]}
    return [("", one), (f"only={next(iter(resource.instance.load_fields))}", one)]


def _acts(world, resource):
    for step in resource.flow.transitions.values():
        sources = [state for state in step.sources if (resource.key, state) in world.by_state]
        if step.permission != SYSTEM and sources:
            yield "", {"identity": world.by_state[resource.key, sources[0]], "action": step.name}


def _file(world, resource):
    identity, file = world.files[resource.key]
    return [("", {"identity": identity, "file": file})]


def _run(world, resource):
    return [("", {"identity": world.imports[resource.key]})]


def _export(world, resource):
    """Ask for few rows: how long many take is not what a page costs."""
    row = world.rows[resource.key][0]
    one = next((name for name in resource.references if name in resource.filters and row.get(name)), None)
    if "opened_at" in resource.filters:
        few = {"filter[opened_at]": f"{world.day}..{world.day}"}
    else:
        few = {f"filter[{one}]": str(row[one]["id"])} if one else {}
    return [(urlencode({"tab": "all", **few, "format": kind}), {}) for kind in ("csv", "xlsx")]


def _lists(world, resource):
    """Ask for a list in all its shapes, tabs, orders and filters, and searched."""
    yield "", {}
    for view in resource.views:
        yield urlencode({"tab": view.name}), {}
    every = {"tab": "all"} if resource.views else {}
    for sort in dict.fromkeys(name.removeprefix("-") for name in resource.sort):
        for order in (sort, f"-{sort}"):
            yield urlencode({**every, "sort": order}), {}
    for name, value in _filters(world, resource):
        yield urlencode({f"filter[{name}]": value}), {}
    if "phase" in resource.filters:
        for name, value in _filters(world, resource):
            if name not in ("phase", "state"):
                yield urlencode({"filter[phase]": "!done", f"filter[{name}]": value, "sort": "due_at"}), {}
    for needle in NEEDLES if resource.search else ():
        yield urlencode({**every, "q": needle}), {}
    for shape in _shapes(resource):
        yield urlencode({"view": shape}), {}
        yield urlencode({"view": shape, **every, "sort": resource.sort[0]}), {}
    if resource.is_record:
        for name in ("state", "priority", "department"):
            yield urlencode({"view": "chart", **every, "by": name}), {}
            yield urlencode({"view": "pivot", **every, "by": name, "across": "state"}), {}
    yield urlencode({"view": "table", "fields": ",".join(resource.attributes), **every}), {}


def _shapes(resource):
    yield "table"
    if resource.flow:
        yield "board"
    if "due_at" in resource.filters:
        yield "calendar"
    if resource.is_record:
        yield from ("chart", "pivot")


def _filters(world, resource):
    """Yield values for each filter: what many rows have, and what few or none have."""
    row = world.rows[resource.key][0]
    for name in resource.filters:
        item = resource.instance.dump_fields[name]
        if name == "state" and resource.flow:
            yield from ((name, state) for state in resource.flow.states)
        elif isinstance(item, fields.Choice):
            yield from ((name, word) for word in item.choices)
            yield name, f"!{item.choices[-1]}"
        elif isinstance(item, fields.Reference):
            yield name, "null"
            if row.get(name):
                yield name, str(row[name]["id"])
            if item.target == "person":
                yield name, "me"
        elif isinstance(item, fields.Moment | fields.Day):
            yield from (
                (name, span) for span in ("..now", f"{world.day}..{world.day}", "..2001-01-01", f"{world.day}..")
            )
        elif isinstance(item, fields.Boolean):
            yield from ((name, word) for word in ("true", "false"))
        elif isinstance(item, fields.Category):
            yield from ((name, word) for word in list(CATEGORIES)[:3])
        else:
            yield name, str(row.get(name) or "none-such")


def _api_lists(world, resource):
    yield "", {}
    yield "limit=200&count=1", {}
    for needle in NEEDLES[:3] if resource.search else ():
        yield f"q={quote(needle)}", {}


_OF_RESOURCE = {
    "pages.list": _lists,
    "pages.detail": _each,
    "pages.edit": _edits,
    "pages.act": _acts,
    "pages.new": _plain,
    "pages.export": _export,
    "pages.import": _plain,
    "pages.import.run": _run,
    "pages.import.rejected": _run,
    "api.list": _api_lists,
    "api.read": _each,
    "api.timeline": _each,
    "api.files": _each,
    "api.file": _file,
}


def _needles(_world):
    return [("", {}), *((f"q={quote(needle)}", {}) for needle in NEEDLES)]


def _suggestions(_world):
    for target in ("person", "property", "maintenance_asset", "record"):
        for text in ("", "王", "12-1", "LIFT"):
            yield f"q={quote(text)}", {"target": target}


def _of(key, position=0):
    return lambda world: [("", {"identity": world.rows[key][position]["id"]})]


#: What is asked of pages that are no resource's: endpoint → (parameters, values in the path).
_SPECIAL = {
    "pages.search": _needles,
    "pages.palette": _needles,
    "pages.suggest": _suggestions,
    "pages.place_code": _of("core.properties"),
    "pages.field.place": _of("core.properties"),
    "pages.field.job": _of("maintenance.work-orders"),
    "pages.portal.one": lambda world: [("", {"identity": world.rows["mine"][0]["id"]})],
    "pages.host": lambda _world: [("", {}), ("q=bench-7", {})],
    "pages.host.estate": lambda world: [("", {"code": world.estate})],
    "pages.host.export": lambda world: [("", {"code": world.estate, "task": world.export})],
    "pages.tasks.one": lambda world: [("", {"identity": world.task})],
    "pages.tasks.file": lambda world: [("", {"identity": world.task})],
    "pages.invitation": lambda world: [("", {"link": world.invitation})],
    "pages.password": lambda world: [("", {"link": world.password})],
    "pages.static": lambda world: [("", dict(zip(("version", "name"), world.asset, strict=True)))],
    "portal.guest": lambda world: [("", {"code": world.place_code})],
    "portal.follow": lambda world: [("", {"code": world.place_code, "follow": world.report_code})],
}

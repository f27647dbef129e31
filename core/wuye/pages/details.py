"""One thing: what it is, what is due now, what can be done, what happened; its forms, and its changes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from flask import Flask, request
from marshmallow import Schema

from wuye import labels
from wuye.errors import Conflict, Invalid, NotFound, Problem, Stale, Text
from wuye.files import services as files
from wuye.i18n import _
from wuye.notifications.services import has_unseen
from wuye.pages import forms, lists, slots, toasts
from wuye.pages.access import Visit, back_to, base_of, page, see
from wuye.pages.rendering import Showing, framed
from wuye.records import services as records
from wuye.records.flow import SYSTEM, Flow, Transition
from wuye.resources import fields, service
from wuye.resources.choosing import open_fields
from wuye.resources.declaration import Resource
from wuye.resources.schemas import input_schema
from wuye.resources.undo import EDITED, Doing
from wuye.web import api, idempotency
from wuye.web.access import Access
from wuye.web.files import MAX_UPLOAD

#: The field of a form that makes sending it twice harmless, and the one that names the version that was read.
KEY, VERSION = "_key", "_version"

_HEAD = {
    "id", "version", "kind", "number", "title", "text", "state", "phase", "priority", "thread", "updated_at",
    "created_at", "due_at", "external_id", "department",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """A state on the usual way: passed, the present one, or still to come."""

    label: Text
    mark: str


class Header(NamedTuple):
    """What is shown of another record of a thread; its kind's plugin may be gone."""

    id: UUID
    number: str
    title: str
    kind: str
    state: str
    phase: str
    department: str


@dataclass(frozen=True, slots=True)
class Happening:
    """An entry of the timeline as people read it."""

    at: datetime
    who: str
    what: Text
    text: str
    kind: str
    number: str | None
    internal: bool
    changes: list[tuple[Text, Any, Any]] = field(default_factory=list)
    lines: list[tuple[Text, list[str]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Related:
    """Another record of the same chain of hand-overs."""

    number: str
    title: str
    kind: str
    state: str
    phase: str
    department: str
    url: str | None


def register(app: Flask, resource: Resource) -> None:
    """Add a resource's pages: detail, forms, actions, comments."""
    base, key, plugin = base_of(resource), resource.key, resource.plugin
    readers = Access(tuple(name for name in (resource.read, resource.read_own) if name), plugin)

    def add(rule: str, name: str, view: Any, access: Access, *methods: str) -> None:
        page(
            app, f"{base}{rule}", f"{key}.{name}", lambda visit, **rest: view(visit, resource, **rest), access, methods
        )

    add("/<uuid:identity>", "detail", detail, readers, "GET")
    if resource.comment:
        commenters = Access(tuple(resource.comment), plugin)
        add("/<uuid:identity>/comments", "comment", _comment, commenters, "POST")
        page(
            app, f"{base}/<uuid:identity>/files", f"{key}.attach", lambda visit, **rest: _attach(visit, resource, **rest),
            commenters, ("POST",), MAX_UPLOAD,
        )  # fmt: skip
    if resource.create:
        add("/new", "new", _new, Access((resource.create,), plugin), "GET", "POST")
    if resource.update:
        add("/<uuid:identity>/edit", "edit", _edit, Access((resource.update,), plugin), "GET", "POST")
    if resource.masked_attributes:
        add("/<uuid:identity>/reveal", "reveal", _reveal, Access(("core.reveal",), plugin), "POST")
    if resource.flow:
        permissions = tuple(sorted({t.permission for t in resource.flow.transitions.values()} - {SYSTEM}))
        add("/<uuid:identity>/actions/<action>", "act", _act, Access(permissions, plugin), "GET", "POST")


def detail(visit: Visit, resource: Resource, identity: UUID, status: int = 200, **extra: Any) -> Any:
    """Show one thing, beside its list where there is room."""
    row = service.read(visit.ctx, resource, identity)
    of = Showing(visit)
    if resource.is_record and resource.kind is None and (own := of.address(row["kind"], identity)):
        return see(own)
    shown = parts_of(visit, resource, row)
    listing = None
    if resource.is_record and not request.headers.get("X-Part"):
        listing = lists.read(visit, resource, limit=30)
        listing.shape = "list"
    return framed(
        visit,
        "detail.html",
        status,
        resource=resource,
        row=row,
        title=row.get("title") or of.name(resource, row),
        listing=listing,
        selected=identity,
        key=str(uuid4()),
        revealed={},
        panels=slots.panels(visit, resource, row),
        **{**shown, **extra},
    )


def parts_of(visit: Visit, resource: Resource, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a detail shows besides the fields: steps, actions, history, what it hangs together with."""
    ctx, flow = visit.ctx, resource.flow
    thread = _thread(visit, row) if resource.is_record else {}
    happened = list(reversed(list(_happenings(visit, resource, row, thread))))
    own_files, thread_files = files.beside(ctx, row)
    return {
        "actions": actions_of(visit, resource, row),
        "steps": steps_of(flow, row) if flow else [],
        "editable": forms.editable(visit, resource),
        "facts": [name for name in _facts(resource) if row.get(name) not in (None, "")],
        "happened": happened,
        "related": list(_related(visit, row, thread)),
        "may_edit": bool(resource.update and ctx.may(resource.update)),
        "may_comment": service.may_comment(ctx, resource),
        "files": own_files,
        "thread_files": thread_files,
        "unseen": resource.is_record and has_unseen(ctx, row["id"]),
        "file_base": api.path_of(resource).replace("<estate>", ctx.estate.code) + f"/{row['id']}/files",
        "masked": {n for n, a in resource.attributes.items() if a in resource.masked_attributes}
        if ctx.may("core.reveal")
        else set(),
    }


def actions_of(visit: Visit, resource: Resource, row: Mapping[str, Any]) -> list[Transition]:
    """Return the transitions that the visitor may take now, those that lead on first."""
    if resource.flow is None or not row.get("state"):
        return []
    place = {name: number for number, name in enumerate(resource.flow.path)}
    here = place.get(row["state"], -1)
    possible = records.available(visit.ctx, records.sketch(resource.kind, row))
    return sorted(possible, key=lambda step: not place.get(step.target or "", -1) > here)


def _facts(resource: Resource) -> list[str]:
    if resource.look.facts:
        return list(resource.look.facts)
    shown = {"department"} if not resource.is_record else set()
    return [name for name in resource.attributes if name not in _HEAD - shown]


def steps_of(flow: Flow, row: Mapping[str, Any]) -> list[Step]:
    """Return the usual way with the present state on it; a state beside the way stands where it left it."""
    states, present, way = flow.states, row["state"], list(flow.path)
    if present not in way:
        phase = states[present].phase if present in states else row["phase"]
        last = max((place for place, name in enumerate(way) if states[name].phase == phase), default=0)
        if phase == "done":
            way = [way[0], present]
        else:
            way.insert(last + 1, present)
    here = way.index(present)
    return [
        Step(
            states[name].label if name in states else labels.worded(name),
            "now" if number == here else "ok" if number < here else "",
        )
        for number, name in enumerate(way)
    ]


def _happenings(
    visit: Visit, resource: Resource, row: Mapping[str, Any], thread: Mapping[UUID, Header]
) -> Iterator[Happening]:
    registry = visit.ctx.loaded.registry
    entries = service.history(visit.ctx, row)
    names = _names(visit, {entry["actor_id"] for entry in entries if entry["actor_id"]})
    for entry in entries:
        of = thread.get(entry["record_id"])
        other = of is not None and entry["record_id"] != row["id"]
        owner = registry.resource_of_kind(of.kind) if of is not None else resource
        data = entry["data"] or {}
        step = owner.flow.transitions.get(entry["event"]) if owner and owner.flow else None
        yield Happening(
            entry["at"],
            names.get(entry["actor_id"], "") if entry["actor_id"] else "",
            _what(owner, entry["event"], data),
            str(
                data.get("text")
                or data.get("reason")
                or data.get("resolution")
                or data.get("remedy")
                or data.get("outcome")
                or data.get("note")
                or ""
            ),
            "comment" if entry["event"] == "comment" else "system",
            of.number if other and of is not None else None,
            entry["audience"] == "staff",
            [
                (labels.worded(name.removesuffix("_id")), old, new)
                for name, (old, new) in data.get("changes", {}).items()
                if not name.endswith("_id")
            ],
            list(_lines(step, data)) if step else [],
        )


def _what(owner: Resource | None, event: str, data: Mapping[str, Any]) -> Text:
    """Return what an event is called; of what was taken back, the step."""
    steps = owner.flow.transitions if owner and owner.flow else {}
    if event == "taken_back" and data.get("action") in steps:
        return _("Taken back: {action}", action=steps[data["action"]].label)
    return steps[event].label if event in steps else _EVENTS.get(event, labels.worded(event))


def _lines(step: Transition, data: Mapping[str, Any]) -> Iterator[tuple[Text, list[str]]]:
    """Yield what a step was told in lines (the material that it took), each line as one text."""
    for name, item in input_schema(step).fields.items():
        label = labels.field_label(name, item)
        if isinstance(item, fields.Lines) and data.get(name):
            yield label, [" ".join(_cells(item.line, line)) for line in data[name]]


def _cells(columns: Schema, line: Mapping[str, Any]) -> Iterator[str]:
    """Yield what stands in a line; numbers as short as they are exact."""
    for name, column in columns.fields.items():
        if line.get(name) not in (None, ""):
            yield f"{Decimal(line[name]).normalize():f}" if isinstance(column, fields.Decimal) else str(line[name])


_EVENTS: dict[str, Text] = {
    "created": _("Created"),
    "imported": _("Imported"),
    "edited": _("Changed"),
    "taken_back": _("Taken back"),
    "comment": _("Comment"),
    "revealed": _("Looked at a masked number"),
    "attached": _("Attached a file"),
    "detached": _("Removed a file"),
    "signed": _("Signed"),
}


_CALLED = """
    SELECT u.id, coalesce(p.name, u.name) FROM core_user u
    LEFT JOIN core_membership m ON m.user_id = u.id AND m.estate_id = %(estate)s
    LEFT JOIN core_person p ON p.estate_id = m.estate_id AND p.id = m.person_id
    WHERE u.id = ANY(%(users)s)
    """


def _names(visit: Visit, users: set[UUID]) -> dict[UUID, str]:
    """Return what users are called: the person that they are here, else their own name."""
    if not users:
        return {}
    rows = visit.ctx.session.fetch(_CALLED, {"estate": visit.ctx.estate.id, "users": list(users)})
    return dict(rows)


_THREAD = f"""
    SELECT {", ".join(Header._fields)} FROM core_record WHERE thread_id = %(thread)s ORDER BY opened_at, id
    """  # noqa: S608 (its parts are the names above)


def _thread(visit: Visit, row: Mapping[str, Any]) -> dict[UUID, Header]:
    """Return the headers of all records of the row's thread by id."""
    found = [Header(*each) for each in visit.ctx.session.fetch(_THREAD, {"thread": row["thread"]})]
    return {each.id: each for each in found}


def _related(visit: Visit, row: Mapping[str, Any], thread: Mapping[UUID, Header]) -> Iterator[Related]:
    registry = visit.ctx.loaded.registry
    for found in thread.values():
        if found.id == row["id"]:
            continue
        resource = registry.resource_of_kind(found.kind)
        url = visit.url_of(resource, found.id) if resource and visit.readable(resource) else None
        yield Related(found.number, found.title, found.kind, found.state, found.phase, found.department, url)


def _new(visit: Visit, resource: Resource) -> Any:
    """Show the form for a new one, or make it."""
    schema = resource.instance
    names = open_fields(visit.ctx, resource, forms.names_of(schema, resource.look.form))
    if request.method == "GET":
        values = {**resource.look.preset, **request.args.to_dict()}
        return _form(visit, resource, forms.inputs(visit, schema, names, values), key=str(uuid4()))
    given = forms.answers(visit, schema, names, request.form, whole=True)
    claim, stored = claimed(visit)
    if stored is not None:
        return see(stored)
    try:
        forms.checked(schema, given)
        made = service.create(visit.ctx, resource, given.data)
        if resource.look.then and request.form.get("then") == resource.look.then:
            service.act(visit.ctx, resource, made["id"], resource.look.then, {}, "*")
    except Problem as problem:
        return _again(visit, resource, schema, names, problem, given)
    address = visit.url_of(resource, made["id"])
    store_claim(visit, claim, address)
    return see(address)


def claimed(visit: Visit) -> tuple[UUID | None, str | None]:
    """Claim the form's key; return the claim, and where the same form led before if it was sent before."""
    key = request.form.get(KEY)
    if not key:
        return None, None
    identity, stored = idempotency.claim_key(visit.ctx, key[: idempotency.MAX_LENGTH], idempotency.form_said(request))
    return identity, stored.answer.decode() if stored is not None and stored.answer else None


def store_claim(visit: Visit, claim: UUID | None, address: str) -> None:
    """Keep where a claimed form led to; it is committed with what the form did."""
    if claim is not None:
        idempotency.store(visit.ctx, claim, 303, address.encode())


def _form(
    visit: Visit,
    resource: Resource,
    fields: Iterator[forms.Input],
    *,
    row: Mapping[str, Any] | None = None,
    action: Transition | None = None,
    problem: Problem | None = None,
    status: int = 200,
    key: str = "",
) -> Any:
    """Show a form: for a new thing, a change (`row`), or an action on it."""
    if action is not None:
        title: Text = action.label
    else:
        title = _("Edit") if row else resource.look.create or _("Create")
    then = resource.flow.transitions[resource.look.then] if resource.flow and resource.look.then and not row else None
    template = "cell_form.html" if request.headers.get("X-Part") else "form.html"
    return framed(
        visit, template, status, resource=resource, inputs=list(fields), row=row, action=action, problem=problem,
        then=then if then and visit.ctx.may(then.permission) else None, title=title, key=key or request.form.get(KEY) or str(uuid4()),
    )  # fmt: skip


def _again(
    visit: Visit,
    resource: Resource,
    schema: Any,
    names: list[str],
    problem: Problem,
    given: forms.Answers,
    row: Mapping[str, Any] | None = None,
    action: Transition | None = None,
) -> Any:
    """Show a form again with what was typed and what is wrong with it; nothing was written."""
    if not isinstance(problem, Invalid | Conflict):
        raise problem
    visit.ctx.session.rollback()
    visit.ctx.discard()
    typed = forms.inputs(visit, schema, names, request.form.to_dict(), problem.errors, given.matches)
    return _form(visit, resource, typed, row=row, action=action, problem=problem, status=problem.status)


def _edit(visit: Visit, resource: Resource, identity: UUID) -> Any:
    """Show the form with what the thing has now, or change it; `?only=` is the one field that it is about."""
    schema = resource.instance
    row = service.read(visit.ctx, resource, identity)
    only = request.args.get("only", "")
    masked = {name for name, attribute in resource.attributes.items() if attribute in resource.masked_attributes}
    offered = open_fields(visit.ctx, resource, forms.names_of(schema, resource.look.form))
    names = [name for name in offered if name not in masked]
    if only in forms.editable(visit, resource):
        names = [only]
    if request.method == "GET":
        return _form(visit, resource, forms.inputs(visit, schema, names, row), row=row)
    given = forms.answers(visit, schema, names, request.form, whole=False)
    try:
        forms.checked(schema, given, partial=True)
        doing = Doing(visit.ctx, resource, EDITED)
        with doing.watched(identity):
            service.edit(visit.ctx, resource, identity, given.data, _if_match())
    except Stale:
        return _stale(visit, resource, identity, names)
    except Problem as problem:
        return _again(visit, resource, schema, names, problem, given, row=row)
    visit.doing = doing
    onward = back_to(request.form.get("next"), visit.url_of(resource, identity))
    if not request.headers.get("X-Part"):
        return see(onward)
    step, row = doing.keep(), service.read(visit.ctx, resource, identity)
    toast = toasts.toast_of(visit, step) if step else None
    return framed(visit, "cell.html", resource=resource, row=row, name=only, toast=toast, path=onward)


def _if_match() -> str:
    version = request.form.get(VERSION, "")
    return service.etag(int(version)) if version.isdecimal() else "*"


def _stale(visit: Visit, resource: Resource, identity: UUID, names: list[str], action: Transition | None = None) -> Any:
    """Show both versions side by side, what somebody else made of it and what the visitor wants: each field of `names`
    that differs can be chosen. An action can be taken all the same.
    """
    visit.ctx.session.rollback()
    visit.ctx.discard()
    row = service.read(visit.ctx, resource, identity)
    now = {} if action else {one.name: one for one in forms.inputs(visit, resource.instance, names, row)}
    mine = {name: request.form.get(name, "false" if one.kind == "boolean" else "").strip() for name, one in now.items()}
    differing = [(one, mine[name]) for name, one in now.items() if one.value.strip() != mine[name]]
    same = {name: request.form[name] for name in request.form if name not in (KEY, VERSION, "_token")}
    for one, _mine in differing:
        same.pop(one.name, None)
    return framed(
        visit, "stale.html", 412, resource=resource, row=row, differing=differing, same=same, action=action,
        title=_("It has changed since you read it"),
    )  # fmt: skip


def _overtaken(visit: Visit, resource: Resource, row: Mapping[str, Any], action: Transition) -> Any:
    """Show that an action has come too late: how the thing is now, and what the visitor wanted to say with it."""
    schema = input_schema(action)
    typed = [one for one in forms.inputs(visit, schema, forms.names_of(schema), request.form.to_dict()) if one.value]
    return framed(
        visit, "overtaken.html", 409, resource=resource, row=row, action=action, typed=typed,
        title=_("This cannot be done now"), actions=actions_of(visit, resource, row),
    )  # fmt: skip


def _act(visit: Visit, resource: Resource, identity: UUID, action: str) -> Any:
    """Show an action's form, or take it."""
    row = service.read(visit.ctx, resource, identity)
    step = next((each for each in actions_of(visit, resource, row) if each.name == action), None)
    if step is None:
        known = resource.flow.transitions.get(action) if resource.flow else None
        if known is None or known.permission == SYSTEM:
            raise NotFound
        visit.ctx.require(known.permission)
        if row["state"] not in known.sources:
            return _overtaken(visit, resource, row, known)
        service.act(visit.ctx, resource, identity, action, {}, "*")  # it says why not
        raise NotFound
    schema = input_schema(step)
    names = forms.names_of(schema)
    if request.method == "GET":
        return _form(visit, resource, forms.inputs(visit, schema, names, request.args.to_dict()), row=row, action=step)
    given = forms.answers(visit, schema, names, request.form, whole=True)
    claim, stored = claimed(visit)
    if stored is not None:
        return see(stored)
    try:
        forms.checked(schema, given)
        doing = Doing(visit.ctx, resource, action)
        with doing.watched(identity):
            service.act(visit.ctx, resource, identity, action, given.data, _if_match())
    except Stale:
        return _stale(visit, resource, identity, names, step)
    except Problem as problem:
        return _again(visit, resource, schema, names, problem, given, row=row, action=step)
    visit.doing = doing
    address = back_to(request.form.get("next"), visit.url_of(resource, identity))
    store_claim(visit, claim, address)
    return see(address)


def _comment(visit: Visit, resource: Resource, identity: UUID) -> Any:
    """Add a comment."""
    claim, stored = claimed(visit)
    if stored is None:
        data = {"text": request.form.get("text", ""), "internal": bool(request.form.get("internal"))}
        service.comment(visit.ctx, resource, identity, data)
        store_claim(visit, claim, visit.url_of(resource, identity))
    return see(back_to(request.form.get("next"), visit.url_of(resource, identity)))


def _attach(visit: Visit, resource: Resource, identity: UUID) -> Any:
    """Attach the chosen files, or remove one.

    Raises:
        Invalid: one of them is none that is taken; then none was attached.
    """
    if remove := request.form.get("remove"):
        files.remove(visit.ctx, resource, identity, UUID(remove))
    else:
        label = request.form.get("label") or None
        for sent in [each for each in request.files.getlist("file") if each.filename][:_MOST_FILES]:
            files.attach(visit.ctx, resource, identity, sent.filename or "", sent.stream, label)  # type: ignore[arg-type]  # it can be read and sought
    return see(back_to(request.form.get("next"), visit.url_of(resource, identity)))


#: Files that one form brings at most.
_MOST_FILES = 10


def _reveal(visit: Visit, resource: Resource, identity: UUID) -> Any:
    """Show one masked field in full, once; who looked and why stands on the timeline."""
    data = {"field": request.form.get("field", ""), "reason": request.form.get("reason", "")}
    found = service.reveal(visit.ctx, resource, identity, data)
    return detail(visit, resource, identity, revealed={found["field"]: found["value"]})

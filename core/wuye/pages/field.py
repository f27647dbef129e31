"""Pages for work with a phone in the hand: what is mine today, one job step by step, scanning, reporting.

They are the same for every department: a job is any work that somebody is assigned, its steps are its flow's. Forms are
sent by a script that keeps them while there is no network, so each carries a key that makes sending it twice harmless.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Flask, Response, request
from sqlalchemy import select

from wuye.context import Context
from wuye.errors import Conflict, FieldError, Forbidden, Invalid, NotFound, Problem
from wuye.i18n import _
from wuye.pages import details, forms, portal
from wuye.pages.access import Visit, page, see
from wuye.pages.rendering import bare
from wuye.pages.scanning import read_photo
from wuye.people.models import Person
from wuye.properties.models import Property
from wuye.records.flow import Transition
from wuye.records.models import PRIORITIES, Record
from wuye.resources import query, service
from wuye.resources.declaration import Resource
from wuye.resources.schemas import input_schema
from wuye.web.access import Access
from wuye.web.files import MAX_UPLOAD
from wuye.web.problems import json_response

_MEMBER = Access(("core.read_own",))

#: Who works here; residents do not see what is at other people's places.
_AT_WORK = Access(("core.read_properties",))
_MOST = 100
_SHOWN = ("id", "number", "title", "kind", "state", "phase", "priority", "due_at", "place", "opened_at", "version")

#: A script compares this header of a job's page with the list, to fetch again only what has changed.
_VERSION = "X-Version"

#: Who signs by name, where there is nothing to draw on, is not called longer than this.
_LONGEST_NAME = 80

#: How many steps a page prepares for a time without network.
_AHEAD = 5


@dataclass(frozen=True, slots=True)
class Move:
    """A step that can be taken now or, one after the other, without network: what it asks for, where it leads."""

    step: Transition
    inputs: list[forms.Input]
    shape: str
    label: Any
    index: int


def register(app: Flask) -> None:
    """Add the pages."""

    def add(rule: str, name: str, view: Any, *methods: str) -> None:
        page(app, f"/f/<estate>{rule}", f"field.{name}", view, _MEMBER, methods or ("GET",), MAX_UPLOAD)

    add("", "today", _today)
    add("/jobs/<uuid:identity>", "job", _job, "GET", "POST")
    page(app, "/f/<estate>/places/<uuid:identity>", "field.place", _place, _AT_WORK)
    page(app, "/f/<estate>/scan", "field.scan", _scan, _AT_WORK, ("GET", "POST"), MAX_UPLOAD)
    add("/report", "report", _report, "GET", "POST")
    add("/outbox", "outbox", lambda visit: _show(visit, "field_outbox.html", "me", title=_("Outbox")))
    add("/me", "me", lambda visit: _show(visit, "field_me.html", "me", title=_("Me")))
    add("/proof", "proof", lambda visit: json_response({"token": visit.token, "user": str(visit.ctx.actor.user_id)}))


def _show(visit: Visit, template: str, tab: str, status: int = 200, **values: Any) -> Response:
    return bare(visit, template, status, base=_base(visit.ctx), tab=tab, me_id=visit.ctx.actor.user_id, **values)


def _base(ctx: Context) -> str:
    return f"/f/{ctx.estate.code}"


def _today(visit: Visit) -> Any:
    """Show what somebody is assigned in any department, the most urgent first."""
    return _show(visit, "field_today.html", "today", title=_("Today"), rows=_work(visit, assignee=["me"]))


def _work(visit: Visit, **filters: list[str]) -> list[dict[str, Any]]:
    """Return unfinished work of all departments: emergencies first, then by deadline."""
    records = visit.ctx.loaded.registry.resources["core.records"]
    arguments = {f"filter[{name}]": values for name, values in filters.items()}
    wanted = query.parse(records, {**arguments, "filter[phase]": ["!done"], "sort": ["due_at"]})
    rows = query.run(visit.ctx, records, query.Query(wanted.filters, None, "due_at", _SHOWN, _MOST)).items
    urgency = {name: place for place, name in enumerate(PRIORITIES)}
    mine = [{**row, "waits": row["phase"] == "waiting"} for row in rows if not row["kind"].startswith("core.")]
    return sorted(mine, key=lambda row: urgency[row["priority"]])


def _found(visit: Visit, identity: UUID) -> tuple[Resource, dict[str, Any]]:
    """Return a job with the resource that it is a row of.

    Raises:
        NotFound: there is none that the visitor may see.
    """
    kind = visit.ctx.session.scalar(select(Record.__table__.c.kind).where(Record.__table__.c.id == identity))
    resource = visit.ctx.loaded.registry.resource_of_kind(kind) if kind else None
    if resource is None or not visit.readable(resource):
        raise NotFound
    return resource, service.read(visit.ctx, resource, identity)


def _job(visit: Visit, identity: UUID) -> Any:
    """Show one job with the step that is due now; take a step, send a photo or a word."""
    resource, row = _found(visit, identity)
    if request.method == "GET":
        return _one(visit, resource, row)
    claim, stored = details.claimed(visit)
    here = f"{_base(visit.ctx)}/jobs/{identity}"
    if stored is not None:
        return see(stored)
    try:
        if request.form.get("call"):
            return _one(visit, resource, row, phone=_phone(visit.ctx, row))
        _do(visit, resource, row)
    except (Invalid, Conflict) as problem:
        if request.headers.get("Accept") == "application/json":
            raise
        visit.ctx.session.rollback()
        visit.ctx.discard()
        return _one(visit, *_found(visit, identity), problem=problem)
    details.store_claim(visit, claim, here)
    return see(here)


def _do(visit: Visit, resource: Resource, row: Mapping[str, Any]) -> None:
    """Do what a job's form says: a step with its photos, photos alone, or a word.

    Raises:
        NotFound: there is no such step. Forbidden, Conflict, Invalid: it cannot be taken (now, so).
    """
    ctx, identity = visit.ctx, row["id"]
    if action := request.form.get("action"):
        step = resource.flow.transitions.get(action) if resource.flow else None
        if step is None:
            raise NotFound
        schema = input_schema(step)
        given = forms.answers(visit, schema, forms.names_of(schema), request.form, whole=True)
        forms.checked(schema, given)
        service.act(ctx, resource, identity, action, given.data, "*")
        for label in step.evidence:
            portal.attach_photos(ctx, resource, identity, label)
        if "signature" in step.evidence and (name := request.form.get("signed_by", "").strip()):
            ctx.note(identity, row["thread"], "signed", {"text": name[:_LONGEST_NAME]})
    elif text := request.form.get("text", "").strip():
        service.comment(ctx, resource, identity, {"text": text})
    elif not sum(portal.attach_photos(ctx, resource, identity, label) for label in ("before", "after", None)):
        raise Invalid(_("There is nothing to send."), errors=[FieldError("text", _("Write something."))])


def _one(
    visit: Visit, resource: Resource, row: Mapping[str, Any], problem: Problem | None = None, phone: str | None = None
) -> Response:
    chain = list(_chain(visit, resource, row))
    likely = chain[0].step.name if chain else None
    other = [_move(visit, resource, step, row["state"], 0)
             for step in details.actions_of(visit, resource, row) if step.name != likely]  # fmt: skip
    shown = details.parts_of(visit, resource, row)
    answer = _show(
        visit, "field_job.html", "today", problem.status if problem else 200, title=row["title"] or row["number"],
        resource=resource, row=row, chain=chain, other=other, problem=problem, phone=phone,
        may_call=_may_call(visit.ctx, row), **shown,
    )  # fmt: skip
    answer.headers[_VERSION] = str(row["version"])
    return answer


def _chain(visit: Visit, resource: Resource, row: Mapping[str, Any]) -> Iterator[Move]:
    """Yield the step that is due now, and those that will be when it has been taken."""
    flow, at = resource.flow, dict(row)
    if flow is None:
        return
    way = {name: place for place, name in enumerate(flow.path)}
    for index in range(_AHEAD):
        step = next(iter(details.actions_of(visit, resource, at)), None)
        if step is None or step.target is None or way.get(step.target, -1) <= way.get(at["state"], -1):
            if index == 0 and step is not None:
                yield _move(visit, resource, step, at["state"], 0)
            return
        yield _move(visit, resource, step, at["state"], index)
        at.update(state=step.target, phase=flow.states[step.target].phase)


def _move(visit: Visit, resource: Resource, step: Transition, state: str, index: int) -> Move:
    assert resource.flow is not None, "steps are those of a flow"
    target = resource.flow.states[step.target or state]
    schema = input_schema(step)
    return Move(
        step, list(forms.inputs(visit, schema, forms.names_of(schema), {})), target.shape, str(target.label), index
    )


def _may_call(ctx: Context, row: Mapping[str, Any]) -> bool:
    """Whether the visitor may call who asked for the work: who does it may, as long as it is not done."""
    mine = row.get("assignee") and row["assignee"]["id"] == ctx.actor.person_id
    return bool(row.get("requester") and row["phase"] != "done" and (mine or ctx.may("core.reveal")))


def _phone(ctx: Context, row: Mapping[str, Any]) -> str:
    """Return the number of who asked for the work, and write on the timeline who looked at it.

    Raises:
        Forbidden: it is somebody else's work. Conflict: there is no number.
    """
    if not _may_call(ctx, row):
        raise Forbidden(_("Only who does the work may call."))
    phone = ctx.session.scalar(select(Person.phone).where(Person.id == row["requester"]["id"]))
    if not phone:
        raise Conflict(_("No phone number is known."))
    ctx.note(row["id"], row["thread"], "revealed", {"field": "phone", "reason": str(_("to call"))}, "staff")
    return phone


def _place(visit: Visit, identity: UUID) -> Any:
    """Show what is to be done at a place."""
    found = visit.ctx.session.get(Property, (visit.ctx.estate.id, identity))
    if found is None:
        raise NotFound
    rows = _work(visit, place=[str(identity)])
    return _show(visit, "field_place.html", "scan", title=found.label, place=found, rows=rows)


def _scan(visit: Visit) -> Any:
    """Show the camera, or go where a code leads that was typed, scanned or photographed."""
    problem = None
    if request.method == "POST":
        try:
            text = request.form.get("code", "").strip() or read_photo(request.files.get("file"))
            return see(_behind(visit, text))
        except Invalid as error:
            problem = error
    return _show(visit, "field_scan.html", "scan", problem.status if problem else 200, title=_("Scan"), problem=problem)


def _behind(visit: Visit, text: str) -> str:
    """Return the page of what a code stands for: our own code of a place, a number of work, the label of a thing.

    Raises:
        Invalid: it stands for nothing that the visitor may see.
    """
    code = text.partition("/q/")[2].partition("/")[0]
    if code:
        try:
            estate_id, identity = portal.read_code(code)
        except NotFound:
            estate_id = None
        if estate_id == visit.ctx.estate.id:
            return f"{_base(visit.ctx)}/places/{identity}"
    table = Record.__table__.c
    if work := visit.ctx.session.scalar(select(table.id).where(table.number == text)):
        with suppress(NotFound):
            _found(visit, work)
            return f"{_base(visit.ctx)}/jobs/{work}"
    for resource in visit.ctx.loaded.registry.resources.values():
        if resource.look.scan and visit.readable(resource):
            wanted = query.parse(resource, {f"filter[{resource.look.scan}]": [text], "limit": ["1"]})
            for row in query.run(visit.ctx, resource, wanted).items:
                place = row.get("place")
                return f"{_base(visit.ctx)}/places/{place['id']}" if place else visit.url_of(resource, row["id"])
    raise Invalid(_("This code stands for nothing here."), errors=[FieldError("code", _("Scan the code of a place."))])


def _offers(visit: Visit) -> list[Resource]:
    """Return what the visitor may make of something found on the way, as departments declare it."""
    return [
        resource
        for resource in visit.ctx.loaded.registry.resources.values()
        if resource.look.found and resource.plugin in visit.ctx.plugins and visit.ctx.may(str(resource.create))
    ]


def _report(visit: Visit) -> Any:
    """Show the form for what somebody found on their way, or take it."""
    ctx, offers = visit.ctx, _offers(visit)
    wanted = request.values.get("to", offers[0].key if offers else None)
    resource = next((each for each in offers if each.key == wanted), None)
    found = resource.look.found if resource else None
    if resource is None or found is None:
        return _show(visit, "field_no_report.html", "report", 404, title=_("Report"))
    place = _place_of(ctx, request.values.get("place"))

    def show(problem: Problem | None = None) -> Response:
        typed = {**resource.look.preset, **request.form.to_dict()}
        wrong = problem.errors if problem else ()
        inputs = list(forms.inputs(visit, resource.instance, found.fields, typed, wrong))
        return _show(visit, "field_report.html", "report", problem.status if problem else 200, title=_("Report"),
                     inputs=inputs, place=place, problem=problem, to=resource.key, offers=offers)  # fmt: skip

    if request.method == "GET":
        return show()
    claim, stored = details.claimed(visit)
    if stored is not None:
        return see(stored)
    given = forms.answers(visit, resource.instance, found.fields, request.form, whole=True)
    preset = {**found.preset, **({"place": str(place.id)} if place else {})}
    try:
        forms.checked(resource.instance, given, preset)
        made = service.create(ctx, resource, given.data, preset)
        portal.attach_photos(ctx, resource, made["id"])
        if found.then:
            service.act(ctx, resource, made["id"], found.then, {}, "*")
    except Invalid as problem:
        if request.headers.get("Accept") == "application/json":
            raise
        ctx.session.rollback()
        ctx.discard()
        return show(problem)
    here = f"{_base(ctx)}/jobs/{made['id']}"
    details.store_claim(visit, claim, here)
    return see(here)


def _place_of(ctx: Context, text: str | None) -> Property | None:
    try:
        identity = UUID(text) if text and ctx.may("core.read_properties") else None
    except ValueError:
        return None
    return ctx.session.get(Property, (ctx.estate.id, identity)) if identity else None

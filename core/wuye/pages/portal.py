"""The residents' pages: report, follow, talk, accept or refuse, rate; and reporting by a place's code without an account."""

import base64
import hashlib
import hmac
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Flask, request
from markupsafe import Markup
from sqlalchemy import select

from wuye.context import Actor, Context, EstateInfo
from wuye.errors import Forbidden, Invalid, NotFound, Problem, Unauthenticated
from wuye.estates.models import Estate
from wuye.estates.services import enabled_plugins
from wuye.files import services as files
from wuye.i18n import _
from wuye.identity.attempts import Limit, attempt_apart, network_of
from wuye.identity.services import Caller
from wuye.pages import details, forms
from wuye.pages.access import Visit, enter, page, see
from wuye.pages.rendering import bare, framed
from wuye.people.services import homes
from wuye.properties.models import Property
from wuye.records.models import Record
from wuye.resources import query, service
from wuye.resources.declaration import Resource
from wuye.resources.schemas import input_schema
from wuye.web import browser
from wuye.web.access import PUBLIC, Access, declare, installation
from wuye.web.database import request_session
from wuye.web.files import MAX_UPLOAD

_MEMBER = Access(("core.read_own",))

#: How often people unknown may report, right or wrong: from one network, and in one estate.
_PER_NETWORK, _PER_ESTATE = (10, timedelta(minutes=5)), (200, timedelta(hours=1))
_PHOTOS = 4


def register(app: Flask) -> None:
    """Add the pages."""

    def add(rule: str, name: str, view: Any, *methods: str) -> None:
        page(app, f"/r/<estate>{rule}", f"portal.{name}", view, _MEMBER, methods, MAX_UPLOAD)

    add("", "home", _home, "GET")
    add("/report", "report", _report, "GET", "POST")
    add("/<uuid:identity>", "one", _one, "GET", "POST")
    app.add_url_rule("/q/<code>", "portal.guest", declare(_guest, Access((PUBLIC,))), methods=["GET", "POST"])
    app.add_url_rule("/q/<code>/<follow>", "portal.follow", declare(_follow, Access((PUBLIC,))), methods=["GET"])
    page(app, "/e/<estate>/places/<uuid:identity>/code", "place_code", _place_code, Access(("core.read_properties",)))


def offered(ctx: Context) -> Resource:
    """Return what residents (and people on their way) report with.

    Raises:
        NotFound: no department that is enabled here takes reports.
    """
    for resource in ctx.loaded.registry.resources.values():
        if resource.look.portal is not None and resource.plugin in ctx.plugins:
            return resource
    raise NotFound


def _show(visit: Visit, template: str, status: int = 200, **values: Any) -> Any:
    """Return a page of the portal, which has a frame of its own: large, few words."""
    return bare(visit, template, status, base=f"/r/{visit.ctx.estate.code}", **values)


def _home(visit: Visit) -> Any:
    """Show what somebody reported, the newest first."""
    resource = offered(visit.ctx)
    person = visit.ctx.actor.person_id
    wanted = query.Query(
        {"requester": query.Filter((person or UUID(int=0),))}, None, resource.sort[0],
        ("id", "number", "title", "kind", "state", "phase", "opened_at", "due_at"), 30,
    )  # fmt: skip
    rows = query.run(visit.ctx, resource, wanted).items if "requester" in resource.filters else []
    return _show(visit, "portal_home.html", title=visit.ctx.estate.name, rows=rows, resource=resource)


def _report(visit: Visit) -> Any:
    """Show the form, or report."""
    ctx = visit.ctx
    resource = offered(ctx)
    look = resource.look.portal
    assert look is not None, "only offered resources come here"
    ctx.require(str(resource.create))
    places = homes(ctx)
    names = [name for name in look.fields if name != "place"]
    if request.method == "GET":
        shown = list(forms.inputs(visit, resource.instance, names, resource.look.preset))
        return _show(
            visit, "portal_report.html", title=_("Report"), inputs=shown, homes=places, problem=None, action=""
        )
    given = forms.answers(visit, resource.instance, names, request.form, whole=True)
    if (home := request.form.get("place")) in {str(each.id) for each in places}:
        given.data["place"] = home
    try:
        forms.checked(resource.instance, given, look.member)
        made = service.create(ctx, resource, given.data, look.member)
        attach_photos(ctx, resource, made["id"])
    except Problem as problem:
        if not isinstance(problem, Invalid):
            raise
        ctx.session.rollback()
        ctx.discard()
        shown = list(forms.inputs(visit, resource.instance, names, request.form.to_dict(), problem.errors))
        return _show(visit, "portal_report.html", problem.status, title=_("Report"), inputs=shown, homes=places,
                     problem=problem, action="")  # fmt: skip
    return see(f"/r/{ctx.estate.code}/{made['id']}")


def attach_photos(ctx: Context, resource: Resource, identity: UUID, label: str | None = None) -> int:
    """Attach the photos that came with a form, as its fields `photo_<label>` (or `file`), and return how many."""
    sent = [each for each in request.files.getlist(f"photo_{label}" if label else "file") if each.filename][:_PHOTOS]
    for each in sent:
        files.attach(ctx, resource, identity, each.filename or "", each.stream, label)  # type: ignore[arg-type]  # it can be read and sought
    return len(sent)


def _one(visit: Visit, identity: UUID) -> Any:
    """Show one report with its steps; talk about it, take the resident's own actions."""
    ctx = visit.ctx
    resource = offered(ctx)
    row = service.read(ctx, resource, identity)
    here = f"/r/{ctx.estate.code}/{identity}"
    problem: Problem | None = None
    if request.method == "POST":
        try:
            if action := request.form.get("action"):
                step = next((each for each in details.actions_of(visit, resource, row) if each.name == action), None)
                if step is None:
                    raise NotFound
                schema = input_schema(step)
                given = forms.answers(visit, schema, forms.names_of(schema), request.form, whole=True)
                forms.checked(schema, given)
                service.act(ctx, resource, identity, action, given.data, "*")
            elif request.files:
                attach_photos(ctx, resource, identity)
            else:
                service.comment(ctx, resource, identity, {"text": request.form.get("text", "")})
            return see(here)
        except Invalid as error:
            ctx.session.rollback()
            ctx.discard()
            problem = error
    shown = details.parts_of(visit, resource, row)
    asked = {
        step.name: list(forms.inputs(visit, input_schema(step), forms.names_of(input_schema(step)), {}))
        for step in shown["actions"]
    }
    return _show(
        visit, "portal_one.html", problem.status if problem else 200, title=row.get("title"), row=row, resource=resource,
        asked=asked, problem=problem, **shown,
    )  # fmt: skip


# ---- without an account, by the code that hangs at a place


def code_of(secret: bytes, estate_id: UUID, identity: UUID) -> str:
    """Return the code of a place (or of what was reported there): its estate and itself, signed."""
    raw = estate_id.bytes + identity.bytes
    return base64.urlsafe_b64encode(raw + _signature(secret, raw)).decode().rstrip("=")


def _signature(secret: bytes, raw: bytes) -> bytes:
    return hmac.new(secret, b"place " + raw, hashlib.sha256).digest()[:12]


def read_code(code: str) -> tuple[UUID, UUID]:
    """Return the estate and the place (or report) that a code stands for.

    Raises:
        NotFound: it is none of ours.
    """
    try:
        raw = base64.urlsafe_b64decode(code + "=" * (-len(code) % 4))
    except ValueError as error:
        raise NotFound from error
    if len(raw) != 44 or not hmac.compare_digest(raw[32:], _signature(installation().database.secret, raw[:32])):
        raise NotFound
    return UUID(bytes=raw[:16]), UUID(bytes=raw[16:32])


def guest_visit(estate_id: UUID, permissions: frozenset[str]) -> Visit:
    """Return the visit of somebody unknown, who may do no more than what the code is for.

    Raises:
        NotFound: there is no such estate, or it is suspended.
    """
    place = installation()
    found = request_session().get(Estate, estate_id)
    if found is None or found.state != "active":
        raise NotFound
    info = EstateInfo(found.id, found.code, found.name, found.zone, found.locale)
    actor = Actor(None, None, str(_("Guest")), permissions)
    ctx = place.context(request_session(), info, actor, enabled_plugins(request_session(), info.id) | {"core"})
    caller = Caller(
        UUID(int=0),
        "",
        None,
        False,
        frozenset(),
        ctx.now,
        UUID(int=0),
        None,
        False,
        False,
        info,
        False,
        None,
        (),
        ctx.plugins,
    )
    return Visit(ctx, caller)


def _works_at(estate_id: UUID) -> str | None:
    """Return the code of an estate if who looks is signed in and works there."""
    found = request_session().get(Estate, estate_id)
    if found is None or browser.cookie() is None:
        return None
    try:
        enter(found.code, Access(("core.read_properties",)))
    except (Unauthenticated, NotFound, Forbidden):
        return None
    return found.code


def _guest(code: str) -> Any:
    """Show the form for a place, or take the report; the answer leads to where it can be followed.

    Who works there comes to the place's page for work instead.
    """
    estate_id, property_id = read_code(code)
    if request.method == "GET" and (estate := _works_at(estate_id)):
        return see(f"/f/{estate}/places/{property_id}")
    visit = guest_visit(estate_id, frozenset())
    ctx = visit.ctx
    resource = offered(ctx)
    look = resource.look.portal
    where = ctx.session.get(Property, (estate_id, property_id))
    if where is None or look is None:
        raise NotFound
    if not look.guests(ctx):
        return see(f"/r/{ctx.estate.code}/report")
    names = [name for name in look.fields if name != "place"]

    def show(problem: Problem | None = None) -> Any:
        typed = {**resource.look.preset, **request.form.to_dict()}
        shown = list(forms.inputs(visit, resource.instance, names, typed, problem.errors if problem else ()))
        return _show(visit, "portal_report.html", problem.status if problem else 200, title=label, inputs=shown, homes=[],
                     problem=problem, action=request.path)  # fmt: skip

    label = where.label
    if request.method == "GET":
        return show()
    browser.check_origin()
    place = installation()
    network = network_of(request.remote_addr or "")
    ctx.session.rollback()  # what is counted has a transaction of its own: it counts what is refused too
    limits = (Limit("report", network, *_PER_NETWORK), Limit("reports in", str(estate_id), *_PER_ESTATE))
    attempt_apart(ctx.session, place.database.secret, place.clock, limits)
    ctx.actor = Actor(None, None, ctx.actor.name, frozenset({str(resource.create), str(resource.read)}), guest=True)
    given = forms.answers(visit, resource.instance, names, request.form, whole=True)
    preset = {**look.guest, "place": str(property_id)}
    try:
        forms.checked(resource.instance, given, preset)
        made = service.create(ctx, resource, given.data, preset)
        attach_photos(ctx, resource, made["id"])
    except Invalid as problem:
        ctx.session.rollback()
        ctx.discard()
        return show(problem)
    ctx.seal()
    ctx.session.commit()
    return see(f"/q/{code}/{code_of(place.database.secret, estate_id, made['id'])}")


def _follow(code: str, follow: str) -> Any:
    """Show how far a guest's report is: number and steps, nothing about anybody."""
    estate_id, _place = read_code(code)
    same, identity = read_code(follow)
    if same != estate_id:
        raise NotFound
    visit = guest_visit(estate_id, frozenset())
    resource = offered(visit.ctx)
    table = Record.__table__.c
    row = (
        visit.ctx.session.connection()
        .execute(select(table.number, table.title, table.kind, table.state, table.phase).where(table.id == identity))
        .first()
    )
    if row is None or resource.flow is None:
        raise NotFound
    steps = details.steps_of(resource.flow, dict(row._mapping))
    return _show(visit, "portal_follow.html", title=row.number, row=dict(row._mapping), steps=steps, code=code)


def _place_code(visit: Visit, identity: UUID) -> Any:
    """Show a place's code for printing: who scans it reports what is wrong there."""
    import segno  # here: most processes never draw a code

    found = service.read(visit.ctx, visit.ctx.loaded.registry.resources["core.properties"], identity)
    base = installation().settings.public_url or request.host_url.rstrip("/")
    address = f"{base}/q/{code_of(installation().database.secret, visit.ctx.estate.id, identity)}"
    drawing = Markup(segno.make(address, error="m").svg_inline(scale=6, border=2))  # noqa: S704 (drawn by segno, no text in it)
    return framed(visit, "place_code.html", title=found["label"], drawing=drawing, address=address)

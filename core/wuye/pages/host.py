"""The host's console: which estates there are, what they run, how large and how well they are, and what can be done to them.

It is for host admins alone; for everybody else there is none.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from babel.dates import format_date
from flask import Flask, request, send_file
from sqlalchemy import func, or_, select, text

from wuye import __version__
from wuye.archives import schedule
from wuye.context import Actor, Context
from wuye.db import versions
from wuye.errors import FieldError, Invalid, NotFound, Problem, Text
from wuye.estates import lifecycle
from wuye.estates import tasks as estate_tasks
from wuye.estates.models import Estate, EstatePlugin
from wuye.estates.services import create_estate, enable, system_actor
from wuye.files.models import Attachment
from wuye.i18n import LOCALES, _, current_locale
from wuye.identity import invitations, members
from wuye.identity.invitations import Invited
from wuye.identity.models import Membership
from wuye.identity.services import Caller
from wuye.installation import find_estate
from wuye.pages import host_archives
from wuye.pages.access import absent, see, signed_in
from wuye.pages.rendering import LANGUAGES, plain
from wuye.pages.slips import slip_of
from wuye.pages.times import ago, moment, sized
from wuye.records.models import Record
from wuye.tasks.models import Task
from wuye.web import browser
from wuye.web.access import SIGNED_IN, Access, declare, installation
from wuye.web.database import request_session

_FAILED_JOBS = text(
    "SELECT args->>'estate', count(*) FROM procrastinate_jobs WHERE status = 'failed'"
    " AND args->>'estate' = ANY (:codes) GROUP BY 1"
)

#: What the host has done in the background.
_TASKS = (estate_tasks.EXPORT, estate_tasks.DEMO)

#: Estates on one page of the list.
_SHOWN = 100


def register(app: Flask) -> None:
    """Add the pages."""

    def add(rule: str, name: str, view: Callable[..., Any], *methods: str, largest: int | None = None) -> None:
        add_host_page(app, rule, name, view, *methods, largest=largest)

    add("/host", "", _estates, "GET")
    add("/host/new", ".new", _new, "GET", "POST")
    add("/host/estates/<code>", ".estate", _estate, "GET", "POST")
    add("/host/backups", ".backups", _told(host_archives.backups), "GET", "POST")
    add("/host/import", ".import", _told(host_archives.arrive), "GET", "POST", largest=host_archives.LARGEST)
    add("/host/import/<uuid:identity>", ".arrival", _told(host_archives.arrival), "GET")
    add("/host/estates/<code>/exports/<uuid:task>", ".export", _send_export, "GET")


def _told(view: Callable[..., tuple[str, int, dict[str, Any]]]) -> Callable[..., Any]:
    """Return a view that shows what another one says: its template with values, or where it leads to."""

    def respond(caller: Caller, **rest: Any) -> Any:
        template, status, values = view(caller, **rest)
        return show(template, status, **values) if template else values["to"]

    return respond


def add_host_page(
    app: Flask, rule: str, name: str, view: Callable[..., Any], *methods: str, largest: int | None = None
) -> None:
    """Add a page of the console; `view(caller, …)` is called for host admins alone.

    `largest` is how many bytes a form may have, where that is more than usual.
    """

    def respond(**rest: Any) -> Any:
        if largest is not None and browser.cookie() is not None:
            request.max_content_length = largest
        caller = signed_in()
        if not caller.host_admin:
            raise NotFound
        return view(caller, **rest)

    app.add_url_rule(rule, f"pages.host{name}", declare(respond, Access((SIGNED_IN,)), largest), methods=list(methods))


def show(template: str, status: int = 200, **values: Any) -> Any:
    """Return a page of the console."""
    place = installation()
    token = browser.proof(place.database.secret, browser.cookie() or "")
    manifests = place.plugins.registry.manifests
    return plain(template, status, version=__version__, token=token, manifests=manifests, **values)


def _estates(_caller: Caller) -> Any:
    """List the estates with what they run, their size and how they are; and say how the installation is."""
    wanted, after = request.args.get("q", "").strip(), request.args.get("after", "")
    statement = select(Estate).where(Estate.code > after).order_by(Estate.code).limit(_SHOWN + 1)
    if wanted:
        like = f"%{wanted}%"
        statement = statement.where(
            or_(Estate.code.ilike(like), Estate.name.ilike(like), Estate.organisation.ilike(like))
        )
    found = request_session().scalars(statement).all()
    total = request_session().scalar(select(func.count()).select_from(Estate)) or 0
    rows = _facts(found[:_SHOWN])
    further = found[_SHOWN - 1].code if len(found) > _SHOWN else None
    failed = dict(installation().plugins.failed)
    return show("host.html", rows=rows, total=total, further=further, q=wanted, failed=failed, health=_health())


def _facts(estates: Any) -> list[dict[str, Any]]:
    """Return what the list says of each estate; the numbers come from all of them at once."""
    session, keys = request_session(), [each.id for each in estates]
    joined = select(Membership.estate_id, func.count()).where(Membership.estate_id.in_(keys))
    members = _pairs(session.execute(joined.group_by(Membership.estate_id)))
    plugins: dict[Any, list[str]] = {}
    enabled = select(EstatePlugin.estate_id, EstatePlugin.plugin).where(
        EstatePlugin.enabled, EstatePlugin.estate_id.in_(keys)
    )
    for key, name in session.execute(enabled):
        plugins.setdefault(key, []).append(name)
    record, file = Record.__table__.c, Attachment.__table__.c
    counted = select(record.estate_id, func.count(), func.count().filter(record.phase != "done"))
    counted = counted.where(record.estate_id.in_(keys)).group_by(record.estate_id)
    stored = select(file.estate_id, func.sum(file.size)).where(file.estate_id.in_(keys)).group_by(file.estate_id)
    with installation().database.engine("ops").connect() as connection:
        work = {key: (total, unfinished) for key, total, unfinished in connection.execute(counted)}
        files = _pairs(connection.execute(stored))
        broken = _pairs(connection.execute(_FAILED_JOBS, {"codes": [each.code for each in estates]}))
    return [
        {
            "estate": row,
            "members": members.get(row.id, 0),
            "plugins": sorted(plugins.get(row.id, [])),
            "records": work.get(row.id, (0, 0))[0],
            "open": work.get(row.id, (0, 0))[1],
            "bytes": int(files.get(row.id) or 0),
            "troubles": list(_troubles(plugins.get(row.id, []), broken.get(row.code, 0))),
        }
        for row in estates
    ]


def _pairs(rows: Iterable[Any]) -> dict[Any, Any]:
    return {row[0]: row[1] for row in rows}


def _troubles(plugins: list[str], failed_jobs: int) -> Iterator[Text]:
    """Yield what is wrong with an estate."""
    gone = sorted(set(plugins) - installation().plugins.loaded.keys())
    if gone:
        yield _("enabled, but not installed: {names}", names=", ".join(gone))
    if failed_jobs:
        yield _("{n} jobs failed", n=failed_jobs)


def _health() -> list[tuple[Text, Text, bool]]:
    """Return how the installation is: what, how much, and whether that is as it should be."""
    place = installation()
    with place.database.engine("app").connect() as connection:
        size = connection.scalar(text("SELECT pg_database_size(current_database())")) or 0
        jobs = _pairs(connection.execute(text("SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY 1")))
        alive = connection.scalar(
            text("SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - interval '1 minute'")
        )
        behind = versions.pending(connection, place.plugins)
    free = shutil.disk_usage(place.settings.data).free
    waiting, failed = jobs.get("todo", 0), jobs.get("failed", 0)
    trouble = schedule.trouble(place.settings, place.clock.now())
    backups = trouble or (_("up to date") if place.settings.backup_folder else _("by hand only"))
    return [
        (_("Version"), f"wuye {__version__}", True),
        (_("Tables"), _("behind: {names}", names=", ".join(behind)) if behind else _("up to date"), not behind),
        (_("Workers"), str(alive), bool(alive)),
        (_("Jobs waiting"), str(waiting), waiting < 1000),
        (_("Jobs failed"), str(failed), not failed),
        (_("Database"), sized(size), True),
        (_("Backups"), backups, trouble is None),
        (_("Free disk"), sized(free), free > 1 << 30),
    ]


def _new(caller: Caller) -> Any:
    """Create an estate with departments, a first manager, and a month of demo data if that is wanted."""
    problem: Problem | None = None
    if request.method == "POST":
        try:
            return _created(caller)
        except Problem as error:
            problem = error
    plugins = [(name, installation().plugins.registry.manifests[name]) for name in installation().plugins.names]
    return show(
        "host_new.html", problem.status if problem else 200, problem=problem, form=request.form, plugins=plugins,
        zones=sorted(available_timezones()), locales=[each for each in LANGUAGES if each[0] in LOCALES],
        chosen=request.form.getlist("plugins") if problem else [name for name, _manifest in plugins],
    )  # fmt: skip


def _created(caller: Caller) -> Any:
    """Create the estate and show it; the link for its first manager comes first, if no letter brings it."""
    code, invited = _create(caller)
    if invited is None or invited.link is None:
        return see(f"/host/estates/{code}")
    place = installation()
    with place.database.session() as session:
        info = find_estate(session, code)
    address = place.letters.address("invitation", invited.link, request.host_url)
    return show(
        "host_invited.html", estate=info, slip=slip_of(invited.email, address, moment(info, invited.expires_at))
    )


def _create(caller: Caller) -> tuple[str, Invited | None]:
    place, form = installation(), request.form
    zone, locale = form.get("zone", ""), form.get("locale", "")
    errors = [] if zone in available_timezones() else [FieldError("zone", _("There is no such time zone."))]
    if errors or locale not in LOCALES:
        raise Invalid(_("The estate cannot be created."), errors=errors)
    with place.database.session() as session:
        info = create_estate(
            session, place.clock, code=form.get("code", "").strip(), name=form.get("name", "").strip(),
            organisation=form.get("organisation", "").strip(), zone=zone, locale=locale,
        )  # fmt: skip
        ctx = place.context(session, info, _acting(caller), frozenset())
        enable(ctx, [name for name in form.getlist("plugins") if name in place.plugins.names])
        invited = None
        if email := form.get("email", "").strip():
            invited = invitations.invite(ctx, email=email, roles=[members.MANAGER])
        if form.get("demo"):
            estate_tasks.ask(ctx, estate_tasks.DEMO)
        ctx.seal()
    return info.code, invited


def _acting(caller: Caller) -> Actor:
    """Return the host as an actor: with every permission, under their own name."""
    return Actor(caller.user_id, None, caller.name, system_actor(installation().plugins).permissions)


@contextmanager
def _within(caller: Caller, code: str) -> Iterator[Context]:
    """Open a step of the host's in an estate, whatever its state; commits at the end."""
    place = installation()
    with place.database.session() as session:
        ctx = place.context(session, find_estate(session, code), _acting(caller))
        yield ctx
        ctx.seal()


def _estate(caller: Caller, code: str) -> Any:
    """Show one estate; export it, load demo data into it, suspend or resume it."""
    problem: Problem | None = None
    asked = False
    if request.method == "POST":
        act = request.form.get("act", "")
        asked = act == "suspend" and not request.form.get("sure")
        if not asked:
            try:
                with _within(caller, code) as ctx:
                    _do(ctx, act)
                return see(f"/host/estates/{code}")
            except Problem as error:
                problem = error
    with _within(caller, code) as ctx:
        row = ctx.session.get_one(Estate, ctx.estate.id)
        counts = {name: count for name, count in lifecycle.count_rows(ctx.session) if count}
        recent = ctx.session.scalars(
            select(Task).where(Task.kind.in_(_TASKS)).order_by(Task.created_at.desc()).limit(10)
        ).all()
    facts = _facts([row])[0]
    now = installation().clock.now()
    return show(
        "host_estate.html", problem.status if problem else 200, row=facts, estate=row, counts=counts, tasks=recent,
        problem=problem, asked=asked, running=any(each.running for each in recent),
        sized=sized, ago=lambda at: ago(at, now), since=format_date(row.created_at.astimezone(ctx.estate.tzinfo), locale=current_locale()), empty=not counts.get("core_property"),
    )  # fmt: skip


def _do(ctx: Context, act: str) -> None:
    if act in _TASKS:
        estate_tasks.ask(ctx, act)
        return
    absent(act in ("suspend", "resume"))
    ctx.session.get_one(Estate, ctx.estate.id).state = "suspended" if act == "suspend" else "active"
    ctx.note(ctx.estate.id, ctx.estate.id, f"estate_{act}", {"by": ctx.actor.name}, "staff")


def _send_export(caller: Caller, code: str, task: UUID) -> Any:
    """Send the file of an export."""
    with _within(caller, code) as ctx:
        path = estate_tasks.exported(ctx, task)
    response = send_file(path, mimetype="application/zip", as_attachment=True, download_name=f"{code}.zip")
    response.headers["Cache-Control"] = "no-store"
    return response

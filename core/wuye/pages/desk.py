"""What waits: for me (my desk), for the office (the coordination board), and how it goes (the overview)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from babel.dates import format_skeleton, get_day_names
from flask import Flask, request
from sqlalchemy import func, select

from wuye.errors import Text
from wuye.estates import portfolio
from wuye.i18n import _, current_locale
from wuye.identity.models import Membership
from wuye.imports import runs
from wuye.labels import department_label
from wuye.notifications import services as notifications
from wuye.pages import charts, slots
from wuye.pages.access import Visit, back_to, page, see
from wuye.pages.rendering import framed
from wuye.properties.models import Property
from wuye.records import figures
from wuye.referrals.models import OFFICE
from wuye.resources import query
from wuye.resources.declaration import Resource
from wuye.resources.schemas import load_with
from wuye.web.access import Access, installation

_FIELDS = (
    "id",
    "number",
    "title",
    "kind",
    "state",
    "phase",
    "priority",
    "due_at",
    "assignee",
    "opened_at",
    "place",
    "department",
    "requester",
)

_MOST = 30

#: The lists behind the figures.
_OPEN = {"filter[phase]": "!done"}
_LATE = {**_OPEN, "filter[due_at]": "..now", "sort": "due_at"}

#: What is late, but for the hand-overs: the work behind them is late too.
_LATE_WORK = {"phase": ["!done"], "due_at": ["..now"], "kind": ["!core.referral"]}


def register(app: Flask) -> None:
    """Add the pages."""
    page(app, "/e/<estate>", "desk", _desk)
    page(app, "/e/<estate>/notifications", "notifications", _notifications, None, ("GET", "POST"))
    page(app, "/e/<estate>/coordination", "coordination", _coordination, Access(("core.coordinate",)))
    page(app, "/e/<estate>/overview", "overview", _overview, Access(("core.read_records",)))


def _listed(visit: Visit, resource: Resource, sort: str, **filters: Sequence[str]) -> list[dict[str, Any]]:
    arguments = {f"filter[{name}]": list(values) for name, values in filters.items()}
    wanted = query.parse(resource, {**arguments, "sort": [sort], "limit": [str(_MOST)]})
    names = tuple(name for name in _FIELDS if name in resource.attributes)
    return query.run(visit.ctx, resource, query.Query(wanted.filters, None, sort, names, _MOST)).items


@dataclass(frozen=True, slots=True)
class FirstStep:
    """Something that a new estate still lacks."""

    label: Text
    note: Text
    icon: str
    url: str


def _first_steps(visit: Visit) -> Iterator[FirstStep]:
    """Yield what a new estate lacks, for those who can do something about it."""
    ctx = visit.ctx
    if ctx.may("core.configure") and ctx.plugins == {"core"}:
        note = _("Customer service, maintenance and others: each can be switched on and off at any time.")
        yield FirstStep(_("Choose the departments"), note, "plug", visit.url("settings"))
    homes = ctx.loaded.registry.resources["core.properties"]
    if runs.may(ctx, homes) and ctx.session.scalar(select(Property.id).limit(1)) is None:
        note = _("From your own Excel file, with its own headers.")
        yield FirstStep(_("Import homes and owners"), note, "upload", visit.url_of(homes, "import"))
    if ctx.may("core.configure"):
        members = select(func.count()).where(Membership.estate_id == ctx.estate.id)
        if (ctx.session.scalar(members) or 0) <= 1:
            note = _("Everybody signs in with an account of their own, and sees what their role needs.")
            yield FirstStep(_("Add your colleagues"), note, "people", visit.url("settings", "members"))


def _desk(visit: Visit) -> Any:
    """Show all that waits for somebody, over all departments: theirs to do, offered to them, asked by them."""
    ctx, resources = visit.ctx, visit.ctx.loaded.registry.resources
    records, referrals = resources["core.records"], resources["core.referrals"]
    groups: list[tuple[Any, str, list[dict[str, Any]]]] = []
    if ctx.may("core.read_own"):
        mine = _listed(visit, records, "due_at", assignee=["me"], phase=["!done"])
        groups.append((_("Mine to do"), "tool", [row for row in mine if row["kind"] != "core.referral"]))
    if ctx.may("core.take_referrals"):
        offered = [name for name, target in ctx.loaded.registry.targets.items()
                   if name in ctx.plugins and ctx.may(target.permission)]  # fmt: skip
        if offered:
            groups.append(
                (
                    _("Offered to my department"),
                    "swap",
                    _listed(visit, referrals, "due_at", state=["offered"], department=offered),
                )
            )
    for resource in resources.values():
        if (
            resource.kind
            and resource.plugin != "core"
            and visit.readable(resource)
            and resource.read in ctx.actor.permissions
        ):
            late = _listed(visit, resource, "due_at", phase=["!done"], due_at=["..now"])
            if late:
                label = department_label(ctx.loaded.registry, resource.plugin)
                groups.append((_("Overdue: {department}", department=label), "clock", late))
    if ctx.may("core.read_own"):
        asked = _listed(visit, records, "-opened_at", requester=["me"], phase=["!done"])
        groups.append((_("Asked by me"), "hand", [row for row in asked if row["kind"] != "core.referral"]))
    shown = [group for group in groups if group[2]]
    steps = list(_first_steps(visit)) if not shown else []
    return framed(
        visit, "desk.html", title=_("My desk"), groups=shown, greeting=_greeting(visit), steps=steps,
        cards=slots.cards(visit, "desk"),
    )  # fmt: skip


def _greeting(visit: Visit) -> Any:
    hour = visit.ctx.now.astimezone(visit.ctx.estate.tzinfo).hour
    name = visit.ctx.actor.name
    if hour < 11:
        return _("Good morning, {name}", name=name)
    return _("Good afternoon, {name}", name=name) if hour < 18 else _("Good evening, {name}", name=name)


def _notifications(visit: Visit) -> Any:
    """Show what somebody was told; or note that they have seen all of it, or what is about a record, and go on to that."""
    if request.method == "POST":
        record = request.form.get("record")
        notifications.see(visit.ctx, load_with(notifications.Seen(), {"record": record} if record else {"all": True}))
        return see(back_to(request.form.get("next"), visit.url("notifications")))
    arguments = {"after": request.args["after"]} if request.args.get("after") else {}
    told = notifications.listing(visit.ctx, arguments)
    return framed(visit, "notifications.html", title=_("Notifications"), items=told.items, after=told.after)


def _coordination(visit: Visit) -> Any:
    """Show the office the exceptions only: what nobody took, what came back, what is late anywhere."""
    resources = visit.ctx.loaded.registry.resources
    referrals, records = resources["core.referrals"], resources["core.records"]
    untaken = _listed(visit, referrals, "-opened_at", state=["offered"], department=[OFFICE])
    waiting = _listed(visit, referrals, "due_at", state=["offered"], department=[f"!{OFFICE}"])
    returned = _listed(visit, referrals, "-opened_at", state=["returned"])
    late = _listed(visit, records, "due_at", **_LATE_WORK)
    groups = [
        (_("Nobody took it"), "swap", untaken, _("Route it to a department that is enabled, or have it done by hand.")),
        (_("Offered, not answered"), "clock", waiting, _("The department has not taken or refused it yet.")),
        (_("Sent back"), "undo", returned, _("Whoever asked did not accept the result.")),
        (
            _("Overdue"),
            "alert",
            late,
            _("Past its promise, in any department."),
        ),
    ]
    return framed(visit, "coordination.html", title=_("Coordination"), groups=groups)


def _overview(visit: Visit) -> Any:
    """Show how it goes: figures, what comes in and gets done, what is open where, and when it arrives."""
    ctx = visit.ctx
    today = ctx.now.astimezone(ctx.estate.tzinfo).date()
    kinds = [str(r.kind) for r in ctx.loaded.registry.resources.values() if r.kind and r.plugin != "core"]
    days = [today - timedelta(days=29 - n) for n in range(30)]
    happened = figures.of_days(ctx, days[0], today, kinds)
    created, done = [happened.opened[day] for day in days], [happened.closed[day] for day in days]
    open_rows = ctx.session.fetch(_OPEN_WORK, {"now": ctx.now, "kinds": kinds})
    by_department: dict[str, list[int]] = {}
    for department, phase, late, count in open_rows:
        place = 2 if late else 1 if phase == "waiting" else 0
        by_department.setdefault(department, [0, 0, 0])[place] += count
    estates = portfolio.overseen(ctx.session, ctx.loaded.registry, visit.caller.user_id)
    compared = portfolio.standings(installation().database, estates, ctx.now) if len(estates) > 1 else []
    tiles = _tiles(visit, by_department, created, done, happened)
    ticks = [(n, format_skeleton("MMMd", days[n], locale=current_locale())) for n in (0, 10, 20, 28)]
    bars = [
        (str(department_label(ctx.loaded.registry, name)), values) for name, values in sorted(by_department.items())
    ]
    return framed(
        visit,
        "overview.html",
        title=_("Overview"),
        greeting=_greeting(visit),
        figures=tiles,
        estates=[(each, f"/e/{each.code}/records?{urlencode(_LATE)}") for each in compared],
        days=list(zip(days, created, done, strict=True)),
        daily=charts.lines(
            # A day that has just begun would look like a fall.
            [charts.Series(str(_("Came in")), created[:-1]), charts.Series(str(_("Done")), done[:-1], "b")],
            ticks,
        ),
        departments=bars,
        by_department=charts.stacked(bars, ("fa", "fs", "fr")),
        **_arrivals(happened),
        cards=slots.cards(visit, "overview"),
        attention=_listed(visit, ctx.loaded.registry.resources["core.records"], "due_at", **_LATE_WORK)[:5],
    )


#: Text already, so that the database knows the index of what is open by these words.
_OPEN_WORK = """
    SELECT department, phase, due_at < %(now)s AS late, count(*) FROM core_record
    WHERE phase <> 'done' AND kind = ANY(%(kinds)s) GROUP BY department, phase, late
    """


def _arrivals(happened: figures.Figures) -> dict[str, Any]:
    counted = happened.arrivals
    names = get_day_names("abbreviated", locale=current_locale())
    grid = [(names[day - 1], [counted[day, at] for at in range(6, 23)]) for day in range(1, 8)]
    labels = [(at - 6, f"{at}:00") for at in (6, 9, 12, 15, 18, 21)]
    return {"arrivals": charts.heat(grid, labels), "grid": grid, "hours": list(range(6, 23))}


def _tiles(
    visit: Visit, open_work: dict[str, list[int]], created: list[int], done: list[int], happened: figures.Figures
) -> list[dict[str, Any]]:
    """Return the tiles: label, value, unit, and what it was before."""
    late = sum(values[2] for values in open_work.values())
    week, before = sum(created[-7:]), sum(created[-14:-7])
    share = round(100 * happened.kept / happened.promised) if happened.promised else None
    hours = round(happened.median_hours, 1) if happened.median_hours is not None else None
    return [
        {"label": _("Open work"), "value": sum(map(sum, open_work.values())), "unit": "", "note": _("all departments"), "trend": "", "url": visit.url("records", **_OPEN)},
        {"label": _("Overdue"), "value": late, "unit": "", "note": _("past their promise"), "trend": "bad" if late else "good", "url": visit.url("records", **_LATE)},
        {"label": _("Came in within 7 days"), "value": week, "unit": "", "note": _("{n} the week before", n=before), "trend": ""},
        {"label": _("Done within 7 days"), "value": sum(done[-7:]), "unit": "", "note": _("{n} the week before", n=sum(done[-14:-7])), "trend": ""},
        {"label": _("Done within promise"), "value": "–" if share is None else share, "unit": "" if share is None else "%", "note": _("30 days, target 95%"), "trend": "" if share is None else "good" if share >= 95 else "bad"},
        {"label": _("Median time to close"), "value": "–" if hours is None else hours, "unit": "" if hours is None else "h", "note": _("30 days"), "trend": ""},
    ]  # fmt: skip

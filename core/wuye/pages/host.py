"""The host's console: which estates there are, what they run, how large they are, and how the installation is."""

from typing import Any

from flask import Flask, request
from sqlalchemy import func, select

from wuye import __version__
from wuye.clock import Clock
from wuye.errors import NotFound, Problem
from wuye.estates.models import Estate, EstatePlugin
from wuye.estates.services import create_estate, enable, system_actor
from wuye.i18n import _
from wuye.identity.models import Membership
from wuye.pages.access import see, signed_in
from wuye.pages.rendering import plain
from wuye.records.models import Record
from wuye.web import browser
from wuye.web.access import SIGNED_IN, Access, declare, installation
from wuye.web.database import request_session


def register(app: Flask) -> None:
    """Add the page; it is for host admins alone, for everybody else there is none."""
    app.add_url_rule("/host", "pages.host", declare(_host, Access((SIGNED_IN,))), methods=["GET", "POST"])


def _host() -> Any:
    """Show the estates; create one, suspend or resume one."""
    caller = signed_in()
    if not caller.host_admin:
        raise NotFound
    problem: Problem | None = None
    if request.method == "POST":
        try:
            _change(installation().clock)
            return see("/host")
        except Problem as error:
            problem = error
    rows = _rows()
    place = installation()
    plugins = [(name, place.plugins.registry.manifests[name].label) for name in place.plugins.names]
    return plain(
        "host.html", problem.status if problem else 200, rows=rows, plugins=plugins, problem=problem, caller=caller,
        version=__version__, failed=dict(place.plugins.failed), form=request.form,
        token=browser.proof(place.database.secret, browser.cookie() or ""),
    )  # fmt: skip


def _change(clock: Clock) -> None:
    place, form = installation(), request.form
    with place.database.session() as session:
        if form.get("act") == "create":
            info = create_estate(
                session, clock, code=form.get("code", "").strip(), name=form.get("name", "").strip(),
                zone=form.get("zone") or "Asia/Shanghai",
            )  # fmt: skip
            ctx = place.context(session, info, system_actor(place.plugins), frozenset())
            enable(ctx, [name for name in form.getlist("plugins") if name in place.plugins.names])
            ctx.seal()
            return
        row = session.scalar(select(Estate).where(Estate.code == form.get("estate", "")))
        if row is None:
            raise NotFound(_("There is no estate “{code}”.", code=form.get("estate", "")))
        row.state = "suspended" if form.get("act") == "suspend" else "active"


def _rows() -> list[dict[str, Any]]:
    """Return every estate with plugins, members, open work and all work; the numbers come from all estates at once."""
    session = request_session()
    members: dict[Any, int] = {
        row[0]: row[1]
        for row in session.execute(select(Membership.estate_id, func.count()).group_by(Membership.estate_id))
    }
    plugins: dict[Any, list[str]] = {}
    for key, name in session.execute(select(EstatePlugin.estate_id, EstatePlugin.plugin).where(EstatePlugin.enabled)):
        plugins.setdefault(key, []).append(name)
    table = Record.__table__.c
    counted = select(table.estate_id, func.count(), func.count().filter(table.phase != "done")).group_by(
        table.estate_id
    )
    with installation().database.engine("ops").connect() as connection:
        work = {key: (total, unfinished) for key, total, unfinished in connection.execute(counted)}
    return [
        {
            "estate": row,
            "members": members.get(row.id, 0),
            "plugins": sorted(plugins.get(row.id, [])),
            "records": work.get(row.id, (0, 0))[0],
            "open": work.get(row.id, (0, 0))[1],
        }
        for row in session.scalars(select(Estate).order_by(Estate.code).limit(500))
    ]

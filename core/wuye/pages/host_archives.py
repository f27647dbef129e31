"""The host's pages of backups, and of estates that come from elsewhere.

A backup cannot be fetched here: it holds all estates and the secret, which nobody should have on the way through a browser.
"""

from functools import partial
from typing import Any, cast
from uuid import UUID

import structlog
from flask import request

from wuye.archives import arrivals, schedule
from wuye.errors import Problem, Text
from wuye.estates.services import check_code
from wuye.i18n import _
from wuye.identity.services import Caller
from wuye.jobs.queue import put_arrival, put_backup
from wuye.labels import role_label
from wuye.pages.access import see
from wuye.pages.times import ago, sized
from wuye.web.access import installation

log = structlog.get_logger("wuye.host")

#: The largest export that a browser may send; the command line takes larger ones.
LARGEST = 256 * 1024 * 1024


def backups(caller: Caller) -> tuple[str, int, dict[str, Any]]:
    """Show the backups that there are, and have another one made: template, status, values."""
    place = installation()
    if request.method == "POST":
        with place.database.session() as session:
            put_backup(session)
        log.info("backup asked for", user=str(caller.user_id))
        return "", 303, {"to": see("/host/backups?asked=1")}
    now, state = place.clock.now(), schedule.state_of(place.settings)
    listed = schedule.listing(place.settings)
    running = state is not None and state.state == "working"
    asked = bool(request.args.get("asked")) and (state is None or (now - state.at).total_seconds() > 60) and not running
    return "host_backups.html", 200, {
        "listed": listed, "state": state, "running": running or asked, "part": _(state.part) if state and state.part else "",
        "scheduled": place.settings.backup_folder is not None, "folder": schedule.folder_of(place.settings),
        "hour": place.settings.backup_hour, "keep": place.settings.backup_keep, "sized": sized,
        "trouble": schedule.trouble(place.settings, now), "ago": lambda at: ago(at, now),
    }  # fmt: skip


def arrive(caller: Caller) -> tuple[str, int, dict[str, Any]]:
    """Take an export that is sent, and have an estate made of it: template, status, values."""
    place, problem = installation(), cast(Text | None, None)
    if request.method == "POST":
        code = request.form.get("code", "").strip() or None
        sent = request.files.get("file")
        try:
            if sent is None or not sent.filename:
                problem = _("Choose a file first.")
            else:
                if code:
                    check_code(code)
                again = bool(request.form.get("members"))
                arrival = arrivals.take(place, sent.stream, code=code, with_members=again, by=caller.name)  # type: ignore[arg-type]  # it can be read
                with place.database.session() as session:
                    put_arrival(session, arrival.id)
                log.info("import of an estate asked for", user=str(caller.user_id), arrival=str(arrival.id))
                return "", 303, {"to": see(f"/host/import/{arrival.id}")}
        except Problem as error:
            problem = str(error)
    now = place.clock.now()
    return "host_import.html", 422 if problem else 200, {
        "problem": problem, "form": request.form, "largest": LARGEST >> 20, "recent": arrivals.recent(place.settings.data),
        "ago": lambda at: ago(at, now),
    }  # fmt: skip


def arrival(_caller: Caller, identity: UUID) -> tuple[str, int, dict[str, Any]]:
    """Show how far an import is, and what came of it: template, status, values."""
    found = arrivals.find(installation().settings.data, identity)
    registry = installation().plugins.registry
    return "host_arrival.html", 200, {
        "arrival": found, "part": _(found.part) if found.part else "", "role_of": partial(role_label, registry),
    }  # fmt: skip

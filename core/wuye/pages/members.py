"""Members and roles: who is one, who is invited; roles are given, an estate is closed to a member and opened again."""

from typing import Any
from uuid import UUID

from flask import Flask, request

from wuye.errors import NotFound, Problem
from wuye.identity import invitations, members
from wuye.identity.invitations import Asked, Invited
from wuye.pages import forms
from wuye.pages.access import Visit, page, see
from wuye.pages.settings import show_tab
from wuye.pages.slips import Slip, slip_of
from wuye.pages.times import moment
from wuye.resources.schemas import load_with
from wuye.web.access import Access

_CONFIGURE = Access(("core.configure",))

#: What the form asks for besides roles, which are boxes to tick.
_FIELDS = ("email", "person")


def register(app: Flask) -> None:
    """Add the page."""
    page(app, "/e/<estate>/settings/members", "settings.members", _members, _CONFIGURE, ("GET", "POST"))


def _members(visit: Visit) -> Any:
    """Show who is a member with which roles and who is invited; do what a form says."""
    problem: Problem | None = None
    slip: Slip | None = None
    if request.method == "POST":
        try:
            done = _do(visit)
        except Problem as error:
            visit.ctx.session.rollback()
            visit.ctx.discard()
            problem = error
        else:
            slip = _slip(visit, done) if done is not None else None
            if slip is None:
                return see(visit.url("settings", "members"))
    return _show(visit, problem, slip)


def _show(visit: Visit, problem: Problem | None, slip: Slip | None) -> Any:
    ctx = visit.ctx
    registry = ctx.loaded.registry
    roles = [role for role in registry.roles if role.partition(".")[0] in ctx.plugins]
    grants = {role: [registry.permissions[name] for name in sorted(registry.roles[role])] for role in roles}
    inviting = problem is not None and request.form.get("act") == "invite"
    typed = request.form.to_dict() if inviting else {}
    shown = forms.inputs(visit, Asked(), _FIELDS, typed, problem.errors if problem is not None and inviting else ())
    return show_tab(
        visit, "settings_members.html", problem.status if problem else 200, rows=members.listing(ctx),
        invited=invitations.pending(ctx), roles=roles, grants=grants, problem=problem, slip=slip, inputs=list(shown),
        chosen=request.form.getlist("roles") if inviting else [], locale_chosen=typed.get("locale") or ctx.estate.locale, mails=ctx.letters.mailbox is not None,
    )  # fmt: skip


def _slip(visit: Visit, invited: Invited) -> Slip | None:
    if invited.link is None:
        return None
    address = visit.ctx.letters.address("invitation", invited.link, request.host_url)
    return slip_of(invited.email, address, moment(visit.ctx.estate, invited.expires_at))


def _do(visit: Visit) -> Invited | None:
    """Do what the form says; return what came of an invitation."""
    ctx, form = visit.ctx, request.form
    act = form.get("act", "")
    if act == "invite":
        return _invite(visit)
    if act == "renew":
        return invitations.renew(ctx, _key("invitation"))
    if act == "withdraw":
        invitations.withdraw(ctx, _key("invitation"))
    elif act == "change":
        members.change_roles(ctx, _key("user"), form.getlist("roles"))
    elif act in _DEEDS:
        _DEEDS[act](ctx, _key("user"))
    else:
        raise NotFound
    return None


def _invite(visit: Visit) -> Invited:
    given = forms.answers(visit, Asked(), _FIELDS, request.form, whole=True)
    given.data |= {
        "roles": request.form.getlist("roles"),
        "locale": request.form.get("locale") or visit.ctx.estate.locale,
    }
    forms.checked(Asked(), given)
    return invitations.invite(visit.ctx, **load_with(Asked(), given.data))


_DEEDS = {"suspend": members.suspend, "resume": members.resume, "remove": members.remove}


def _key(name: str) -> UUID:
    """Return the id that a form names.

    Raises:
        NotFound: it is none.
    """
    try:
        return UUID(request.form.get(name, ""))
    except ValueError as error:
        raise NotFound from error

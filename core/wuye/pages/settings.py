"""The settings of an estate: which plugins it runs, who is a member with which roles, where categories are routed."""

from typing import Any
from uuid import UUID

from flask import Flask, request
from sqlalchemy import delete, select

from wuye.errors import Conflict, Forbidden, NotFound, Problem, Text
from wuye.estates import services as estates
from wuye.i18n import _
from wuye.identity.models import ApiToken, Membership, User
from wuye.identity.services import add_member, create_user, find_user
from wuye.labels import department_label
from wuye.pages.access import Visit, page, see
from wuye.pages.rendering import framed
from wuye.people.models import Person
from wuye.referrals.models import Route
from wuye.web.access import Access, installation

_CONFIGURE = Access(("core.configure",))


def register(app: Flask) -> None:
    """Add the pages."""
    page(app, "/e/<estate>/settings", "settings", _plugins, _CONFIGURE, ("GET", "POST"))
    page(app, "/e/<estate>/settings/members", "settings.members", _members, _CONFIGURE, ("GET", "POST"))
    page(app, "/e/<estate>/settings/routing", "settings.routing", _routing, _CONFIGURE)


def tabs(visit: Visit) -> list[tuple[Text, str]]:
    """Return the pages of the settings, those of the enabled plugins among them: label, address."""
    ctx, registry = visit.ctx, visit.ctx.loaded.registry
    common: list[tuple[Text, str]] = [
        (_("Plugins"), visit.url("settings")),
        (_("Members and roles"), visit.url("settings", "members")),
        (_("Routing"), visit.url("settings", "routing")),
        (_("Import"), visit.url("settings", "imports")),
    ]
    plugins = [
        (department_label(registry, name), visit.url("settings", "plugins", name.replace("_", "-")))
        for name, declared in registry.settings.items()
        if name in ctx.plugins and ctx.may(declared.permission)
    ]
    return [*(common if ctx.may("core.configure") else []), *plugins]


def show_tab(visit: Visit, template: str, status: int = 200, **values: Any) -> Any:
    """Return a page of the settings with the tabs to the others."""
    return framed(visit, template, status, tabs=tabs(visit), title=_("Settings"), **values)


def _plugins(visit: Visit) -> Any:
    """Show what is installed and enabled, with what disabling would affect; enable and disable."""
    ctx = visit.ctx
    problem: Problem | None = None
    asked = ""
    if request.method == "POST":
        name = request.form.get("plugin", "")
        try:
            if request.form.get("act") == "enable":
                estates.enable(ctx, [name])
            else:
                estates.disable(ctx, name, force=bool(request.form.get("force")))
            return see(visit.url("settings"))
        except Conflict as error:
            problem, asked = error, name
    enabled = estates.enabled_plugins(ctx.session, ctx.estate.id)
    manifests = ctx.loaded.registry.manifests
    rows = [
        {
            "name": name,
            "manifest": manifests[name],
            "enabled": name in enabled,
            "open": estates.open_work(ctx, name) if name in enabled else [],
        }
        for name in ctx.loaded.names
    ]
    gone = sorted(enabled - manifests.keys())
    failed = dict(ctx.loaded.failed)
    status = problem.status if problem else 200
    return show_tab(
        visit, "settings_plugins.html", status, rows=rows, gone=gone, failed=failed, problem=problem, asked=asked
    )


def _members(visit: Visit) -> Any:
    """Show who is a member with which roles; add somebody, change roles, remove somebody."""
    ctx = visit.ctx
    problem: Problem | None = None
    if request.method == "POST":
        try:
            _change_member(visit)
            return see(visit.url("settings", "members"))
        except Problem as error:
            ctx.session.rollback()
            ctx.discard()
            problem = error
    rows = ctx.session.execute(
        select(
            Membership.id,
            Membership.user_id,
            Membership.roles,
            User.email,
            User.name,
            User.active,
            Person.name.label("person"),
        )
        .join(User, User.id == Membership.user_id)
        .outerjoin(Person, Person.id == Membership.person_id)
        .where(Membership.estate_id == ctx.estate.id)
        .order_by(User.email)
    ).all()
    registry = ctx.loaded.registry
    roles = [role for role in registry.roles if role.partition(".")[0] in ctx.plugins]
    grants = {role: [registry.permissions[name] for name in sorted(registry.roles[role])] for role in roles}
    status = problem.status if problem else 200
    return show_tab(visit, "settings_members.html", status, rows=rows, roles=roles, grants=grants, problem=problem)


def _change_member(visit: Visit) -> None:
    """Do what the form says; nobody takes their own membership away, which could leave an estate without a manager."""
    ctx = visit.ctx
    registry, form = ctx.loaded.registry, request.form
    if form.get("act") == "add":
        email = form.get("email", "")
        try:
            user = find_user(ctx.session, email)
        except NotFound:
            user = create_user(
                ctx.session,
                installation().clock,
                email=email,
                name=form.get("name", ""),
                password=form.get("password") or None,
            )
        if ctx.session.scalar(
            select(Membership.id).where(Membership.estate_id == ctx.estate.id, Membership.user_id == user.id)
        ):
            raise Conflict(_("{email} is a member already.", email=user.email))
        add_member(ctx.session, registry, ctx.estate, user, form.getlist("roles"))
        ctx.note(user.id, user.id, "member_added", {"email": user.email, "roles": form.getlist("roles")}, "staff")
        return
    try:
        wanted = UUID(form.get("user", ""))
    except ValueError as error:
        raise NotFound from error
    row = ctx.session.scalar(
        select(Membership).where(Membership.estate_id == ctx.estate.id, Membership.user_id == wanted)
    )
    if row is None:
        raise NotFound
    if wanted == ctx.actor.user_id:
        raise Forbidden(_("Somebody else must change your own roles."))
    if form.get("act") == "remove":
        ctx.session.execute(delete(ApiToken).where(ApiToken.estate_id == ctx.estate.id, ApiToken.user_id == wanted))
        ctx.session.delete(row)
        ctx.note(wanted, wanted, "member_removed", {"roles": row.roles}, "staff")
        return
    before = list(row.roles)
    user = ctx.session.get_one(User, wanted)
    add_member(ctx.session, registry, ctx.estate, user, form.getlist("roles"))
    ctx.note(wanted, wanted, "roles_changed", {"changes": {"roles": [before, form.getlist("roles")]}}, "staff")


def _routing(visit: Visit) -> Any:
    """Show which department each category goes to, and whether it can take it now."""
    rows = visit.ctx.session.scalars(select(Route).order_by(Route.category)).all()
    resource = visit.ctx.loaded.registry.resources["core.routes"]
    targets = visit.ctx.loaded.registry.targets.keys() & visit.ctx.plugins
    return show_tab(visit, "settings_routing.html", rows=rows, resource=resource, targets=targets)

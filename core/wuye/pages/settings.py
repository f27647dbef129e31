"""The settings of an estate: which plugins it runs, where categories are routed; and the tabs to all others."""

from typing import Any

from flask import Flask, request
from sqlalchemy import select

from wuye.errors import Conflict, Problem, Text
from wuye.estates import services as estates
from wuye.i18n import _
from wuye.labels import settings_label
from wuye.pages.access import Visit, page, see
from wuye.pages.rendering import framed
from wuye.referrals.models import Route
from wuye.web.access import Access

_CONFIGURE = Access(("core.configure",))


def register(app: Flask) -> None:
    """Add the pages."""
    page(app, "/e/<estate>/settings", "settings", _plugins, _CONFIGURE, ("GET", "POST"))
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
        (settings_label(registry, name), visit.url("settings", "plugins", name.replace("_", "-")))
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
    work = estates.open_work(ctx)
    rows = [
        {
            "name": name,
            "manifest": manifests[name],
            "enabled": name in enabled,
            "open": [each for each in work if each.plugin == name] if name in enabled else [],
        }
        for name in ctx.loaded.names
    ]
    gone = sorted(enabled - manifests.keys())
    failed = dict(ctx.loaded.failed)
    status = problem.status if problem else 200
    return show_tab(
        visit, "settings_plugins.html", status, rows=rows, gone=gone, failed=failed, problem=problem, asked=asked
    )


def _routing(visit: Visit) -> Any:
    """Show which department each category goes to, and whether it can take it now."""
    rows = visit.ctx.session.scalars(select(Route).order_by(Route.category)).all()
    resource = visit.ctx.loaded.registry.resources["core.routes"]
    targets = visit.ctx.loaded.registry.targets.keys() & visit.ctx.plugins
    return show_tab(visit, "settings_routing.html", rows=rows, resource=resource, targets=targets)

"""The page of a plugin's settings: a form made from its declaration, checked by the same rules as the API."""

from dataclasses import replace
from typing import Any

from flask import Flask, request

from wuye import labels
from wuye.errors import Invalid, Problem, Stale
from wuye.i18n import _
from wuye.pages import forms
from wuye.pages.access import Visit, page, see
from wuye.pages.settings import show_tab
from wuye.settings import services
from wuye.settings.declaration import Settings
from wuye.web.access import Access

_VERSION = "_version"


def register(app: Flask, declared: Settings) -> None:
    """Add the page of one plugin."""
    page(
        app, f"/e/<estate>/settings/plugins/{declared.plugin.replace('_', '-')}", f"settings.{declared.plugin}",
        lambda visit: _settings(visit, declared), Access((declared.permission,), declared.plugin), ("GET", "POST"),
    )  # fmt: skip


def _settings(visit: Visit, declared: Settings) -> Any:
    """Show what can be decided about a plugin, with what was changed before; or change it."""
    ctx, schema = visit.ctx, declared.schema
    names = list(declared.items)
    if request.method == "GET":
        return _show(visit, declared, services.shown(ctx, declared)["values"])
    given = forms.answers(visit, schema, names, request.form, whole=False)
    version = request.form.get(_VERSION, "")
    try:
        forms.checked(schema, given)
        services.change(ctx, declared, given.data, int(version) if version.isdecimal() else None)
    except (Invalid, Stale) as problem:
        ctx.session.rollback()
        ctx.discard()
        ctx.forget_settings()
        return _show(visit, declared, request.form.to_dict(), problem)
    return see(visit.url("settings", "plugins", declared.plugin.replace("_", "-"), saved=1))


def _show(visit: Visit, declared: Settings, values: dict[str, Any], problem: Problem | None = None) -> Any:
    errors = problem.errors if problem else ()
    usual = declared.schema.dump(declared.defaults)
    inputs = [
        one
        if one.kind == "boolean"
        else replace(one, help=_("{help} Usual: {value}.", help=one.help, value=usual[one.name]))
        for one in forms.inputs(visit, declared.schema, list(declared.items), values, errors)
    ]
    return show_tab(
        visit,
        "settings_plugin.html",
        problem.status if problem else 200,
        heading=labels.settings_label(visit.ctx.loaded.registry, declared.plugin),
        inputs=inputs,
        version=services.shown(visit.ctx, declared)["version"],
        changes=[_worded(declared, change) for change in services.history(visit.ctx, declared)],
        problem=problem,
        saved="saved" in request.args and problem is None,
    )


def _worded(declared: Settings, change: services.Change) -> dict[str, Any]:
    """Return a change as people read it; a setting that is not declared any more has its name as a label."""
    said = {True: _("Yes"), False: _("No")}
    changes = [
        (
            declared.items[name].label if name in declared.items else labels.worded(name),
            *(said[value] if isinstance(value, bool) else value for value in pair),
        )
        for name, pair in change.changes.items()
    ]
    return {"at": change.at, "who": change.who, "changes": changes}

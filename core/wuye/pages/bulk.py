"""One action on many things at once: choose it, give what it wants, see what became of each; or give them to somebody."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from flask import Flask, request

from wuye.errors import Invalid, Problem
from wuye.i18n import _
from wuye.pages import forms, tasks
from wuye.pages.access import Visit, back_to, base_of, page, see
from wuye.pages.rendering import framed
from wuye.people.services import Worker, on_duty
from wuye.records.flow import Transition
from wuye.resources import fields, many, query, views
from wuye.resources.declaration import Resource
from wuye.resources.schemas import input_schema
from wuye.resources.undo import Doing
from wuye.tasks import acting
from wuye.web.access import Access

#: As many of the chosen as are named before one says what to do with them.
_NAMED = 50

#: As many people as have room under a list.
_PEOPLE = 6


def register(app: Flask, resource: Resource, access: Access) -> None:
    """Add the page of a resource that has a flow."""
    page(
        app,
        f"{base_of(resource)}/bulk",
        f"{resource.key}.bulk",
        lambda visit: _bulk(visit, resource),
        access,
        ("POST",),
    )


def people(visit: Visit, resource: Resource) -> list[Worker]:
    """Return who is on duty in the department of a list, if the visitor may give them its work; the least busy first."""
    steps = resource.flow.transitions.values() if resource.flow else ()
    if not any(_gives(step) and visit.ctx.may(step.permission) for step in steps):
        return []
    return on_duty(visit.ctx, resource.plugin, _PEOPLE)


def _gives(step: Transition) -> bool:
    """Whether a step asks for nothing but somebody to give the work to."""
    wanted = input_schema(step).fields
    item = wanted.get("assignee")
    return isinstance(item, fields.Reference) and item.target == "person" and len(wanted) == 1


def _bulk(visit: Visit, resource: Resource) -> Any:
    """Take one action on all chosen things."""
    rows = many.chosen(visit.ctx, resource, _chosen(visit, resource))
    possible = many.possible(visit.ctx, rows)
    onward = back_to(request.form.get("next"), visit.url_of(resource))
    shown: dict[str, Any] = {
        "resource": resource, "rows": rows, "named": rows[:_NAMED], "possible": possible, "results": None, "onward": onward,
    }  # fmt: skip
    if person := request.form.get("give"):
        action = next((step for step in possible.values() if _gives(step)), None)
        return _done(visit, resource, rows, action, {"assignee": person}, shown) if action else _choice(visit, shown)
    action = possible.get(request.form.get("action", ""))
    if action is None:
        return _choice(visit, shown)
    schema = input_schema(action)
    names = forms.names_of(schema)
    if request.form.get("step") != "do":
        return _choice(visit, shown, action, list(forms.inputs(visit, schema, names, {})))
    given = forms.answers(visit, schema, names, request.form, whole=True)
    try:
        forms.checked(schema, given)
    except Invalid as problem:
        again = list(forms.inputs(visit, schema, names, request.form.to_dict(), problem.errors, given.matches))
        return _choice(visit, shown, action, again, problem)
    return _done(visit, resource, rows, action, given.data, shown)


def _chosen(visit: Visit, resource: Resource) -> list[UUID]:
    """Return what was chosen: single things (`id`, or `ids` in one field), or all that a list's query finds (`all`).

    Raises:
        Invalid: it is more than can be done at once.
    """
    if request.form.get("all"):
        arguments = views.arguments_of(request.form.get("query", ""))
        found = many.matching(visit.ctx, resource, query.parse(resource, arguments))
        identities = list(islice(found, many.MOST + 1))
    else:
        texts = [*request.form.getlist("id"), *request.form.get("ids", "").split(",")]
        identities = [UUID(text) for text in texts if _is_id(text)]
    if len(identities) > many.MOST:
        raise Invalid(
            _("These are more than {n}: too many for one action.", n=many.MOST),
            hint=_("Narrow the list by a filter, and take one part after the other."),
        )
    return identities


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _choice(
    visit: Visit,
    shown: dict[str, Any],
    action: Transition | None = None,
    inputs: Sequence[forms.Input] = (),
    problem: Problem | None = None,
) -> Any:
    """Ask which action, or what it wants to know."""
    return framed(
        visit, "bulk.html", problem.status if problem else 200, title=_("Do with {n}", n=len(shown["rows"])), action=action,
        inputs=inputs, problem=problem, **shown,
    )  # fmt: skip


def _done(
    visit: Visit,
    resource: Resource,
    rows: Sequence[many.Chosen],
    action: Transition,
    data: Mapping[str, Any],
    shown: dict[str, Any],
) -> Any:
    """Take the action on each and go back to the list; what could not be done is told on a page, with the reason.

    What takes longer than somebody should wait is done in the background.
    """
    identities = [row.id for row in rows]
    if len(rows) > acting.AT_ONCE:
        return see(tasks.address(visit, acting.ask(visit.ctx, resource, identities, action.name, data)))
    visit.doing = Doing(visit.ctx, resource, action.name)
    refused = {each.id: each for each in many.act(visit.ctx, resource, identities, action.name, data, visit.doing)}
    if not refused:
        return see(shown["onward"])
    results = [(row, refused.get(row.id)) for row in rows]
    return framed(visit, "bulk.html", title=action.label, inputs=[], problem=None, action=action,
                  **{**shown, "results": results})  # fmt: skip

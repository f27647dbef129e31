"""One action on many things at once: choose it, give what it wants, see what became of each; or give them to somebody."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import Flask, request

from wuye.errors import Invalid, Problem, Text
from wuye.i18n import _
from wuye.pages import forms
from wuye.pages.access import Visit, back_to, base_of, page, see
from wuye.pages.rendering import framed
from wuye.people.services import Worker, on_duty
from wuye.records import services as records
from wuye.records.flow import Transition
from wuye.resources import fields, query, service
from wuye.resources.declaration import Resource
from wuye.resources.schemas import input_schema
from wuye.resources.undo import Doing
from wuye.web.access import Access

#: As many as one page can show.
_MOST = query.MAX_LIMIT

#: As many people as have room under a list.
_PEOPLE = 6

Rows = Sequence[Mapping[str, Any]]


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
    rows = [service.read(visit.ctx, resource, identity) for identity in _chosen()]
    possible = {
        step.name: step for row in rows for step in records.available(visit.ctx, records.sketch(resource.kind, row))
    }
    onward = back_to(request.form.get("next"), visit.url_of(resource))
    shown: dict[str, Any] = {
        "resource": resource, "rows": rows, "possible": possible, "results": None, "onward": onward,
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


def _chosen() -> list[UUID]:
    return [UUID(text) for text in request.form.getlist("id") if _is_id(text)][:_MOST]


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
    visit: Visit, resource: Resource, rows: Rows, action: Transition, data: Mapping[str, Any], shown: dict[str, Any]
) -> Any:
    """Take the action on each and go back to the list; what could not be done is told on a page, with the reason."""
    visit.doing = Doing(visit.ctx, resource, action.name)
    results = [(row, _one_of_many(visit, visit.doing, row, data)) for row in rows]
    if not any(reason for _row, reason in results):
        return see(shown["onward"])
    return framed(visit, "bulk.html", title=action.label, inputs=[], problem=None, action=action,
                  **{**shown, "results": results})  # fmt: skip


def _one_of_many(visit: Visit, doing: Doing, row: Mapping[str, Any], data: Mapping[str, Any]) -> Text | None:
    """Take the action on one; return why not if it cannot be done, which costs the others nothing."""
    try:
        with visit.ctx.session.begin_nested(), doing.watched(row["id"]):
            service.act(visit.ctx, doing.resource, row["id"], doing.event, data, "*")
    except Problem as problem:
        visit.ctx.discard()
        return problem.detail
    return None

"""What a page says in passing: what the request before it did, and the offer to take that back (`wuye.resources.undo`)."""

from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from flask import request
from werkzeug.wrappers import Response

from wuye.errors import Text
from wuye.i18n import _
from wuye.resources import undo

if TYPE_CHECKING:
    from wuye.pages.access import Visit

#: The cookie that tells the next page which step to offer, or that one was taken back; it lives as long as the offer.
_COOKIE, _TAKEN_BACK = "undo", "taken-back"


class Toast(NamedTuple):
    """A text, and what can be taken back for how many seconds."""

    text: Text
    step: UUID | None = None
    seconds: float = undo.WINDOW.total_seconds()


def carry(visit: "Visit", response: Response) -> None:
    """Have the next page offer what this request did; what was offered before is over."""
    if visit.doing is None:
        return
    step = visit.doing.keep()
    if step is None:
        response.delete_cookie(_COOKIE, path=visit.url())
    else:
        _set(visit, response, str(step.id))


def tell_taken_back(visit: "Visit", response: Response) -> None:
    """Have the next page say that the step was taken back."""
    _set(visit, response, _TAKEN_BACK)


def _set(visit: "Visit", response: Response, value: str) -> None:
    seconds = int(undo.WINDOW.total_seconds())
    response.set_cookie(
        _COOKIE, value, max_age=seconds, path=visit.url(), secure=request.is_secure, httponly=True, samesite="Lax"
    )


def carried(visit: "Visit") -> Toast | None:
    """Return what this page has to say of the request before it; most have nothing, and ask the database nothing."""
    value = request.cookies.get(_COOKIE)
    if value == _TAKEN_BACK:
        return Toast(_("Taken back"))
    try:
        step = undo.find(visit.ctx, UUID(value)) if value else None
    except ValueError:
        return None
    return toast_of(visit, step) if step else None


def toast_of(visit: "Visit", step: undo.UndoStep) -> Toast | None:
    """Return what to say of a step; None if it cannot be taken back any more."""
    resource, left = undo.resource_of(visit.ctx, step), step.created_at + undo.WINDOW - visit.ctx.now
    if resource is None or left.total_seconds() <= 0:
        return None
    flow = resource.flow if step.event != undo.EDITED else None
    what = flow.transitions[step.event].label if flow else _("Saved")
    thing = next(iter(step.rows.values()))["number"] if len(step.rows) == 1 else len(step.rows)
    text = _("{what}: {thing}", what=what, thing=thing) if thing else what
    return Toast(text, step.id, left.total_seconds())

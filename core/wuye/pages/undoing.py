"""The page behind the button that takes back what one has just done."""

from typing import Any
from uuid import UUID

from flask import Flask, request

from wuye.i18n import _
from wuye.pages import toasts
from wuye.pages.access import Visit, back_to, page, see
from wuye.pages.rendering import framed
from wuye.resources import undo
from wuye.web.access import SIGNED_IN, Access


def register(app: Flask) -> None:
    """Add the page."""
    page(app, "/e/<estate>/undo", "undo", _take_back, Access((SIGNED_IN,)), ("POST",))


def _take_back(visit: Visit) -> Any:
    """Take the step back and go on from where the visitor was; what stays as it is, is shown with the reason."""
    resource, outcomes = undo.take_back(visit.ctx, request.form.get("step", UUID(int=0), UUID))
    onward = back_to(request.form.get("next"), visit.url())
    if any(each.reason for each in outcomes):
        title = _("Not everything was taken back")
        return framed(visit, "undone.html", 409, title=title, resource=resource, outcomes=outcomes, onward=onward)
    response = see(onward)
    toasts.tell_taken_back(visit, response)
    return response

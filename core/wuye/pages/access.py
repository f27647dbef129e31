"""Pages of one estate: who looks, by the browser's session; what surrounds every page; and what it costs to be wrong."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Flask, g, make_response, redirect, request
from werkzeug.wrappers import Response

from wuye.context import Context
from wuye.errors import NotFound, Unauthenticated
from wuye.i18n import _
from wuye.identity import sessions
from wuye.identity.services import Caller
from wuye.pages.toasts import carry
from wuye.resources import query
from wuye.resources.declaration import Resource
from wuye.resources.undo import Doing
from wuye.web import browser
from wuye.web.access import SIGNED_IN, Access, call_for, context_of, declare, installation
from wuye.web.database import request_session

View = Callable[..., Any]


@dataclass
class Visit:
    """One request of somebody signed in to an estate's page: the step's context, and what the frame around it shows.

    `doing` is what the request did, if the next page shall offer to take it back.
    """

    ctx: Context
    caller: Caller
    doing: Doing | None = None
    _wanted: list[tuple[Resource, query.Query]] = field(default_factory=list)
    _counted: list[int] | None = None

    @cached_property
    def token(self) -> str:
        """The proof that forms of this page carry."""
        return browser.proof(installation().database.secret, browser.cookie() or "")

    def url(self, *parts: object, **arguments: object) -> str:
        """Return the address of a page of this estate."""
        path = "/".join(["/e", self.ctx.estate.code, *(str(part) for part in parts if str(part))])
        pairs = [(name, str(value)) for name, value in arguments.items() if value not in (None, "")]
        return f"{path}?{urlencode(pairs)}" if pairs else path

    def url_of(self, resource: Resource, *parts: object, **arguments: object) -> str:
        """Return the address of a resource's list, or of something below it."""
        return self.url(*path_parts(resource), *parts, **arguments)

    def count(self, resource: Resource, arguments: dict[str, list[str]]) -> Callable[[], int]:
        """Ask how many rows a list has (up to 100); all questions of a page go to the database together."""
        self._wanted.append((resource, query.parse(resource, arguments)))
        place = len(self._wanted) - 1
        return lambda: self._counts()[place]

    def _counts(self) -> list[int]:
        if self._counted is None:
            self._counted = query.counts(self.ctx, self._wanted)
        return self._counted

    def readable(self, resource: Resource) -> bool:
        """Tell whether the visitor sees a resource's list at all."""
        needed = {resource.read, resource.read_own} - {None}
        return resource.plugin in self.ctx.plugins and any(self.ctx.may(str(name)) for name in needed)


def path_parts(resource: Resource) -> list[str]:
    """Return the parts of a resource's address within an estate."""
    plugin = [] if resource.plugin == "core" else [resource.plugin.replace("_", "-")]
    return [*plugin, resource.name]


def base_of(resource: Resource) -> str:
    """Return the rule of a resource's pages."""
    return "/".join(["/e/<estate>", *path_parts(resource)])


def visit() -> Visit:
    """Return the visit of the present request."""
    found: Visit = g.visit
    return found


def page(
    app: Flask,
    rule: str,
    name: str,
    view: View,
    access: Access | None = None,
    methods: tuple[str, ...] = ("GET",),
    largest: int | None = None,
) -> None:
    """Add a page of an estate; `view(visit, …)` returns its text or a response. A change is committed at its end.

    `largest` is how many bytes a form may have, where that is more than usual.
    """
    declared = access or Access((SIGNED_IN,))

    def respond(estate: str, **arguments: Any) -> Any:
        if largest is not None:
            request.max_content_length = largest
        g.visit = enter(estate, declared)
        answer = view(g.visit, **arguments)
        if request.method != "GET":
            g.visit.ctx.seal()
            answer = make_response(answer)
            carry(g.visit, answer)
            g.visit.ctx.session.commit()
        return answer

    app.add_url_rule(rule, f"pages.{name}", declare(respond, declared, largest), methods=list(methods))


def enter(estate: str, access: Access) -> Visit:
    """Let somebody into an estate's page.

    Raises:
        Unauthenticated: nobody is signed in. NotFound: no such estate, no member of it, the plugin is disabled.
        Forbidden: they lack the permissions.
    """
    caller = signed_in(estate)
    ctx = context_of(caller, access.plugin)
    if SIGNED_IN not in access.permissions and not any(ctx.may(name) for name in access.permissions):
        ctx.require(access.permissions[0])
    return Visit(ctx, caller)


def signed_in(estate: str | None = None, *, enrolling: bool = False) -> Caller:
    """Return who is signed in with this browser; with `enrolling` also who owes a second factor.

    Raises:
        Unauthenticated: nobody.
    """
    cookie = browser.cookie()
    if cookie is None:
        raise Unauthenticated(_("Sign in to see this page."))
    try:
        caller = call_for(estate, page=True, enrolling=enrolling)
    except Unauthenticated as error:
        raise Unauthenticated(_("Your session has ended: sign in again.")) from error
    clock = installation().clock
    if request.method == "GET" and sessions.is_due(clock, caller.used_at):
        sessions.touch(request_session(), clock, cookie)
        request_session().commit()
    return caller


def back_to(address: str | None, fallback: str) -> str:
    """Return an address to go on to if it is one of ours, else the fallback: no page sends anybody elsewhere."""
    parts = urlsplit(address or "")
    ours = address and address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.netloc
    return address if ours and address and "\n" not in address and "\\" not in address else fallback


def see(address: str) -> Response:
    """Send the browser on to another of our pages, after a change."""
    return redirect(address, 303)


def absent(condition: object) -> None:
    """Answer that there is nothing here unless a condition holds.

    Raises:
        NotFound: it does not.
    """
    if not condition:
        raise NotFound

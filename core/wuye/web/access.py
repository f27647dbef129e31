"""Who is calling: from the bearer token to the context of the step. Default deny: no route without a permission."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app, g, request

from wuye.context import Actor, Context
from wuye.errors import Forbidden, NotFound, Unauthenticated
from wuye.i18n import _, negotiate, use_locale
from wuye.identity import factors, own_tokens
from wuye.identity.services import Caller, identify, identify_browser, permissions_of
from wuye.ids import uuid7
from wuye.installation import Installation
from wuye.web import browser
from wuye.web.database import request_session

#: What a route that needs no permission says instead of one.
PUBLIC = "public"
SIGNED_IN = "signed in"


@dataclass(frozen=True, slots=True)
class Access:
    """What a route needs: its plugin must be enabled, the caller have one of these permissions.

    The services below check again, and more exactly (whose record, which state).
    """

    permissions: tuple[str, ...]
    plugin: str = "core"


def declare(view: Callable[..., Any], access: Access, largest: int | None = None) -> Callable[..., Any]:
    """Attach the declaration to a view; `largest` is how many bytes its body may have, where that is more than usual."""
    view.access = access  # type: ignore[attr-defined]
    if largest is not None:
        view.largest = largest  # type: ignore[attr-defined]
    return view


def access_of(app: Flask, endpoint: str) -> Access | None:
    """Return what a route declared, None if it declared nothing."""
    return getattr(app.view_functions.get(endpoint), "access", None)


def installation() -> Installation:
    """Return the installation that this application serves."""
    return current_app.extensions["wuye"]  # type: ignore[no-any-return]


def bearer_token() -> str:
    """Return the token of the request.

    Raises:
        Unauthenticated: there is none.
    """
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated(_("This needs a token."), hint=_("Send it as: Authorization: Bearer wuye_…"))
    return token.strip()


class SecondFactorNeeded(Forbidden):
    """Who calls must set a second factor up first; pages lead there."""

    code = "second-factor-needed"

    def __init__(self) -> None:
        super().__init__(
            _("With what you may do here, a second factor is required. Set it up to go on."),
            hint=_("It is set up under My account, in a browser."),
        )


def call_for(estate: str | None, *, page: bool = False, enrolling: bool = False) -> Caller:
    """Find out who calls, by a token or a browser's session; begins the request's transaction.

    A `page` is for browsers: a token opens none. With `enrolling` it is also for who owes a second factor: to
    set it up, to sign out.

    Raises:
        Unauthenticated: nobody known. Forbidden: a browser's change that lacks the proof of coming from our pages.
        SecondFactorNeeded: a host admin in a browser has none.
    """
    place = installation()
    secret, now, demo = place.database.secret, place.clock.now(), place.settings.demo
    if (page or "Authorization" not in request.headers) and (cookie := browser.cookie()):
        caller = identify_browser(request_session(), secret, now, cookie, estate, demo=demo)
        if caller is not None:
            browser.check(secret, cookie)
            if factors.owed(caller, demo=demo) and not enrolling:
                raise SecondFactorNeeded
            return caller
        if page:
            raise Unauthenticated(_("Sign in to see this page."))
    caller = identify(request_session(), secret, now, bearer_token(), estate, demo=demo)
    if caller.used_at is None or caller.used_at < now - own_tokens.TOUCH:
        own_tokens.touch(request_session(), place.clock, caller.credential)
        request_session().commit()
    return caller


def estate_context(estate: str, plugin: str) -> Context:
    """Return the context of a request for one estate and plugin.

    Raises:
        Unauthenticated: nobody known calls. NotFound: no such estate, no member of it, or the plugin is disabled there;
            the answers do not differ.
    """
    return context_of(call_for(estate), plugin)


def require_whole(caller: Caller) -> None:
    """Refuse a token that may do less than its owner, where what is asked for belongs to no permission.

    Raises:
        Forbidden: the token has scopes.
    """
    if "*" not in caller.scopes:
        raise Forbidden(_("This token is for single permissions; what it asks for belongs to none of them."))


def context_of(caller: Caller, plugin: str) -> Context:
    """Return the context of a known caller in the estate that they asked for.

    Raises:
        NotFound: as for `estate_context`. Forbidden: the caller is a member who may do nothing at all.
        SecondFactorNeeded: the estate wants one of its managers.
    """
    place = installation()
    if caller.estate is None or caller.suspended:
        raise NotFound
    active = (caller.plugins & place.plugins.loaded.keys()) | {"core"}
    if plugin not in active:
        raise NotFound
    if "locale" in request.cookies:
        pass  # what was chosen in this browser holds
    elif caller.locale or "Accept-Language" not in request.headers:
        _speak(caller.locale or caller.estate.locale)
    permissions = permissions_of(place.plugins.registry, caller.roles, caller.scopes, active)
    if not permissions:
        raise Forbidden(_("You may do nothing in this estate: ask its manager for a role."))
    actor = Actor(caller.user_id, caller.person_id, caller.name, permissions)
    ctx = place.context(request_session(), caller.estate, actor, active)
    if caller.browser and not caller.second_factor and factors.required(ctx, caller.roles, demo=place.settings.demo):
        raise SecondFactorNeeded
    return ctx


def guard(app: Flask) -> None:
    """Open and close what surrounds every request: its id, its language, and a refusal of undeclared routes."""

    @app.before_request
    def begin() -> None:
        g.request_id = str(uuid7())
        g.locale_scope = None
        _speak(negotiate(request.headers.get("Accept-Language"), request.cookies.get("locale")))
        if request.endpoint is not None and access_of(app, request.endpoint) is None:
            raise NotFound

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        scope = g.pop("locale_scope", None)
        if scope is not None:
            scope.__exit__(None, None, None)


def _speak(locale: str) -> None:
    """Answer in a language from here to the end of the request."""
    if g.locale_scope is not None:
        g.locale_scope.__exit__(None, None, None)
    g.locale_scope = use_locale(locale)
    g.locale_scope.__enter__()

"""What can go wrong for a caller, in words that say where and what to do.

One hierarchy serves all interfaces: the web layer shows a `Problem` as RFC 9457 problem+json, the command line
as a message and an exit code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from wuye.i18n import LazyText, _

Text = LazyText | str


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with one field: `field` is its path (`items.0.title`), `reason` says what."""

    field: str
    reason: Text
    hint: Text | None = None

    def as_dict(self) -> dict[str, str]:
        """Return the error as plain strings in the present language."""
        shown = {"field": self.field, "reason": str(self.reason)}
        if self.hint is not None:
            shown["hint"] = str(self.hint)
        return shown


class Problem(Exception):
    """The base of every error that a caller can do something about.

    `status` is the HTTP status, `code` the stable name in the problem's type URI, `exit_code` what the command
    line returns (sysexits: 65 bad data, 69 unavailable, 78 configuration).
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad-request"
    title: ClassVar[LazyText] = _("The request cannot be understood")
    exit_code: ClassVar[int] = 1

    def __init__(
        self, detail: Text, *, errors: Sequence[FieldError] = (), hint: Text | None = None, **extra: Any
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.hint = hint
        self.extra = extra

    def __str__(self) -> str:
        lines = [str(self.detail)]
        lines += [f"  {error.field}: {error.reason}" for error in self.errors]
        if self.hint is not None:
            lines.append(str(self.hint))
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return the body of a problem+json answer, in the present language."""
        body: dict[str, Any] = {
            "type": f"urn:wuye:problem:{self.code}",
            "title": str(self.title),
            "status": self.status,
            "detail": str(self.detail),
            **self.extra,
        }
        if self.errors:
            body["errors"] = [error.as_dict() for error in self.errors]
        if self.hint is not None:
            body["hint"] = str(self.hint)
        return body


class BadRequest(Problem):
    """The request is malformed (syntax, unknown parameter, broken cursor)."""


class Invalid(Problem):
    """Well-formed, but one or more fields hold what they may not."""

    status = 422
    code = "invalid"
    title = _("Some of the data is not valid")
    exit_code = 65


class Unauthenticated(Problem):
    """Nobody known sent this."""

    status = 401
    code = "unauthenticated"
    title = _("Who are you?")


class Forbidden(Problem):
    """The caller is known, the object is theirs to see, and this is still not theirs to do."""

    status = 403
    code = "forbidden"
    title = _("You may not do this")


class NotFound(Problem):
    """There is no such thing, or it is another estate's: the two look alike on purpose."""

    status = 404
    code = "not-found"
    title = _("There is no such thing here")

    def __init__(self, detail: Text = _("Nothing is known under this address."), **extra: Any) -> None:
        super().__init__(detail, **extra)


class Conflict(Problem):
    """The thing is not in a condition in which this can be done."""

    status = 409
    code = "conflict"
    title = _("This cannot be done now")


class Stale(Problem):
    """Somebody else changed the thing since the caller read it."""

    status = 412
    code = "stale"
    title = _("It has changed since you read it")


class PreconditionRequired(Problem):
    """A change must say which version it means."""

    status = 428
    code = "precondition-required"
    title = _("Say which version you are changing")


class Unavailable(Problem):
    """Something that we depend on does not answer; trying again later is right."""

    status = 503
    code = "unavailable"
    title = _("Not available at the moment")
    exit_code = 69


class StorageFull(Problem):
    """There is no room left for what was to be written; what is there can still be read."""

    status = 507
    code = "storage-full"
    title = _("There is no room left")
    exit_code = 73


class Misconfigured(Problem):
    """The installation is set up in a way that cannot work."""

    status = 500
    code = "configuration"
    title = _("The configuration is wrong")
    exit_code = 78

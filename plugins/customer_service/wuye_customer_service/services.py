"""What happens in customer service when a request takes a step. No HTTP here."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from wuye.api import Conflict, Context, FieldError, Invalid, _, open_record, referrals
from wuye_customer_service.models import Request
from wuye_customer_service.settings import CustomerServiceSettings

Data = Mapping[str, Any]


def create_request(ctx: Context, values: Data) -> Request:
    """Open a request; one who may only see their own is its requester, whatever they sent."""
    fields = {"channel": "web", **values}
    if not ctx.may("customer_service.read"):
        fields["requester_id"] = ctx.actor.person_id
    return open_record(ctx, Request, fields)


def classified(_ctx: Context, request: Request, data: Data) -> None:
    """Accept only what has been classified: a category says who will deal with it."""
    has_category(_ctx, request, data)


def has_category(_ctx: Context, request: Request, data: Data) -> None:
    """Insist on a category, from before or from now."""
    if not (data.get("category") or request.category):
        raise Invalid(
            _("The request has not been classified."),
            errors=[FieldError("category", _("Say what it is about, for example repair.plumbing."))],
        )


def classify(_ctx: Context, request: Request, data: Data) -> None:
    """Note what the agent said about the request."""
    for name, value in data.items():
        setattr(request, name, value)


def hand_over(ctx: Context, request: Request, data: Data) -> None:
    """Refer the request to the department that its category belongs to."""
    request.category = data.get("category") or request.category
    request.priority = data.get("priority") or request.priority
    assert request.category is not None, "guarded"
    referrals.refer(ctx, request, request.category, department=data.get("department"), note=data.get("note"))


def take_back(ctx: Context, request: Request, data: Data) -> None:
    """Withdraw what was handed over."""
    referrals.withdraw(ctx, request, data["reason"])


def nothing_under_way(ctx: Context, request: Request, _data: Data) -> None:
    """Let an agent resolve only what no department is working on."""
    referral = referrals.open_referral(ctx, request)
    if referral is not None and referral.phase != "done":
        raise Conflict(
            _("{number} is still under way in another department.", number=referral.number),
            hint=_("Take it back first, or wait for the department's answer."),
        )


def resolved(ctx: Context, request: Request, data: Data) -> None:
    """Note what was done; now the requester has the word."""
    request.resolution = data["resolution"]
    request.resolved_at = ctx.now


def confirmed(ctx: Context, request: Request, _data: Data) -> None:
    """Note the requester's own acceptance, and tell the department."""
    request.accepted_how = "explicit"
    referrals.close(ctx, request)


def confirmed_for(ctx: Context, request: Request, _data: Data) -> None:
    """Note an acceptance that an agent heard, and tell the department."""
    request.accepted_how = "agent"
    referrals.close(ctx, request)


def accepted_in_silence(ctx: Context, request: Request, _data: Data) -> None:
    """Take the requester's silence for acceptance; it does not count as one they expressed."""
    request.accepted_how = "silent"
    referrals.close(ctx, request)


def sent_back(ctx: Context, request: Request, data: Data) -> None:
    """Send the same work back to who did it."""
    request.reopens += 1
    request.resolved_at = None
    request.accepted_how = None
    referrals.send_back(ctx, request, data["reason"])


def soon_enough(ctx: Context, request: Request, _data: Data) -> None:
    """Refuse to reopen what was closed long ago."""
    days = ctx.settings(CustomerServiceSettings).reopen_days
    if request.closed_at is not None and ctx.now - request.closed_at > timedelta(days=days):
        raise Conflict(_("This was closed more than {days} days ago: please submit a new request.", days=days))


def not_rated_yet(_ctx: Context, request: Request, _data: Data) -> None:
    """Let a request be rated once."""
    if request.rating is not None:
        raise Conflict(_("You have rated this already."))


def rate(_ctx: Context, request: Request, data: Data) -> None:
    """Note the rating."""
    request.rating = data["rating"]
    request.rating_comment = data.get("comment")


def urge(_ctx: Context, request: Request, _data: Data) -> None:
    """Count the reminder."""
    request.urges += 1


def merge(ctx: Context, request: Request, data: Data) -> None:
    """Point a request to the one that it repeats.

    Raises:
        Invalid: that is no other open request of this estate.
    """
    into = ctx.session.get(Request, (ctx.estate.id, data["into_id"]))
    if into is None or into.id == request.id or into.phase == "done":
        raise Invalid(
            _("The request cannot be merged."),
            errors=[FieldError("into", _("Choose another request that is still open."))],
        )
    request.merged_into_id = into.id

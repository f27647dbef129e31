"""What customer service contributes, and what it does when a department has answered."""

from collections.abc import Iterable

from wuye.api import (
    Card,
    Context,
    Found,
    Importing,
    Job,
    Look,
    Panel,
    Plugin,
    Portal,
    Record,
    Referral,
    Resource,
    Settings,
    Stage,
    _,
    hookimpl,
    take,
)
from wuye_customer_service.cards import requests_of, satisfaction
from wuye_customer_service.demo import live_day
from wuye_customer_service.flows import request_flow
from wuye_customer_service.importing import SYNONYMS, WORDS, hand_on
from wuye_customer_service.jobs import silent_acceptance, waiting_for_acceptance
from wuye_customer_service.models import Request
from wuye_customer_service.schemas import RequestSchema
from wuye_customer_service.services import create_request
from wuye_customer_service.settings import CustomerServiceSettings

LOOK = Look(
    create=_("Log a request"),
    icons=("request_kind", {"inquiry": "question", "complaint": "alert", "suggestion": "bulb", "repair": "tool",
                            "help": "hand", "praise": "heart"}),
    meta=("request_kind", "place", "requester"),
    facts=("requester", "contact_phone", "place", "request_kind", "category", "assignee", "promise", "opened_at",
           "resolved_at", "accepted_how", "rating", "rating_comment", "resolution", "merged_into"),
    form=("title", "request_kind", "category", "place", "requester", "contact_phone", "channel", "priority", "due_at",
          "text"),
    preset={"request_kind": "repair", "channel": "phone"}, then="dispatch",
    portal=Portal(("request_kind", "title", "text", "place", "contact_phone"), member={"channel": "app"},
                  guest={"channel": "qr"}, guests=lambda ctx: ctx.settings(CustomerServiceSettings).guests_may_report),
    found=Found(("request_kind", "title", "text"), {"channel": "app"}),
)  # fmt: skip


class CustomerService(Plugin):
    """The department that residents speak to."""

    @hookimpl
    def register_resources(self) -> Iterable[Resource]:
        """Offer requests."""
        yield Resource(
            "requests", Request, RequestSchema, request_flow, on_create=create_request,
            columns=("number", "title", "request_kind", "category", "state", "priority", "place", "requester", "assignee",
                     "channel", "opened_at", "due_at"),
            filters=("state", "phase", "request_kind", "category", "priority", "channel", "place", "requester", "assignee",
                     "due_at", "opened_at", "external_id"),
            sort=("-opened_at", "due_at"),
            search=("number", "title", "text", "external_id", "contact_phone"),
            look=LOOK, synonyms=SYNONYMS, importing=Importing(words=WORDS, defaults={"channel": "import"}, after=hand_on),
        )  # fmt: skip

    @hookimpl
    def register_settings(self) -> Iterable[Settings]:
        """Let an estate decide deadlines, and whether guests may report."""
        yield Settings(CustomerServiceSettings)

    @hookimpl
    def register_cards(self) -> Iterable[Card]:
        """Show on the overview what requesters think."""
        yield Card("satisfaction", _("Satisfaction, 30 days"), satisfaction, "read")

    @hookimpl
    def register_panels(self) -> Iterable[Panel]:
        """Show on a person's page what they asked for."""
        yield Panel("requests", _("Latest requests"), "core.people", requests_of, "read")

    @hookimpl
    def register_jobs(self) -> Iterable[Job]:
        """Take silence for acceptance, in the end."""
        yield Job("silent_acceptance", silent_acceptance, cron="23 * * * *", due=waiting_for_acceptance)

    @hookimpl
    def referral_accepted(self, ctx: Context, referral: Referral, origin: Record) -> None:
        """A department took it over: the request is in progress."""
        if isinstance(origin, Request) and origin.state in request_flow.transitions["start"].sources:
            take(ctx, origin, "start", {"referral": str(referral.id)})

    @hookimpl
    def referral_answered(self, ctx: Context, referral: Referral, origin: Record) -> None:
        """The work is done: the requester is asked to accept it."""
        if isinstance(origin, Request) and origin.state in request_flow.transitions["answered"].sources:
            take(ctx, origin, "answered", {"resolution": referral.outcome})

    @hookimpl
    def load_demo(self, stage: Stage) -> None:
        """Residents report, the service desk answers or hands over."""
        live_day(stage)


plugin = CustomerService()

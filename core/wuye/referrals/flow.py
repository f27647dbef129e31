"""The life of a referral: offered, accepted, answered, and accepted or returned by who asked."""

from wuye.i18n import _
from wuye.records.flow import SYSTEM, Flow, State, Transition
from wuye.referrals import services
from wuye.resources import fields
from wuye.resources.schemas import ActionInput


class Outcome(ActionInput):
    """What was done."""

    outcome = fields.LongText(required=True, validate=fields.length(min=1, max=2000))


class Destination(ActionInput):
    """The department that shall take it."""

    department = fields.DepartmentCode(required=True, taking=True)


referral_flow = Flow(
    State("offered", _("Offered"), "open"),
    State("accepted", _("Accepted"), "active"),
    State("answered", _("Answered"), "waiting", "check"),
    State("returned", _("Returned"), "active", "bad"),
    State("closed", _("Closed"), "done"),
    State("withdrawn", _("Withdrawn"), "done"),
    Transition("accept", _("Accept"), "offered", "accepted", "core.take_referrals", by=services.may_take,
               effect=services.make_target),
    Transition("refuse", _("Refuse"), "offered", None, "core.take_referrals", reason=True, by=services.may_take,
               effect=services.put_on_board),
    Transition("route", _("Route to a department"), "offered", None, "core.coordinate", input=Destination,
               effect=services.offer_to),
    Transition("handle", _("Done by hand"), ("offered", "returned"), "answered", "core.coordinate", input=Outcome,
               guard=services.guard_by_hand, effect=services.tell_origin),
    Transition("answer", _("Answer"), ("accepted", "returned"), "answered", SYSTEM, effect=services.tell_origin),
    Transition("return", _("Return"), ("answered", "closed"), "returned", SYSTEM,
               effect=services.tell_target("referral_returned")),
    Transition("close", _("Close"), "answered", "closed", SYSTEM, effect=services.tell_target("referral_closed")),
    Transition("withdraw", _("Withdraw"), ("offered", "accepted", "returned"), "withdrawn", SYSTEM,
               effect=services.tell_target("referral_withdrawn")),
    path=("offered", "accepted", "answered", "closed"),
)  # fmt: skip

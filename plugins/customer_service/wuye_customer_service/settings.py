"""What an estate can decide about customer service."""

from dataclasses import dataclass

from wuye.api import _, between, fields, setting


@dataclass(frozen=True)
class CustomerServiceSettings:
    """Deadlines for requesters, and who may report; the usual values are those of DOMAIN 2.1."""

    silent_days: int = setting(
        7,
        fields.Integer(validate=between(1, 90)),
        _("Days until silence counts as acceptance"),
        _("A result that its requester neither accepts nor refuses for so long is taken as accepted."),
    )
    silent_days_complaint: int = setting(
        3,
        fields.Integer(validate=between(1, 90)),
        _("The same for a complaint, in days"),
        _("Who complains should not wait long for an end."),
    )
    reopen_days: int = setting(
        30,
        fields.Integer(validate=between(0, 365)),
        _("Days within which a closed request can be reopened"),
        _("After that the requester submits a new one."),
    )
    guests_may_report: bool = setting(
        True,
        fields.Boolean(),
        _("Reports without an account"),
        _("Whoever scans the code at a place may report what is wrong there. Without this they are asked to sign in."),
    )

"""What an estate can decide about maintenance."""

from dataclasses import dataclass
from datetime import timedelta

from wuye.api import _, between, fields, setting

_HOURS = between(0, 24 * 365)
_NONE = _("Counted from when it is opened; 0: no deadline.")


@dataclass(frozen=True)
class MaintenanceSettings:
    """How emergencies are dispatched, and how soon work is due that comes without a deadline."""

    emergencies_at_once: bool = setting(
        True,
        fields.Boolean(),
        _("Assign emergencies at once"),
        _(
            "The least busy person on duty gets an emergency in the moment it arrives. Without this a dispatcher decides."
        ),
    )
    hours_emergency: int = setting(0, fields.Integer(validate=_HOURS), _("Hours until an emergency is due"), _NONE)
    hours_urgent: int = setting(0, fields.Integer(validate=_HOURS), _("Hours until urgent work is due"), _NONE)
    hours_normal: int = setting(0, fields.Integer(validate=_HOURS), _("Hours until normal work is due"), _NONE)
    hours_low: int = setting(0, fields.Integer(validate=_HOURS), _("Hours until work of low priority is due"), _NONE)

    def time_for(self, priority: str) -> timedelta | None:
        """Return how long work of a priority may take; None if nothing was decided."""
        hours = {
            "emergency": self.hours_emergency,
            "urgent": self.hours_urgent,
            "normal": self.hours_normal,
            "low": self.hours_low,
        }[priority]
        return timedelta(hours=hours) if hours else None

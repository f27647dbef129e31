"""What a department declares to be handed work."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wuye.context import Context
    from wuye.plugins.registry import Registry
    from wuye.records.models import Record
    from wuye.referrals.models import Referral


@dataclass
class ReferralTarget:
    """A department that takes work over.

    `take(ctx, referral)` makes the department's own record of a referral, as part of the thread. `permission` is needed to
    accept or refuse one. Referrals whose priority is in `at_once` are accepted by the program in the moment they arrive.
    """

    take: "Callable[[Context, Referral], Record]"
    permission: str
    at_once: tuple[str, ...] = ("emergency",)
    plugin: str = field(default="", init=False)

    def bind(self, plugin: str, registry: "Registry") -> str:
        """Take the plugin's name; called by the registry."""
        self.plugin = plugin
        if "." not in self.permission:
            self.permission = f"{plugin}.{self.permission}"
        if self.permission not in registry.permissions:
            raise ValueError(f"referral target: no manifest declares the permission {self.permission}")
        return plugin

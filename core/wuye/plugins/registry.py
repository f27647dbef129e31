"""What the loaded plugins contributed, checked when it was registered, closed afterwards."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wuye.plugins.manifest import Manifest

if TYPE_CHECKING:
    import click

    from wuye.jobs.declaration import Job
    from wuye.notifications.declaration import NotificationKind
    from wuye.referrals.declaration import ReferralTarget
    from wuye.resources.declaration import Resource
    from wuye.settings.declaration import Settings
    from wuye.slots import Card, Panel


class RegistrationError(TypeError):
    """A plugin contributed something of a wrong type, twice, or under somebody else's name."""


@dataclass
class Registry:
    """Everything that is known after start, by name."""

    manifests: dict[str, Manifest] = field(default_factory=dict)
    resources: dict[str, "Resource"] = field(default_factory=dict)
    targets: dict[str, "ReferralTarget"] = field(default_factory=dict)
    jobs: dict[str, "Job"] = field(default_factory=dict)
    notifications: dict[str, "NotificationKind"] = field(default_factory=dict)
    settings: dict[str, "Settings"] = field(default_factory=dict)
    cards: dict[str, "Card"] = field(default_factory=dict)
    panels: dict[str, "Panel"] = field(default_factory=dict)
    commands: dict[str, list["click.Command"]] = field(default_factory=dict)
    permissions: dict[str, str] = field(default_factory=dict)
    roles: dict[str, frozenset[str]] = field(default_factory=dict)
    _kinds: dict[str, "Resource"] = field(default_factory=dict)

    def add_manifest(self, manifest: Manifest) -> None:
        """Take over a plugin's permissions and roles."""
        self.manifests[manifest.name] = manifest
        self.permissions.update(manifest.permissions)
        for grants in (manifest.roles, manifest.grants):
            for role, permissions in grants.items():
                self.roles[role] = self.roles.get(role, frozenset()) | set(permissions)

    def add(self, plugin: str, kind: str, expected: type[Any], items: Iterable[Any]) -> None:
        """Register contributions of one kind (`resources`, `targets`, `jobs`, `settings`, …).

        Raises:
            RegistrationError: a wrong type, or a name that is taken.
        """
        shelf: dict[str, Any] = getattr(self, kind)
        for item in items:
            if not isinstance(item, expected):
                raise RegistrationError(
                    f"{plugin}: register_{kind} must return {expected.__name__} objects, not {type(item).__name__}"
                )
            name = item.bind(plugin, self)
            if name in shelf:
                raise RegistrationError(f"{plugin}: {kind} has a {name!r} already")
            shelf[name] = item
            if kind == "resources" and item.kind:
                self._kinds[item.kind] = item

    def permissions_of(self, roles: Iterable[str], plugins: frozenset[str]) -> frozenset[str]:
        """Return what roles may do in an estate with these plugins; unknown roles and disabled plugins give nothing."""
        granted: set[str] = set()
        for role in roles:
            granted |= self.roles.get(role, frozenset())
        return frozenset(name for name in granted if name.partition(".")[0] in plugins)

    def resource_of_kind(self, kind: str) -> "Resource | None":
        """Return the resource whose model has this record kind, or None (its plugin may be gone)."""
        return self._kinds.get(kind)

"""A plugin's static description, read before any of its code is imported."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

#: The version of what plugins may rely on (`wuye.api`, the hooks, the manifest); it moves apart from releases.
API_VERSION = "1.0"

#: Roles that every estate has; a plugin's manifest grants them its permissions under [grants].
CORE_ROLES = ("manager", "supervisor", "agent", "staff", "auditor", "resident")

_NAME = re.compile(r"[a-z][a-z0-9_]{1,30}")
_KEYS = {"plugin", "permissions", "roles", "grants"}
_PLUGIN_KEYS = {"name", "label", "api", "icon", "order", "requires", "optional"}


class ManifestError(Exception):
    """A manifest.toml that cannot be used; the message names the file, the key and the remedy."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a plugin says of itself.

    `name` is the prefix of its tables, URLs, permissions and translations. `permissions` maps full names
    (`parcels.read`) to labels; `roles` maps full names to permissions; `grants` maps core roles to permissions.
    """

    name: str
    label: str
    api: str
    icon: str = "box"
    order: int = 50
    requires: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    permissions: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    grants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """Read and check a manifest.

        Raises:
            ManifestError: the file is missing, is not TOML, or says something that cannot be.
        """
        try:
            data = tomllib.loads(path.read_text("utf-8"))
        except FileNotFoundError as error:
            raise ManifestError(f"{path}: there is no manifest; every plugin's package has one") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ManifestError(f"{path}: {error}") from error
        return cls.parse(data, str(path))

    @classmethod
    def parse(cls, data: Mapping[str, Any], where: str) -> "Manifest":
        """Check a manifest that has been read; `where` is named in errors."""
        plugin = data.get("plugin", {})
        unknown = [f"[{key}]" for key in data.keys() - _KEYS] + [
            f"plugin.{key}" for key in plugin.keys() - _PLUGIN_KEYS
        ]
        if unknown:
            raise ManifestError(f"{where}: unknown {', '.join(sorted(unknown))}")
        missing = {"name", "label", "api"} - plugin.keys()
        if missing:
            raise ManifestError(f"{where}: [plugin] lacks {', '.join(sorted(missing))}")
        name = plugin["name"]
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ManifestError(f"{where}: name {name!r} must be 2 to 31 of a-z, 0-9 and _, beginning with a letter")
        try:
            specifier = SpecifierSet(plugin["api"])
        except InvalidSpecifier as error:
            raise ManifestError(f"{where}: api {plugin['api']!r} is not a version range like '>=1,<2'") from error
        if not specifier.contains(API_VERSION):
            raise ManifestError(f"{where}: made for plugin API {plugin['api']}, this is {API_VERSION}")
        permissions = {f"{name}.{key}": str(label) for key, label in data.get("permissions", {}).items()}

        def full(names: list[str]) -> tuple[str, ...]:
            wanted = tuple(permissions) if names == ["*"] else tuple(f"{name}.{key}" for key in names)
            strange = [key for key in wanted if key not in permissions]
            if strange:
                raise ManifestError(f"{where}: {', '.join(strange)} is not under [permissions]")
            return wanted

        grants = {f"core.{role}": full(names) for role, names in data.get("grants", {}).items()}
        strangers = [role for role in grants if role.removeprefix("core.") not in CORE_ROLES]
        if strangers:
            raise ManifestError(f"{where}: [grants] knows {', '.join(CORE_ROLES)}, not {', '.join(strangers)}")
        return cls(
            name=name,
            label=plugin["label"],
            api=plugin["api"],
            icon=plugin.get("icon", "box"),
            order=plugin.get("order", 50),
            requires=tuple(plugin.get("requires", ())),
            optional=tuple(plugin.get("optional", ())),
            permissions=permissions,
            roles={f"{name}.{role}": full(names) for role, names in data.get("roles", {}).items()},
            grants=grants,
        )

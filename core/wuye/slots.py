"""Cards and panels: what a plugin shows on the pages of others. It says so as data; core draws it.

A card stands on the overview or on everybody's desk, a panel on the detail page of a thing. What they show is one of the
shapes below, so a plugin writes no HTML; `Own` is the way out, with a template of the plugin's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from wuye.errors import Text

if TYPE_CHECKING:
    from wuye.context import Context
    from wuye.plugins.registry import Registry
    from wuye.records.models import Record

#: Where a card may stand.
PLACES = ("overview", "desk")


@dataclass(frozen=True, slots=True)
class To:
    """Where something leads: to a resource's list (narrowed by `query`, as in its address), or to one thing of it.

    It is drawn as a link only for those who may read the resource.
    """

    resource: str
    identity: UUID | None = None
    query: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that says how something goes; `trend` colours the note: `good`, `bad` or neither."""

    label: Text
    value: int | float | Decimal | str
    unit: Text = ""
    note: Text = ""
    trend: Literal["", "good", "bad"] = ""
    to: To | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """A few figures beside each other."""

    items: Sequence[Figure]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart: what it stands for, and how much it is (not negative)."""

    label: Text
    value: float
    to: To | None = None


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart of horizontal bars; `empty` is said where there are none."""

    items: Sequence[Bar]
    empty: Text = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a list; with `record` it has that record's number, state and page."""

    text: Text
    note: Text = ""
    to: To | None = None
    record: "Record | None" = None

    @classmethod
    def of(cls, record: "Record", note: Text = "") -> "Item":
        """Return the line of a record."""
        return cls(record.title, note, None, record)


@dataclass(frozen=True, slots=True)
class Items:
    """A short list; `empty` is said where there is nothing."""

    items: Sequence[Item]
    empty: Text = ""


@dataclass(frozen=True, slots=True)
class Own:
    """A template from the plugin's folder `templates`, with the values that it gets besides `visit`, `ctx` and `see`."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)


Shape = Figures | Bars | Items | Own


@dataclass
class Card:
    """A card: `show(ctx)` returns what it shows, or None if that is nothing now.

    It stands on the pages named in `on` (`overview`, `desk`) for those who have `permission`. `show` may ask the database
    a few questions; it is called in a savepoint for each page.
    """

    name: str
    title: Text
    show: "Callable[[Context], Shape | None]"
    permission: str
    on: Sequence[str] = ("overview",)
    plugin: str = field(default="", init=False)

    def bind(self, plugin: str, registry: "Registry") -> str:
        """Take the plugin's name; called by the registry.

        Raises:
            ValueError: there is no such permission or place.
        """
        self.plugin = plugin
        self.permission = _permission(plugin, self.permission, registry, f"card {self.name}")
        if strange := sorted(set(self.on) - set(PLACES)):
            raise ValueError(f"card {self.name}: on is {', '.join(PLACES)}, not {', '.join(strange)}")
        return f"{plugin}.{self.name}"


@dataclass
class Panel:
    """A panel on the detail page of the things of a resource: `show(ctx, row)` returns what it shows, or None.

    `of` is the resource's key, one's own (`maintenance.assets`) or another's (`core.properties`); of one that is not
    installed it is never shown. `row` is the thing as its detail has it, by the names of its fields. `show` is called in a
    savepoint for each page, for those who have `permission`.
    """

    name: str
    title: Text
    of: str
    show: "Callable[[Context, Mapping[str, Any]], Shape | None]"
    permission: str
    plugin: str = field(default="", init=False)

    def bind(self, plugin: str, registry: "Registry") -> str:
        """Take the plugin's name; called by the registry.

        Raises:
            ValueError: there is no such permission, or no such resource of this plugin or core.
        """
        self.plugin = plugin
        self.permission = _permission(plugin, self.permission, registry, f"panel {self.name}")
        if self.of.partition(".")[0] in (plugin, "core") and self.of not in registry.resources:
            raise ValueError(f"panel {self.name}: there is no resource {self.of}")
        return f"{plugin}.{self.name}"


def _permission(plugin: str, name: str, registry: "Registry", what: str) -> str:
    full = name if "." in name else f"{plugin}.{name}"
    if full not in registry.permissions:
        raise ValueError(f"{what}: no manifest declares the permission {full}")
    return full

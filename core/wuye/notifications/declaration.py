"""What a plugin says about a kind of notification, and how its text is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Any

from wuye.errors import Text
from wuye.i18n import LazyText

if TYPE_CHECKING:
    from wuye.plugins.registry import Registry


@dataclass(frozen=True, slots=True)
class NotificationKind:
    """A kind of notification: `NotificationKind("arrived", _("A parcel for you: {title} ({number})"))`.

    It goes by `parcels.arrived` then; core's own kinds have no plugin before them. The text's places are filled with
    `number` and `title` of the record, `who` acted, and what the caller of `ctx.notify` gives besides.
    """

    name: str
    text: Text

    def bind(self, plugin: str, _registry: "Registry") -> str:
        """Return the full name; called by the registry.

        Raises:
            ValueError: the text has a place that is no plain name.
        """
        for _literal, place, _format, _conversion in Formatter().parse(str(self.text)):
            if place is not None and not place.isidentifier():
                raise ValueError(f"notification {self.name}: the place {{{place}}} must be a plain name")
        return self.name if plugin == "core" else f"{plugin}.{self.name}"


def plugin_of_kind(kind: str) -> str:
    """Return the plugin that a kind belongs to: `parcels.arrived` → parcels, `assigned` → core."""
    return kind.partition(".")[0] if "." in kind else "core"


def show(kind: NotificationKind | None, data: Mapping[str, Any]) -> str:
    """Return the text of a notification in the language of the moment; of a kind that is gone, what it was about."""
    values = {name: shown(value) for name, value in data.items()}
    if kind is None:
        return " ".join(filter(None, (values.get("number"), values.get("title"))))
    return str(kind.text).format_map(_Blank(values))


def stored(value: Any) -> Any:
    """Return a value as JSON can carry it: a text that is to be translated stays one, for whoever reads it later."""
    return {"_": value.message, **value.values} if isinstance(value, LazyText) else str(value)


def shown(value: Any) -> Any:
    """Return a stored value as a reader sees it."""
    if isinstance(value, Mapping) and "_" in value:
        return str(LazyText(value["_"], {name: inner for name, inner in value.items() if name != "_"}))
    return value


class _Blank(dict[str, Any]):
    """Values of which any that are missing are blank: an old notification may lack what a newer text asks for."""

    def __missing__(self, name: str) -> str:
        return ""

"""Pieces of work as the items of a list: a page draws fifty, and what a template calls costs more than what it reads."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from wuye.errors import Text
from wuye.i18n import _
from wuye.resources.declaration import Resource

if TYPE_CHECKING:
    from wuye.pages.rendering import Showing


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of work as an item of a list, ready to be drawn; `href` is where it leads, `meta` what stands below."""

    id: Any
    href: str
    icon: Markup
    title: str
    number: str
    meta: list[Any]
    hot: bool
    flag: Markup
    tag: Markup
    deadline: Markup
    avatar: Markup

    @property
    def choose(self) -> Text:
        """What the box says that chooses it."""
        return _("Choose {number}", number=self.number)


def prepared(
    see: "Showing", rows: Iterable[Mapping[str, Any]], resource: Resource | None = None, query: str = ""
) -> Iterator[Item]:
    """Yield rows as items: those of one kind of work lead to pages that keep its list's query, others to their own."""
    one = resource if resource is not None and resource.kind else None
    base, end = see.visit.url_of(one) if one else None, f"?{query}" if query else ""
    for row in rows:
        known = one or see.resource(row["kind"])
        yield Item(
            row["id"],
            f"{base}/{row['id']}{end}" if base else see.address(row["kind"], row["id"]) or _bare(see, row["id"]),
            see.icon(known, row),
            row["title"] or row["number"],
            row["number"],
            [*_meta(see, one, row), see.ago(row["opened_at"])],
            row["priority"] in ("emergency", "urgent"),
            see.flag(row["priority"]),
            see.tag(row["kind"], row["state"], row["phase"]),
            see.deadline(row),
            see.avatar(row["assignee"]),
        )


def _bare(see: "Showing", identity: Any) -> str:
    """Return where work stands whose department is disabled or gone: among the records of all departments."""
    return see.visit.url_of(see.registry.resources["core.records"], identity)


def _meta(see: "Showing", resource: Resource | None, row: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what stands under an item's title: what its resource chose; or its place, and its kind among other kinds."""
    if resource is not None and resource.look.meta:
        for name in resource.look.meta:
            if value := row.get(name):
                yield value["label"] if isinstance(value, Mapping) else see.value(resource, name, value)
    elif place := row.get("place"):
        yield place["label"]
    if resource is None:
        yield see.kind(row["kind"])

"""The best of what a text finds, for those who choose from a few: the palette, the search page, the fields of forms."""

from collections.abc import Sequence
from typing import Any

from wuye.context import Context
from wuye.records import search
from wuye.resources.declaration import Resource
from wuye.resources.query import Query, run


def best(
    ctx: Context, resource: Resource, needle: str | None, columns: Sequence[str], most: int
) -> list[dict[str, Any]]:
    """Return at most so many rows that a text finds (folded; None: any rows), in the resource's usual order.

    Of things with a name, those come first of which a word begins like that, or is spelled so: `cy` finds 陈雨 before
    Nancy. `columns` include `id`.
    """
    begins = [search.beginning(needle)] if needle and resource.search and not resource.is_record else []
    found: dict[Any, dict[str, Any]] = {}
    for text in (*begins, needle):
        if len(found) < most:
            rows = run(ctx, resource, Query({}, text, resource.sort[0], tuple(columns), most)).items
            found = {row["id"]: row for row in (*found.values(), *rows)}
    return list(found.values())[:most]

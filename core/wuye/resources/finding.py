"""The best of what a text finds, for those who choose from a few: the palette, the search page, the fields of forms."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from wuye.context import Context
from wuye.records import search
from wuye.resources.declaration import Resource
from wuye.resources.query import Query, run, visibility


class Asked(NamedTuple):
    """What is looked through, and the columns that are wanted of it (`id` among them)."""

    resource: Resource
    columns: Sequence[str]


def best(
    ctx: Context, resource: Resource, needle: str | None, columns: Sequence[str], most: int
) -> list[dict[str, Any]]:
    """Return at most so many rows that a text finds (folded; None: any rows), in the resource's usual order.

    Of things with a name, those come first of which a word begins like that, or is spelled so: `cy` finds 陈雨 before
    Nancy. Of work it is the newest. `columns` include `id`.
    """
    if needle is None:
        return run(ctx, resource, Query({}, None, resource.sort[0], tuple(columns), most)).items
    return best_of_each(ctx, [Asked(resource, columns)], needle, most)[0]


def best_of_each(ctx: Context, asked: Sequence[Asked], needle: str, most: int) -> list[list[dict[str, Any]]]:
    """Return for each resource what `best` would, with one search for all of them."""
    places, wanted, numbers = [], [], []
    for place, (resource, _columns) in enumerate(asked):
        # Who does not see all may see none of the newest; and names come in their own order.
        newest = resource.is_record and visibility(ctx, resource) is None
        for text in _texts(resource, needle):
            places.append(place)
            wanted.append(search.Wanted(resource.search_kind, text))
            numbers.append(most if newest else search.MOST_HITS)
    hits_by_place = search.hits(ctx.session, wanted, numbers, revealed=ctx.may("core.reveal"))
    found: list[dict[Any, dict[str, Any]]] = [{} for _each in asked]
    for place, hits in zip(places, hits_by_place, strict=True):
        if hits and len(found[place]) < most:
            for row in _rows(ctx, asked[place], hits, most):
                found[place].setdefault(row["id"], row)
    return [list(rows.values())[:most] for rows in found]


def _texts(resource: Resource, needle: str) -> Iterator[str]:
    """Yield what a resource is searched for, the better first."""
    if resource.search and not resource.is_record:
        yield search.beginning(needle)
    yield needle


def _rows(ctx: Context, asked: Asked, hits: Sequence[UUID], most: int) -> list[dict[str, Any]]:
    resource, columns = asked
    return run(ctx, resource, Query({}, None, resource.sort[0], tuple(columns), most, among=tuple(hits))).items

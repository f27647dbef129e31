"""Something of everything, for tests that do not care what it is."""

from typing import Any
from uuid import UUID, uuid4

from wuye.db.base import Base
from wuye.resources import service
from wuye.resources.declaration import Resource
from wuye.testing.estate import TestEstate
from wuye.testing.inputs import minimal
from wuye.testing.rows import add_row

#: What a record that others refer to is made with, whatever kind the installation has.
_SAMPLE = {"title": "x", "request_kind": "repair", "order_type": "corrective"}


def references(estate: TestEstate) -> dict[str, UUID]:
    """Return something to refer to, of every target that schemas know."""
    with estate.place.database.session(estate.info.id, role="ops") as session:
        return {
            target: add_row(session.connection(), Base.metadata.tables[f"core_{target}"], estate.info.id)
            for target in ("property", "person", "department")
        } | {"record": some_record(estate)}


def some_record(estate: TestEstate) -> UUID:
    """Return an open record to refer to; one of whatever kind the installation has."""
    registry = estate.place.plugins.registry
    kinds = [r for r in registry.resources.values() if r.kind and r.create and not r.kind.startswith("core.")]
    if not kinds:
        return uuid4()
    with estate.context() as ctx:
        body = {name: value for name, value in _SAMPLE.items() if name in kinds[0].instance.load_fields}
        row = service.create(ctx, kinds[0], {**minimal(kinds[0].instance, {}), **body})
        return UUID(str(row["id"]))


def make_one(estate: TestEstate, item: Resource, owner: UUID | None = None) -> Any:
    """Create one of a resource in the estate, by the program itself, and return its id.

    With `owner` a record is asked for by this person, who does it as well. Where a resource has no way to create one
    (the list of all work), it is one of the first kind of work that has.
    """
    if item.create is None:
        with estate.context() as ctx:
            source = next(r for r in ctx.loaded.registry.resources.values() if r.kind and r.create)
        return make_one(estate, source) if source is not item else None
    body = minimal(item.instance, references(estate))
    with estate.context() as ctx:
        identity = service.create(ctx, item, body)["id"]
    if owner is not None:
        with estate.context() as ctx:
            record = ctx.session.get_one(item.model, (estate.info.id, identity))
            record.requester_id = record.assignee_id = owner
    return identity

"""Something of everything, for tests that do not care what it is."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from wuye.db.base import Base, table_of
from wuye.resources import service
from wuye.resources.declaration import Resource
from wuye.testing.estate import TestEstate
from wuye.testing.inputs import minimal
from wuye.testing.rows import add_row


class Targets(dict[str, UUID]):
    """What references can lead to, by target; a plugin's own things are made when they are first asked for."""

    def __init__(self, estate: TestEstate, known: Mapping[str, UUID]) -> None:
        super().__init__(known)
        self._estate = estate

    def __missing__(self, target: str) -> UUID:
        resources = self._estate.place.plugins.registry.resources.values()
        item = next((r for r in resources if r.create and r.model.__tablename__ == table_of(target)), None)
        if item is None:
            raise LookupError(f"no resource makes what Reference({target!r}) leads to: offer one, or give it a sample")
        self[target] = UUID(str(_created(self._estate, item, minimal(item.instance, self))))
        return self[target]


def references(estate: TestEstate) -> Targets:
    """Return something to refer to, of every target that schemas know."""
    with estate.place.database.session(estate.info.id, role="ops") as session:
        core = {
            target: add_row(session.connection(), Base.metadata.tables[f"core_{target}"], estate.info.id)
            for target in ("property", "person", "department")
        }
    return Targets(estate, {**core, "record": some_record(estate, core)})


def some_record(estate: TestEstate, known: Mapping[str, UUID]) -> UUID:
    """Return an open record to refer to; one of whatever kind the installation has that needs no other record."""
    registry = estate.place.plugins.registry
    kinds = [r for r in registry.resources.values() if r.kind and r.create and not r.kind.startswith("core.")]
    if not kinds:
        return uuid4()
    return UUID(str(_created(estate, kinds[0], minimal(kinds[0].instance, Targets(estate, known)))))


def make_one(estate: TestEstate, item: Resource, owner: UUID | None = None) -> Any:
    """Create one of a resource in the estate, by the program itself, and return its id.

    With `owner` a record is asked for by this person, who does it as well. Where a resource has no way to create one
    (the list of all work), it is one of the first kind of work that has.
    """
    if item.create is None:
        with estate.context() as ctx:
            source = next(r for r in ctx.loaded.registry.resources.values() if r.kind and r.create)
        return make_one(estate, source) if source is not item else None
    identity = _created(estate, item, minimal(item.instance, references(estate)))
    if owner is not None:
        with estate.context() as ctx:
            record = ctx.session.get_one(item.model, (estate.info.id, identity))
            record.requester_id = record.assignee_id = owner
    return identity


def _created(estate: TestEstate, item: Resource, body: dict[str, Any]) -> Any:
    with estate.context() as ctx:
        return service.create(ctx, item, body)["id"]

"""The generic tests: `test_conformance = conformance(plugin)` in a plugin's tests brings all of them.

They prove what every plugin owes: tables that agree with models, walls between estates, permissions that hold in both
directions, routes that go and come with the plugin, lists whose cost does not depend on their length, and flows that
leave exactly one entry on the timeline for each step.
"""

import random
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from wuye.db import migrate
from wuye.db.base import Base
from wuye.errors import Problem
from wuye.estates.services import disable, enable
from wuye.identity.services import identify
from wuye.installation import Installation
from wuye.plugins.loader import Plugin
from wuye.records import services
from wuye.records.flow import SYSTEM
from wuye.records.models import Timeline
from wuye.records.timeline import verify_chain
from wuye.resources import service
from wuye.resources.declaration import Resource
from wuye.resources.schemas import input_schema
from wuye.testing.client import Client
from wuye.testing.estate import TestEstate
from wuye.testing.inputs import minimal
from wuye.testing.rows import add_row
from wuye.testing.statements import counted
from wuye.web.access import access_of

#: No list or detail asks the database more than this, however long it is: who calls, the estate, and the rows.
MOST_STATEMENTS = 4

#: Steps of a random walk through a flow.
_STEPS = 40


def conformance(plugin: Plugin) -> type:
    """Return the test class for a plugin; assign it to a name that begins with `test` or `Test`."""

    def resources(place: Installation) -> list[Resource]:
        return [item for item in place.plugins.registry.resources.values() if item.plugin == plugin.manifest.name]

    class TestConformance:
        """The generic tests of one plugin."""

        def test_tables_agree_with_models(self, installation: Installation) -> None:
            with migrate.owner(installation.database) as connection:
                script = migrate.differences(connection, plugin.manifest.name)
            assert script.upgrade_ops is not None
            assert [str(step) for step in script.upgrade_ops.ops] == []

        def test_declared_permissions_are_used(self, installation: Installation) -> None:
            registry = installation.plugins.registry
            used = {target.permission for target in registry.targets.values()}
            for item in registry.resources.values():
                used |= {name for name in (item.read, item.read_own, item.create, item.update) if name}
                for step in item.flow.transitions.values() if item.flow else ():
                    used |= {step.permission, step.override or SYSTEM}
            if plugin.manifest.name != "core":  # core's are also asked for by services
                assert set(plugin.manifest.permissions) <= used

        def test_every_route_declares_who_may_call_it(self, installation: Installation, app: Any) -> None:
            permissions = installation.plugins.registry.permissions
            routes = [rule for rule in app.url_map.iter_rules() if f"api.{plugin.manifest.name}." in rule.endpoint]
            assert len(routes) >= len(resources(installation)) * 3
            for rule in routes:
                access = access_of(app, rule.endpoint)
                assert access is not None, rule.rule
                assert access.plugin == plugin.manifest.name
                assert access.permissions, rule.rule
                assert set(access.permissions) <= permissions.keys(), rule.rule

        def test_roles_may_do_what_they_are_granted_and_nothing_else(
            self, installation: Installation, estate: TestEstate, make_estate: Callable[..., TestEstate]
        ) -> None:
            other = make_estate()
            roles = list(installation.plugins.registry.roles)
            clients = {role: estate.login(role) for role in roles}
            strangers = {role: other.login(role) for role in roles}
            seen: set[bool] = set()
            for item in resources(installation):
                for role in roles:
                    seen |= _check_role(installation, estate, item, clients[role], strangers[role])
            assert seen == {True, False}, "each cannot needs its can"

        def test_disabling_closes_its_routes_at_once_and_enabling_opens_them(
            self, installation: Installation, estate: TestEstate
        ) -> None:
            if plugin.manifest.name == "core":
                pytest.skip("core cannot be disabled")
            manager = estate.login("core.manager")
            urls = [manager.url(item.key) for item in resources(installation)]
            assert [manager.send("GET", url).status_code for url in urls] == [200] * len(urls)
            with estate.context() as ctx:
                disable(ctx, plugin.manifest.name, force=True)
            absent = manager.send("GET", f"{urls[0]}-that-never-was")
            for url in urls:
                closed = manager.send("GET", url)
                assert closed.status_code == absent.status_code == 404
                assert _without_id(closed.get_json()) == _without_id(absent.get_json())
            with estate.context() as ctx:
                enable(ctx, [plugin.manifest.name])
            assert [manager.send("GET", url).status_code for url in urls] == [200] * len(urls)

        def test_lists_and_details_ask_a_bounded_number_of_questions(
            self, installation: Installation, estate: TestEstate, monkeypatch: pytest.MonkeyPatch
        ) -> None:
            manager = estate.login("core.manager")
            for item in resources(installation):
                for length in (1, 12):
                    while len(manager.list(item.key)) < length:
                        _make(estate, item)
                    row = manager.list(item.key)[0]
                    for url in (manager.url(item.key), manager.url(item.key, row["id"])):
                        with counted(installation, monkeypatch) as sent:
                            manager.ask("GET", url)
                        assert len(sent) <= MOST_STATEMENTS, (url, sent)

        @pytest.mark.parametrize("seed", range(4))
        def test_no_sequence_of_actions_leaves_the_declared_states(
            self, installation: Installation, estate: TestEstate, seed: int
        ) -> None:
            chance = random.Random(seed)
            for item in resources(installation):
                if item.flow is not None:
                    _walk(estate, item, chance)
            with estate.context() as ctx:
                assert list(verify_chain(ctx.session)) == []

    return TestConformance


def _without_id(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != "request_id"}


def _check_role(place: Installation, estate: TestEstate, item: Resource, client: Client, stranger: Client) -> set[bool]:
    """Compare what a role's client may do with a resource with what its role says; return the answers seen."""
    me = _permissions(place, estate, client)
    listing = client.send("GET", client.url(item.key))
    may_read = bool({item.read, item.read_own} & me)
    if item.visible is None:
        assert listing.status_code == (200 if may_read else 403), (client.url(item.key), me, listing.get_json())
    foreign = stranger.send("GET", client.url(item.key))
    assert foreign.status_code == 404
    assert _without_id(foreign.get_json()) == _without_id(
        client.send("GET", client.url(item.key).replace(estate.code, "never-was")).get_json()
    )
    if item.create:
        body = minimal(item.instance, _references(estate, item))
        created = client.send("POST", client.url(item.key), body)
        allowed = item.create in me
        assert (created.status_code != 403) == allowed, (item.key, me, created.get_json())
        return {may_read, allowed}
    return {may_read}


def _permissions(place: Installation, estate: TestEstate, client: Client) -> frozenset[str]:
    with place.database.session() as session:
        caller = identify(session, place.database.secret, place.clock.now(), client.token, estate.code, demo=True)
    active = frozenset(place.plugins.loaded)
    return place.plugins.registry.permissions_of(caller.roles, active)


def _references(estate: TestEstate, item: Resource) -> dict[str, UUID]:
    """Return something to refer to, of every target that a resource's schemas know."""
    targets = {"property", "person", "department"}
    with estate.place.database.session(estate.info.id, role="ops") as session:
        tables = {target: f"core_{target}" for target in targets}
        return {
            target: add_row(session.connection(), Base.metadata.tables[name], estate.info.id)
            for target, name in tables.items()
        } | {"record": _some_record(estate)}


def _some_record(estate: TestEstate) -> UUID:
    """Return an open record to refer to; one of whatever kind the installation has."""
    registry = estate.place.plugins.registry
    kinds = [r for r in registry.resources.values() if r.kind and r.create and not r.kind.startswith("core.")]
    if not kinds:
        return uuid4()
    with estate.context() as ctx:
        values = {"title": "x", "request_kind": "repair", "order_type": "corrective"}
        body = {name: value for name, value in values.items() if name in kinds[0].instance.load_fields}
        row = service.create(ctx, kinds[0], {**minimal(kinds[0].instance, {}), **body})
        return UUID(str(row["id"]))


def _make(estate: TestEstate, item: Resource) -> Any:
    """Create one of a resource in the estate, by the program itself."""
    if item.create is None:
        with estate.context() as ctx:
            source = next(r for r in ctx.loaded.registry.resources.values() if r.kind and r.create)
        return _make(estate, source) if source is not item else None
    body = minimal(item.instance, _references(estate, item))
    with estate.context() as ctx:
        return service.create(ctx, item, body)["id"]


def _walk(estate: TestEstate, item: Resource, chance: random.Random) -> None:
    """Take random actions on a new record, and check after each what the flow promises."""
    assert item.flow is not None
    references = _references(estate, item)
    identity = _make(estate, item)
    for _step in range(_STEPS):
        action = chance.choice([t for t in item.flow.transitions.values() if t.permission != SYSTEM])
        body = minimal(input_schema(action), references, optional=("category",))
        with estate.context() as ctx:
            record = ctx.session.get_one(item.model, (estate.info.id, identity))
            before, entries = record.state, _entries(ctx, identity)
            expected = action.target or before
            try:
                services.perform(ctx, record, action.name, body)
                ctx.seal()
            except Problem:
                ctx.session.rollback()
                expected, taken = before, 0
            else:
                taken = 1
        with estate.context() as ctx:
            record = ctx.session.get_one(item.model, (estate.info.id, identity))
            assert record.state in item.flow.states
            assert record.phase == item.flow.states[record.state].phase
            assert (record.closed_at is not None) == (record.phase == "done")
            own = ctx.session.scalars(
                select(Timeline).where(Timeline.record_id == identity).order_by(Timeline.sequence)
            ).all()
            steps = [entry for entry in own[entries:] if entry.event == action.name]
            assert len(steps) == taken, (action.name, [entry.event for entry in own[entries:]])
            if taken:
                assert before in action.sources
                assert steps[0].data["to"] == expected
            else:
                assert len(own) == entries


def _entries(ctx: Any, identity: Any) -> int:
    return ctx.session.scalar(select(func.count()).where(Timeline.record_id == identity)) or 0

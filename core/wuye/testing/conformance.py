"""The generic tests: `test_conformance = conformance(plugin)` in a plugin's tests brings all of them.

They prove what every plugin owes: tables that agree with models, walls between estates, permissions that hold in both
directions, routes that go and come with the plugin, lists whose cost does not depend on their length, and flows that
leave exactly one entry on the timeline for each step.
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from wuye.db import migrate
from wuye.db.base import table_of
from wuye.estates.services import disable, enable
from wuye.i18n import LazyText
from wuye.installation import Installation
from wuye.plugins.loader import Plugin
from wuye.records.flow import SYSTEM
from wuye.records.timeline import verify_chain
from wuye.resources import service
from wuye.resources.declaration import Resource
from wuye.resources.fields import Phone, Reference, is_staff_only
from wuye.slots import Shape
from wuye.testing.estate import TestEstate
from wuye.testing.inputs import minimal, value_for
from wuye.testing.matrix import Matrix, every_route, without_id
from wuye.testing.pages import addresses, browser, opened
from wuye.testing.samples import make_one, references
from wuye.testing.statements import counted
from wuye.testing.walks import walk_everywhere
from wuye.translating import catalogue_of, messages_of
from wuye.web.access import access_of

#: No list or detail asks the database more than this, however long it is: who calls, the estate, and the rows.
MOST_STATEMENTS = 4


def conformance(plugin: Plugin) -> type:
    """Return the test class for a plugin; assign it to a name that begins with `test` or `Test`."""

    def resources(place: Installation) -> list[Resource]:
        return [item for item in place.plugins.registry.resources.values() if item.plugin == plugin.manifest.name]

    def resource_of(place: Installation, target: str) -> Resource:
        table = table_of(target)
        return next(item for item in place.plugins.registry.resources.values() if item.model.__tablename__ == table)

    class TestConformance:
        """The generic tests of one plugin."""

        def test_tables_agree_with_models(self, installation: Installation) -> None:
            with migrate.owner(installation.database) as connection:
                script = migrate.differences(connection, plugin.manifest.name)
            assert script.upgrade_ops is not None
            lacking = [" ".join(map(str, step.to_diff_tuple()[:2])) for step in script.upgrade_ops.ops]
            command = f"wuye plugin migration {plugin.manifest.name}"
            assert not lacking, f"the tables are not what the models say: {command} ({lacking})"

        def test_declared_permissions_are_used(self, installation: Installation) -> None:
            registry = installation.plugins.registry
            used = {target.permission for target in registry.targets.values()}
            shown = (registry.settings, registry.cards, registry.panels)
            used |= {item.permission for shelf in shown for item in shelf.values()}
            for item in registry.resources.values():
                used |= {name for name in (item.read, item.read_own, item.create, item.update) if name}
                used |= set(item.comment or ())
                for step in item.flow.transitions.values() if item.flow else ():
                    used |= {step.permission, step.override or SYSTEM}
            if plugin.manifest.name != "core":  # core's are also asked for by services
                assert set(plugin.manifest.permissions) <= used

        def test_declared_settings_are_explained_translated_and_stored(
            self, installation: Installation, estate: TestEstate
        ) -> None:
            declared = installation.plugins.registry.settings.get(plugin.manifest.name)
            if declared is None:
                pytest.skip("it declares no settings")
            translations = catalogue_of(plugin.folder)
            for name, item in declared.items.items():
                for said in (item.label, item.help):
                    assert isinstance(said, LazyText), f"{name}: mark its texts for translation: _(…)"
                    assert said.message.strip(), f"{name}: say what it is called, and what it means"
                    assert translations.get(said.message), f"{name}: {said.message!r} has no translation"
            manager, nobody = estate.login("core.manager"), estate.login("core.resident")
            url = f"/api/v1/estates/{estate.code}/settings/{plugin.manifest.name.replace('_', '-')}"
            before = manager.ask("GET", url)
            assert before["values"] == declared.schema.dump(declared.defaults)
            assert nobody.send("GET", url).status_code == 403
            for name, value in before["values"].items():
                version = manager.ask("GET", url)["version"]
                changed = manager.ask("PATCH", url, {name: value}, If_Match=f'"{version}"')
                assert changed["values"] == before["values"]

        def test_declared_cards_and_panels_show_something(self, installation: Installation, estate: TestEstate) -> None:
            registry = installation.plugins.registry
            for panel in registry.panels.values():
                if panel.plugin == plugin.manifest.name and panel.of in registry.resources:
                    row = {"id": make_one(estate, registry.resources[panel.of])}
                    with estate.context() as ctx:
                        assert isinstance(panel.show(ctx, row), Shape | None), panel.name
            for card in registry.cards.values():
                if card.plugin == plugin.manifest.name:
                    with estate.context() as ctx:
                        assert isinstance(card.show(ctx), Shape | None), card.name

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
            clients = [*(estate.login(role) for role in roles), estate.login()]
            stranger = other.login("core.manager")
            for item in resources(installation):
                matrix = Matrix(estate, other, item)
                for client in clients:
                    matrix.check(client, stranger)
                one_sided = [route for route, answers in matrix.seen.items() if answers != {True, False}]
                assert not one_sided, f"{item.key}: each cannot needs its can"

        def test_who_may_only_read_writes_nothing(self, installation: Installation, estate: TestEstate) -> None:
            for item in resources(installation):
                for scope in {item.read, item.read_own} - {None, *(item.comment or ())}:
                    reader = estate.login(*installation.plugins.registry.roles, scopes=[str(scope)])
                    identity = make_one(estate, item, owner=reader.person if item.kind else None)
                    for route, method, answer in every_route(reader, item, identity):
                        if method != "GET":
                            assert answer.status_code == 403, (item.key, scope, route, answer.get_json())

        def test_no_search_tells_a_part_of_what_is_masked(self, installation: Installation, estate: TestEstate) -> None:
            number = "13747772345"
            for item in resources(installation):
                phones = {name for name, field in item.instance.load_fields.items() if isinstance(field, Phone)}
                for name in sorted(phones & set(item.search)):
                    with estate.context() as ctx:
                        body = {**minimal(item.instance, references(estate)), name: number}
                        identity = str(service.create(ctx, item, body)["id"])
                    reader = estate.login(*installation.plugins.registry.roles, scopes=[str(item.read)])
                    told = [end for end in range(3, len(number) + 1) if reader.list(item.key, f"q={number[:end]}")]
                    told += [-begin for begin in range(1, 8) if reader.list(item.key, f"q={number[begin:]}")]
                    assert told == [len(number)], f"{item.key}: {name} is found by a part of it"
                    whole = estate.login(*installation.plugins.registry.roles)
                    assert [row["id"] for row in whole.list(item.key, f"q={number[2:9]}")] == [identity]

        def test_who_does_not_work_here_decides_nothing_and_refers_to_nothing_foreign(
            self, installation: Installation, estate: TestEstate
        ) -> None:
            theirs = references(estate)
            for item in resources(installation):
                if item.create is None or item.kind is None:
                    continue
                scopes = [str(name) for name in (item.create, item.read_own) if name]
                resident = estate.login(*installation.plugins.registry.roles, scopes=scopes)
                least = minimal(item.instance, theirs)
                for name, field in item.instance.load_fields.items():
                    closed = is_staff_only(field) or isinstance(field, Reference)
                    if not closed or (isinstance(field, Reference) and field.target == "department"):
                        continue
                    if isinstance(field, Reference) and field.target not in theirs:
                        theirs[field.target] = make_one(estate, resource_of(installation, field.target))
                    given = value_for(field, theirs)
                    answer = resident.send("POST", resident.url(item.key), {**least, name: given})
                    wrong = {each["field"] for each in answer.get_json().get("errors", [])}
                    assert (answer.status_code, name in wrong) == (422, True), (item.key, name, answer.get_json())
                    if isinstance(field, Reference):
                        ghost = resident.send("POST", resident.url(item.key), {**least, name: str(uuid4())})
                        assert without_id(ghost.get_json()) == without_id(answer.get_json()), (item.key, name)

        def test_disabling_closes_its_routes_at_once_and_enabling_opens_them(
            self, installation: Installation, estate: TestEstate
        ) -> None:
            if plugin.manifest.name == "core":
                pytest.skip("core cannot be disabled")
            manager = estate.login("core.manager")
            made = [(item, make_one(estate, item)) for item in resources(installation)]
            urls = [manager.url(item.key) for item in resources(installation)]
            assert [manager.send("GET", url).status_code for url in urls] == [200] * len(urls)
            with estate.context() as ctx:
                disable(ctx, plugin.manifest.name, force=True)
            absent = manager.send("GET", f"{urls[0]}-that-never-was")
            assert absent.status_code == 404
            for item, identity in made:
                for route, _method, answer in every_route(manager, item, identity):
                    assert answer.status_code == 404, (item.key, route)
                    assert without_id(answer.get_json()) == without_id(absent.get_json()), (item.key, route)
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
                        make_one(estate, item)
                    row = manager.list(item.key)[0]
                    for url in (manager.url(item.key), manager.url(item.key, row["id"])):
                        with counted(installation, monkeypatch) as sent:
                            manager.ask("GET", url)
                        assert len(sent) <= MOST_STATEMENTS, (url, sent)

        def test_every_page_opens_for_every_role(
            self, installation: Installation, app: Any, estate: TestEstate
        ) -> None:
            everything = list(addresses(estate, app, resources(installation)))
            manager = browser(estate, "core.manager")
            mine = [item for item in resources(installation) if item.read]
            for role in (None, *installation.plugins.registry.roles):
                client = browser(estate, *([role] if role else []))
                for address in everything:
                    status, text = opened(client, address)
                    fine = (200, 303, 403, 404, *([409] if "/actions/" in address else []))
                    assert status in fine, f"{address} as {role}: {status} {text[:2000]}"
            seen = [opened(manager, address)[0] for address in everything if address.startswith("/e/")]
            assert seen.count(200) >= len(mine) * 2, "a manager sees lists and details"

        def test_every_text_is_translated(self, installation: Installation) -> None:
            if not (plugin.folder / "translations").is_dir():
                pytest.skip("it has no translations: its texts are shown as they are written")
            translated = catalogue_of(plugin.folder)
            wanted = messages_of(plugin.folder, installation.plugins.registry)
            assert sorted(text for text in wanted if not translated.get(text)) == []

        def test_no_sequence_of_actions_leaves_the_declared_states(
            self, installation: Installation, estate: TestEstate
        ) -> None:
            for item in resources(installation):
                if item.flow is not None:
                    walk_everywhere(estate, item)
            with estate.context() as ctx:
                assert list(verify_chain(ctx.session)) == []

    return TestConformance

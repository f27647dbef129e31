"""What is shown masked is found by a part of it only by those who may see it in full; by everybody else as a whole."""

from urllib.parse import quote
from uuid import UUID

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from wuye.api import Resource
from wuye.db.migrate import scripts
from wuye.people.models import Person
from wuye.people.schemas import PersonSchema
from wuye.records import search

PHONE, EMAIL = "13747772345", "zhao.min@garden.example"


@pytest.fixture
def chen(login):
    return login("core.manager").create("people", name="Chen Yu", phone="+86 137-4777-2345", email=EMAIL)


def found(client, resource, needle):
    return [row["id"] for row in client.list(resource, f"fields=id&q={quote(needle)}")]


def test_digits_are_no_oracle_for_who_may_not_reveal(login, chen):
    guard, agent = login("maintenance.technician"), login("core.agent")
    parts = [PHONE[start:end] for start in range(len(PHONE)) for end in range(start + 1, len(PHONE) + 1)]
    told = {part for part in parts if found(guard, "people", part)}
    assert told == {PHONE}
    assert not any(found(guard, "people", EMAIL[:end]) for end in range(3, len(EMAIL)))
    assert found(agent, "people", "7772345") == found(agent, "people", EMAIL[:6]) == [chen["id"]]


@pytest.mark.parametrize(
    "whole", [PHONE, "137 4777 2345", "+86 137-4777-2345", "１３７４７７７２３４５", EMAIL, EMAIL.upper()]
)
def test_a_whole_number_is_found_however_it_is_written(login, chen, whole):
    assert found(login("core.staff"), "people", whole) == [chen["id"]]


def test_palette_search_and_suggestions_tell_no_more(visitor, chen):
    guard = visitor("core.staff")
    for needle in (PHONE[:4], PHONE[:10], PHONE[3:], "zhao.min@"):
        assert "Chen Yu" not in guard.get(f"palette?q={quote(needle)}").text
        assert "Chen Yu" not in guard.get(f"search?q={quote(needle)}").text
        assert guard.get(f"suggest/person?q={quote(needle)}").get_json() == {"items": []}
    assert "Chen Yu" in guard.get(f"palette?q={PHONE}").text


def test_a_changed_number_is_found_and_the_former_is_not(login, chen):
    agent = login("core.agent")
    agent.edit("people", chen, phone="13900001111")
    assert found(agent, "people", "0000111") == [chen["id"]]
    assert found(agent, "people", PHONE) == []


def test_work_hides_its_contact_number_too(login):
    agent, auditor = login("core.agent"), login("core.auditor", "core.staff")
    made = agent.create("requests", title="Leak", request_kind="repair", contact_phone=PHONE)
    assert found(auditor, "requests", PHONE[:9]) == found(auditor, "records", PHONE[:9]) == []
    assert found(auditor, "requests", PHONE) == found(agent, "requests", PHONE[:9]) == [made["id"]]


def test_no_resource_may_be_sorted_or_filtered_by_what_is_masked(installation):
    for slot in ({"sort": ("phone",)}, {"filters": ("email",)}):
        resource = Resource("people", Person, PersonSchema, read="read_people", read_own=None, create=None, update=None,
                            columns=("name",), **{"sort": ("name",), **slot})  # fmt: skip
        with pytest.raises(ValueError, match="masked"):
            resource.bind("core", installation.plugins.registry)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_a_value_is_kept_as_it_is_looked_for(value):
    kept = search.lines([value])
    assert (kept is None) == (not search.fold(value))
    assert kept is None or f"\n{search.plain(value)}\n" in kept


def test_numbers_of_before_are_moved_by_the_upgrade(login, estate, chen):
    agent = login("core.agent")
    agent.create("requests", title=f"Call {PHONE}", request_kind="repair", contact_phone=PHONE)
    place = estate.place
    wanted = text("SELECT id, content, masked, grams FROM core_search_entry WHERE estate_id = :estate")
    back = text("UPDATE core_search_entry SET content = :old, masked = NULL WHERE estate_id = :estate AND id = :id")
    with place.database.engine("owner").connect() as connection, connection.begin() as step:

        def entries():
            rows = connection.execute(wanted, {"estate": estate.info.id})
            return {row.id: (row.content.strip(), row.masked, set(row.grams)) for row in rows}

        now = entries()
        for identity, (content, masked, _grams) in now.items():
            if masked:
                shown = (masked.split("\n")[2:-1] or [PHONE]) if identity == UUID(chen["id"]) else [PHONE]
                old = f"{content} {search.fold(' '.join(shown))}"
                connection.execute(back, {"old": old, "estate": estate.info.id, "id": identity})
        with Operations.context(MigrationContext.configure(connection)):
            connection.execute(text("ALTER TABLE core_search_entry RENAME COLUMN masked TO kept"))
            for plugin in ("core", "customer_service"):
                steps = scripts(place.plugins.loaded[plugin]).walk_revisions()
                next(step for step in steps if (step.doc or "").startswith("masked search")).module.upgrade()
            connection.execute(text("ALTER TABLE core_search_entry DROP COLUMN kept"))
        after = entries()
        assert {key: (words, masked) for key, (words, masked, _grams) in after.items() if masked} == {
            key: (words, masked) for key, (words, masked, _grams) in now.items() if masked
        }
        step.rollback()

"""A timeline that somebody has cut, changed or written anew is noticed, also when its chain is right in itself."""

import dataclasses
import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from wuye import audit
from wuye.errors import Invalid
from wuye.records.timeline import Entry, append


@pytest.fixture
def noted(installation, tmp_path, monkeypatch):
    """A file of anchors for this test alone."""
    path = tmp_path / "anchors.log"
    monkeypatch.setattr(installation, "settings", dataclasses.replace(installation.settings, audit_anchors=path))
    return path


@pytest.fixture
def lived(estate, login):
    client = login("core.manager")
    for number in range(6):
        client.create("people", name=f"No. {number}")
    return estate


def breaks(estate, path):
    with estate.context() as ctx:
        return list(audit.verify(ctx.session, audit.read(path)))


def as_owner(estate, *statements):
    """Do what somebody does who has the owner's password."""
    with estate.place.database.engine("owner").begin() as connection:
        connection.execute(text("ALTER TABLE core_timeline NO FORCE ROW LEVEL SECURITY"))
        connection.execute(text("ALTER TABLE core_timeline_head NO FORCE ROW LEVEL SECURITY"))
        for statement in statements:
            connection.execute(text(statement), {"estate": estate.info.id})
        connection.execute(text("ALTER TABLE core_timeline FORCE ROW LEVEL SECURITY"))
        connection.execute(text("ALTER TABLE core_timeline_head FORCE ROW LEVEL SECURITY"))


CUT = (
    "DELETE FROM core_timeline WHERE estate_id = :estate AND sequence >"
    " (SELECT max(sequence) - 3 FROM core_timeline WHERE estate_id = :estate)",
    "UPDATE core_timeline_head SET (sequence, digest) = (SELECT sequence, digest FROM core_timeline"
    " WHERE estate_id = :estate ORDER BY sequence DESC LIMIT 1) WHERE estate_id = :estate",
)


def test_an_end_that_was_cut_off_is_missed(lived, installation, noted):
    assert audit.anchor(installation) >= 1
    assert breaks(lived, noted) == []
    as_owner(lived, *CUT)
    with lived.context() as ctx:
        assert list(audit.verify(ctx.session, [])) == [], "in itself the chain is right"
    [broken] = breaks(lived, noted)
    assert "is missing" in broken.reason


def test_a_chain_that_was_written_anew_is_another(lived, installation, noted):
    audit.anchor(installation)
    as_owner(lived, *CUT)
    with lived.context() as ctx:
        entry = Entry(lived.info.id, lived.info.id, ctx.now, None, "forged", "staff", {})
        append(ctx.session, [entry] * 3)
    [broken] = breaks(lived, noted)
    assert "is another" in broken.reason


def test_the_ends_are_noted_once_a_day_in_a_file_that_only_grows(lived, installation, noted, monkeypatch):
    assert audit.anchor_if_due(installation) and not audit.anchor_if_due(installation)
    before = noted.read_bytes()
    assert noted.stat().st_mode & 0o777 == 0o600

    class Tomorrow:
        def now(self):
            return clock.now() + timedelta(days=1, minutes=1)

    clock = installation.clock
    monkeypatch.setattr(installation, "clock", Tomorrow())
    assert audit.anchor_if_due(installation)
    assert noted.read_bytes().startswith(before) and len(noted.read_bytes()) > len(before)


def test_a_line_that_is_none_of_ours_is_named(tmp_path):
    path = tmp_path / "anchors.log"
    path.write_text(json.dumps({"at": "yesterday"}) + "\n")
    with pytest.raises(Invalid, match="Line 1"):
        audit.read(path)


@pytest.mark.parametrize("role", ["app", "ops", "report"])
@pytest.mark.parametrize("right", ["UPDATE", "TRUNCATE"])
def test_no_role_of_the_running_product_may_change_an_entry(installation, role, right):
    with installation.database.engine("owner").connect() as connection:
        may = text("SELECT has_table_privilege(:role, 'core_timeline', :right)")
        assert not connection.scalar(may, {"role": f"wuye_{role}", "right": right})
        assert connection.scalar(may, {"role": f"wuye_{role}", "right": "SELECT"})

"""Backups that are made by themselves: when, how many are kept, and how one learns of a failure."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from wuye.archives import places, schedule
from wuye.archives.manifest import read_manifest
from wuye.clock import ManualClock
from wuye.config import BackupsKept, Settings
from wuye.db import bootstrap, migrate
from wuye.errors import Misconfigured
from wuye.installation import Installation
from wuye.jobs import worker
from wuye.jobs.queue import put_backup

from .conftest import adopt

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def kept_by(lived_in, tmp_path):
    """The lived-in installation, told to keep backups in a folder; and its clock."""
    clock = ManualClock(NOON)
    settings = replace(lived_in.place.settings, backup_folder=tmp_path / "backups", backup_hour=18)
    place = Installation(settings, clock=clock)
    yield place, clock
    place.close()


def made(place):
    return [backup.folder.name for backup in schedule.listing(place.settings)]


def test_one_a_day_is_made_and_one_that_was_missed_is_made_up_for(kept_by):
    place, clock = kept_by
    assert schedule.trouble(place.settings, clock.now()) is not None, "none yet"
    schedule.make_if_due(place)
    schedule.make_if_due(place)
    assert made(place) == ["20260310T120000Z"]
    assert schedule.trouble(place.settings, clock.now()) is None
    for hours, newest in ((5, "10T12"), (1, "10T18"), (20, "10T18"), (30, "12T20")):
        clock.forward(timedelta(hours=hours))
        schedule.make_if_due(place)
        assert made(place)[0] == f"202603{newest}0000Z"
    newest = schedule.listing(place.settings)[0]
    assert newest.checked is not None
    assert newest.manifest.rows > 0


def test_a_backup_that_fails_is_told_and_tried_again(kept_by, capsys):
    place, clock = kept_by
    place.settings.backup_folder.write_text("in the way")
    schedule.make_if_due(place)
    assert "backup failed" in capsys.readouterr().out
    assert schedule.trouble(place.settings, clock.now()) is not None
    place.settings.backup_folder.unlink()
    stored = place.settings.data / "files"
    stored.rename(stored.with_name("elsewhere"))
    stored.write_text("no folder")
    try:
        schedule.make_if_due(place)
    finally:
        stored.unlink()
        stored.with_name("elsewhere").rename(stored)
    listed = schedule.listing(place.settings)
    assert listed[0].manifest.missing, "it says which files were gone"
    clock.forward(timedelta(hours=27))
    assert "27" in str(schedule.trouble(place.settings, clock.now()))


def test_only_what_bears_a_moments_name_is_ever_deleted(kept_by):
    place, clock = kept_by
    folder = place.settings.backup_folder
    for _day in range(4):
        schedule.make(place)
        clock.forward(timedelta(days=1))
    (folder / made(place)[0]).rename(folder / "before-the-move")
    (folder / "notes").mkdir()
    stale = folder / ".20260101T000000Z.x.part"
    stale.mkdir()
    os.utime(stale, (0, 0))
    gone = schedule.thin(folder, BackupsKept(1, 0, 0), clock.now())
    assert len(gone) == 2
    assert sorted(path.name for path in folder.iterdir()) == [
        "20260312T120000Z",
        "before-the-move",
        "notes",
        "state.json",
    ]


@given(hours=st.lists(st.integers(0, 24 * 400), max_size=60), keep=st.tuples(*[st.integers(0, 8)] * 3))
def test_the_newest_is_always_kept_and_never_more_than_wanted(hours, keep):
    moments = {NOON - timedelta(hours=each) for each in hours}
    left = schedule.kept(moments, BackupsKept(*keep))
    assert left <= moments
    assert len(left) <= max(1, sum(keep))
    if moments:
        assert max(moments) in left
    days = {moment.date() for moment in moments}
    assert {moment.date() for moment in left} >= set(sorted(days)[-keep[0] :] if keep[0] else ())


def test_a_backup_is_kept_for_each_day_week_and_month():
    daily = [NOON - timedelta(days=each) for each in range(300)]
    left = sorted(schedule.kept(daily, BackupsKept()))
    assert left[-7:] == sorted(daily[:7])
    assert len(left) == 7 + 3 + 4, "the newest is that of its week and month too"
    assert (left[-1] - left[0]).days > 120


def test_settings_are_checked(tmp_path):
    good = {"WUYE_BACKUP_FOLDER": "/srv/backups", "WUYE_BACKUP_KEEP": "14,0,12", "WUYE_BACKUP_SECRET": "false"}
    settings = Settings.load(good, data=tmp_path)
    assert settings.backup_keep == BackupsKept(14, 0, 12)
    assert not settings.backup_secret
    for name, value in (("FOLDER", "backups"), ("HOUR", "24"), ("KEEP", "7"), ("KEEP", "0,1,1"), ("KEEP", "a,b,c")):
        with pytest.raises(Misconfigured, match=f"backup_{name.lower()}"):
            Settings.load({f"WUYE_BACKUP_{name}": value}, data=tmp_path)


def test_a_worker_makes_what_was_asked_for(kept_by):
    place, _clock = kept_by
    for _time in range(2):
        with place.database.session() as session:
            put_backup(session)
    with ThreadPoolExecutor(1) as pool:  # a browser's driver may keep this thread's event loop
        pool.submit(worker.run, place, once=True, signals=False).result()
    assert made(place) == ["20260310T120000Z"], "asked for twice before it began, made once"
    assert schedule.state_of(place.settings).state == "done"


def test_an_upgrade_backs_up_what_it_changes(another, installation, tmp_path):
    older = another()
    adopt(older, installation)
    bootstrap.create_database(older.superuser, older.database)
    firsts = {"core": "core_0009", "customer_service": "customer_service_0001", "maintenance": "maintenance_0001"}

    def upgrade(*options):
        environment = {
            **os.environ,
            "WUYE_DATA": str(older.settings.data),
            "WUYE_DATABASE_URL": older.settings.database_url.render_as_string(hide_password=False),
            "LANG": "en",
        }
        command = [sys.executable, "-m", "wuye", "upgrade", "--json", *options]
        return orjson.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)

    migrate.upgrade(older.database, older.plugins, to=firsts)
    with older.database.session() as session:
        session.execute(
            text(
                "INSERT INTO core_user (id, name, active, demo, host_admin, created_at)"
                " VALUES (gen_random_uuid(), 'x', true, false, false, now())"
            )
        )
    older.close()
    assert {row["before"] for row in upgrade()} == set(firsts.values())
    (backup,) = places.backups_in(older.settings.data / "backups")
    assert read_manifest(backup).revisions == firsts
    upgrade()
    assert len(places.backups_in(older.settings.data / "backups")) == 1, "nothing is changed, so nothing can be lost"

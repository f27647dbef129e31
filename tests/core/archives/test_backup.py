"""A backup holds everything, says what it is, costs what is new, and is put back whole or not at all."""

import gzip
import hashlib
import shutil
from dataclasses import replace

import pytest
from sqlalchemy import func, select, text

from wuye.archives.backup import back_up, files_of
from wuye.archives.checks import check
from wuye.archives.manifest import MANIFEST, TableFacts, read_manifest, write_manifest
from wuye.archives.restore import restore
from wuye.db import bootstrap, migrate, versions
from wuye.doctor import examine
from wuye.errors import Conflict, Invalid, Misconfigured
from wuye.jobs.queue import enqueue
from wuye.people.models import Person
from wuye.testing.client import Client
from wuye.web.app import create_app

from .conftest import adopt, databases

ODD = "王\\伟\"\n\t'=\x7f＝😀\\N \\. \u2028"


def people(place, code):
    with place.system_context(code) as ctx:
        return set(ctx.session.scalars(select(Person.name)))


def rewritten(folder, **changes):
    """Change what a backup says of itself, as if it had been written so."""
    manifest = replace(read_manifest(folder), **changes)
    for name in (MANIFEST, "manifest.sha256"):
        (folder / name).unlink()
    write_manifest(folder, manifest)


def test_everything_comes_back_and_people_go_on_working(lived_in, another, tmp_path):
    agent, estate = lived_in.agent, lived_in.estate
    estate.person(ODD, phone="13812345678", external_id="\\N")
    manifest = back_up(lived_in.place, tmp_path / "b")
    assert manifest.chains[estate.code].sequence > 0
    assert manifest.missing == ()
    place = another()
    restore(place, tmp_path / "b", verified=True)
    assert list(examine(place, deep=True)) == []
    there = Client(create_app(place), estate.code, agent.token, place.plugins.registry.resources)
    assert there.get("requests", lived_in.request) == agent.get("requests", lived_in.request)
    files = there.url("requests", lived_in.request["id"], "files")
    (file,) = there.ask("GET", files)["items"]
    answer = there.send("GET", f"{files}/{file['id']}")
    assert answer.status_code == 200
    assert answer.data == agent.send("GET", f"{files}/{file['id']}").data
    assert there.create("requests", title="新的", request_kind="repair")["number"]
    assert ODD in people(place, estate.code)
    assert databases(place) == [""], "nothing is left of the work"


def test_only_its_owner_may_look_into_a_backup(backup):
    assert backup.stat().st_mode & 0o777 == 0o700
    for path in backup.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_second_backup_costs_what_is_new(lived_in, tmp_path):
    back_up(lived_in.place, tmp_path / "monday")
    lived_in.report("路灯不亮", "green")
    back_up(lived_in.place, tmp_path / "tuesday")
    old = {file.path for file in files_of(tmp_path / "monday")}
    shared = [(tmp_path / "tuesday/files" / file.path).stat().st_nlink for file in files_of(tmp_path / "tuesday")]
    assert sorted(set(shared)) == [1, 2]
    assert shared.count(2) == len(old)
    shutil.rmtree(tmp_path / "monday")
    assert check(tmp_path / "tuesday").files == len(shared), "each stands for itself"


def test_a_backup_is_not_written_over_anything(lived_in, backup):
    before = (backup / MANIFEST).read_bytes()
    with pytest.raises(Conflict):
        back_up(lived_in.place, backup)
    assert (backup / MANIFEST).read_bytes() == before
    assert [path.name for path in backup.parent.iterdir()] == [backup.name]


def test_a_file_that_was_gone_already_is_named(lived_in, another, tmp_path):
    request = lived_in.report("水表", "blue")
    file = lived_in.agent.ask("GET", lived_in.agent.url("requests", request["id"], "files"))["items"][0]
    with lived_in.estate.context() as ctx:
        sha = ctx.session.scalar(text("SELECT sha256 FROM core_attachment WHERE id = :id"), {"id": file["id"]})
    path = next((lived_in.place.settings.data / "files").rglob(sha))
    content = path.read_bytes()
    path.unlink()
    try:
        manifest = back_up(lived_in.place, tmp_path / "b")
    finally:
        path.write_bytes(content)
    assert [name.rpartition("/")[2] for name in manifest.missing] == [sha]
    restore(another(), tmp_path / "b", verified=True)


@pytest.mark.parametrize("part", ["tables/core_person.jsonl.gz", "files", "files.jsonl", MANIFEST])
def test_what_is_damaged_is_named_and_nothing_is_restored(backup, another, part):
    path = backup / part
    if path.is_dir():
        path = next(each for each in sorted(path.rglob("*")) if each.is_file())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    place = another()
    with pytest.raises(Invalid) as refused:
        restore(place, backup)
    assert path.name in str(refused.value)
    assert not place.settings.data.exists()
    assert databases(place) == []


def test_all_that_is_gone_is_named_at_once(backup):
    (backup / "tables/core_person.jsonl.gz").unlink()
    (backup / "tables/core_estate.jsonl.gz").unlink()
    with pytest.raises(Invalid) as refused:
        check(backup)
    assert [error.field for error in refused.value.errors] == ["core_estate.jsonl.gz", "core_person.jsonl.gz"]


def test_rows_that_refer_to_nothing_are_refused_and_leave_nothing(backup, another):
    path = backup / "tables/core_person.jsonl.gz"
    facts = read_manifest(backup).tables
    path.write_bytes(gzip.compress(b""))
    nobody = TableFacts(0, hashlib.sha256(b"").hexdigest(), facts["core_person"].columns)
    rewritten(backup, tables={**facts, "core_person": nobody})
    place = another()
    with pytest.raises(Invalid, match="core_"):
        restore(place, backup)
    assert databases(place) == []


def test_an_installation_that_is_used_is_given_up_only_when_told(lived_in, backup, another):
    place = another()
    restore(place, backup)
    code = lived_in.estate.code
    with place.system_context(code) as ctx:
        ctx.session.add(Person(name="later", created_at=ctx.now, updated_at=ctx.now))
    stray = place.settings.data / "files" / "stray"
    stray.write_bytes(b"of what is replaced")
    place.close()
    with pytest.raises(Conflict, match="not empty"):
        restore(place, backup)
    assert "later" in people(place, code)
    with place.database.session(), pytest.raises(Conflict, match="connected"):
        restore(place, backup, replace=True)
    assert "later" in people(place, code)
    place.close()
    restore(place, backup, replace=True, verified=True)
    assert "later" not in people(place, code)
    assert not stray.exists()
    assert databases(place) == [""]


def test_without_its_secret_it_is_put_back_only_where_the_secret_is(lived_in, another, tmp_path):
    manifest = back_up(lived_in.place, tmp_path / "b", secret=False)
    assert not (tmp_path / "b/secret").exists()
    secret = lived_in.place.settings.secret()
    assert not any(secret in path.read_bytes() for path in (tmp_path / "b").rglob("*") if path.is_file())
    place = another()
    with pytest.raises(Misconfigured, match="without"):
        restore(place, tmp_path / "b")
    place.settings.data.mkdir()
    (place.settings.data / "secret").write_text("f" * 64)
    with pytest.raises(Misconfigured, match="another secret"):
        restore(place, tmp_path / "b")
    shutil.rmtree(place.settings.data)
    adopt(place, lived_in.place)
    assert restore(place, tmp_path / "b", verified=True) == manifest


def test_what_is_newer_than_this_wuye_is_refused(backup, another):
    revisions = read_manifest(backup).revisions
    rewritten(backup, revisions={**revisions, "core": "core_9999"})
    with pytest.raises(Invalid, match="core"):
        restore(another(), backup)
    rewritten(backup, revisions={**revisions, "parking": "parking_0001"})
    with pytest.raises(Invalid, match="parking"):
        restore(another(), backup)


def test_what_is_older_is_brought_up_to_date(another, tmp_path, installation):
    older = another()
    adopt(older, installation)
    bootstrap.create_database(older.superuser, older.database)
    firsts = {"core": "core_0009", "customer_service": "customer_service_0001", "maintenance": "maintenance_0001"}
    migrate.upgrade(older.database, older.plugins, to=firsts)
    assert back_up(older, tmp_path / "b").revisions == firsts
    place = another()
    restore(place, tmp_path / "b", verified=True)
    with place.database.engine("app").connect() as connection:
        assert versions.pending(connection, place.plugins) == []
    assert list(examine(place, deep=True)) == []


def test_counters_go_on_where_they_were(lived_in, backup, another):
    """The queue numbers its jobs: a restored one must not give a number twice."""
    place = another()
    with lived_in.estate.context() as ctx:
        enqueue(ctx, "core.purge_undo_steps")
    shutil.rmtree(backup)
    back_up(lived_in.place, backup)
    restore(place, backup)
    with place.system_context(lived_in.estate.code) as ctx:
        before = ctx.session.scalar(text("SELECT max(id) FROM procrastinate_jobs"))
        enqueue(ctx, "core.purge_undo_steps")
        assert ctx.session.scalar(text("SELECT max(id) FROM procrastinate_jobs")) == before + 1
        assert ctx.session.scalar(select(func.count()).select_from(text("procrastinate_events"))) == 2

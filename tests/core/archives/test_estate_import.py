"""An exported estate comes back here or elsewhere: whole or not at all, and nobody gets in by it."""

import os
import random
import signal
import subprocess
import sys
import zipfile
from uuid import UUID, uuid4

import orjson
import pytest
from sqlalchemy import func, select, text

from wuye.archives import backup, rows
from wuye.archives.estate_export import export_estate, is_exported
from wuye.archives.estate_import import copy_of, import_estate
from wuye.archives.manifest import checksum
from wuye.db import bootstrap, migrate
from wuye.db.base import Base
from wuye.errors import Conflict, Invalid
from wuye.estates import lifecycle
from wuye.estates.models import Estate, EstatePlugin
from wuye.files import storage
from wuye.identity.models import Membership
from wuye.identity.services import create_user
from wuye.records.models import Timeline
from wuye.testing.client import Client
from wuye.testing.estate import TestEstate
from wuye.web.app import create_app

from .conftest import adopt, photo


@pytest.fixture
def garden(estate):
    """An estate with work in two departments, a photo, and a work order that hangs on another one."""
    agent = estate.login("customer_service.agent")
    manager = estate.login("core.manager")
    parent = manager.create("properties", code="1", name="1号楼", kind="building")
    place = manager.create("properties", code="1-101", name="101", kind="unit", parent=parent["id"])
    made = agent.create("requests", title="电梯有异响", request_kind="repair", place=place["id"])
    agent.act("requests", made, "accept", category="repair")
    assert agent.upload(agent.url("requests", made["id"], "files"), photo("red")).status_code == 201
    manager.create("work-orders", title="Pump", order_type="corrective")
    manager.create("people", name="陈雨", phone="13812345678")
    estate.agent, estate.manager, estate.made = agent, manager, made
    return estate


@pytest.fixture
def exported(garden, tmp_path):
    file = tmp_path / "garden.zip"
    export_estate(garden.place, garden.code, file)
    return file


def new_code():
    return f"c-{uuid4().hex[:10]}"


def parts(file):
    """Return the rows of an export by table."""
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jsonl") and name.startswith("tables/")]
        return {name: [orjson.loads(line) for line in archive.open(name)] for name in names}


def rewritten(file, *, manifest=None, **contents):
    """Return a copy of an export with other contents; `manifest` changes what it says of itself, as if it were so."""
    copy = file.with_name("other.zip")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(copy, "w") as new:
        said = orjson.loads(old.read("manifest.json"))
        if manifest is not None:
            manifest(said)
            contents["manifest.json"] = orjson.dumps(said)
            contents["manifest.sha256"] = checksum(contents["manifest.json"])
        for name in old.namelist():
            new.writestr(name, contents.get(name, old.read(name)))
    return copy


def exists(place, code):
    with place.database.session() as session:
        return session.scalar(select(Estate.id).where(Estate.code == code)) is not None


def client_of(place, code):
    """Return somebody who looks after an estate that was imported."""
    found = TestEstate.__new__(TestEstate)
    found.place, found.app, found.code = place, create_app(place), code
    with place.system_context(code) as ctx:
        found.info = ctx.estate
    return found.login("core.manager", "customer_service.agent")


def test_an_export_is_its_owners_alone(exported):
    assert exported.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in exported.parent.iterdir()] == [exported.name]


def test_a_copy_is_equal_but_for_its_code_and_ids(garden, exported, tmp_path):
    code = new_code()
    done = import_estate(garden.place, exported, code=code)
    assert done.id != garden.info.id
    assert done.files == 2
    again = tmp_path / "again.zip"
    export_estate(garden.place, code, again)
    first, second = parts(exported), parts(again)
    event = second["tables/core_timeline.jsonl"].pop()
    assert event["event"] == "estate_imported"
    assert event["data"]["from"] == garden.code
    del first["tables/core_timeline_head.jsonl"], second["tables/core_timeline_head.jsonl"]
    for lines in second.values():
        assert {row["estate_id"] for row in lines} <= {str(done.id)}
        for row in lines:
            row["estate_id"] = str(garden.info.id)
    assert second == first
    with zipfile.ZipFile(exported) as one, zipfile.ZipFile(again) as other:
        files = [name for name in one.namelist() if name.startswith("files/")]
        assert files and all(one.read(name) == other.read(name) for name in files)


def test_the_same_estate_is_put_back_and_goes_on(garden, exported, make_estate):
    other = make_estate()
    other.person("别人")
    with pytest.raises(Conflict, match="already"):
        import_estate(garden.place, exported)
    lifecycle.delete_estate(garden.place, garden.code)
    done = import_estate(garden.place, exported)
    assert (done.id, done.code) == (garden.info.id, garden.code)
    client = client_of(garden.place, garden.code)
    assert client.get("requests", garden.made)["number"] == garden.made["number"]
    assert [row["title"] for row in client.list("requests", "q=电梯")] == ["电梯有异响"]
    numbers = {garden.made["number"], client.create("requests", title="新的", request_kind="repair")["number"]}
    assert len(numbers) == 2, "numbers go on"
    (file,) = client.ask("GET", client.url("requests", garden.made["id"], "files"))["items"]
    answer = client.send("GET", f"{client.url('requests', garden.made['id'], 'files')}/{file['id']}")
    assert answer.status_code == 200
    with other.context() as ctx:
        assert ctx.session.scalar(select(func.count()).select_from(Timeline)) == 0


def test_what_is_found_in_a_copy_is_its_own(garden, exported):
    code = new_code()
    import_estate(garden.place, exported, code=code)
    client = client_of(garden.place, code)
    assert [row["title"] for row in client.list("requests", "q=电梯")] == ["电梯有异响"]
    assert [row["name"] for row in client.list("people", "q=13812345678")] == ["陈雨"]
    client.create("requests", title="电梯又坏了", request_kind="repair")
    assert len(garden.agent.list("requests", "q=电梯")) == 1


def test_nobody_gets_in_by_an_import(garden, exported, another, installation):
    place = another()
    adopt(place, installation)
    place.upgrade()
    with garden.place.database.session() as session:
        emails = session.execute(
            text("SELECT u.email FROM core_user u JOIN core_membership m ON m.user_id = u.id WHERE m.estate_id = :id"),
            {"id": garden.info.id},
        ).scalars()
        (email, *_rest) = emails
    with place.database.session() as session:
        create_user(session, place.clock, email=email)
    done = import_estate(place, exported, with_members=True)
    assert done.members == 0, "the same address is not the same account"
    assert email in {each.email for each in done.to_invite}
    with place.database.session() as session:
        assert session.scalar(select(func.count()).select_from(Membership)) == 0
        assert set(session.scalars(select(EstatePlugin.plugin))) == {"customer_service", "maintenance"}
    assert client_of(place, garden.code).get("requests", garden.made)["title"] == "电梯有异响"


def test_members_with_the_very_same_account_are_members_again_if_told(garden, exported):
    first = import_estate(garden.place, exported, code=new_code())
    assert first.members == 0
    second = import_estate(garden.place, exported, code=new_code(), with_members=True)
    assert second.members == len(first.to_invite) == 2
    there = Client(garden.app, second.code, garden.agent.token, garden.place.plugins.registry.resources)
    assert there.send("GET", there.url("requests")).status_code in (401, 403, 404), "a token is for its estate alone"


@pytest.mark.parametrize(
    "part",
    [
        "tables/core_person.jsonl",
        "tables/core_timeline.jsonl",
        "tables/core_search_entry.jsonl",
        "files/",
        "files.jsonl",
        "members.jsonl",
        "manifest.json",
    ],
)
def test_what_is_damaged_is_named_and_leaves_nothing(garden, exported, part):
    with zipfile.ZipFile(exported) as archive:
        name = next(each for each in archive.namelist() if each.startswith(part))
        content = bytearray(archive.read(name))
    content[len(content) // 2] ^= 2
    code = new_code()
    with pytest.raises(Invalid) as refused:
        import_estate(garden.place, rewritten(exported, **{name: bytes(content)}), code=code)
    assert name in str(refused.value) or "fit together" in str(refused.value)
    assert not exists(garden.place, code)
    assert not storage.folder_of(garden.place.settings.data, copy_of(garden.info.id, code)).exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip file"])
def test_other_files_are_refused_with_words(installation, tmp_path, content):
    file = tmp_path / "x.zip"
    file.write_bytes(content)
    with pytest.raises(Invalid, match="ZIP"):
        import_estate(installation, file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("manifest.json", content)
    with pytest.raises(Invalid, match="no export"):
        import_estate(installation, file)


def test_whatever_is_damaged_is_refused_with_words_or_does_not_matter(garden, exported):
    """Bytes anywhere in the file, the ZIP's own directory included."""
    whole, dice = exported.read_bytes(), random.Random(20260301)
    for number in range(60):
        content = bytearray(whole)
        for _time in range(dice.choice((1, 3, 20))):
            content[dice.randrange(len(content))] = dice.randrange(256)
        damaged = exported.with_name("damaged.zip")
        damaged.write_bytes(content if number % 5 else content[: dice.randrange(len(content))])
        code = new_code()
        try:
            import_estate(garden.place, damaged, code=code)
        except Invalid:
            assert not exists(garden.place, code)


def test_a_forged_export_reaches_no_other_estate(garden, exported, make_estate):
    """Rows that claim to be another estate's are this one's, members cannot be smuggled in, nor files put elsewhere."""
    import hashlib

    victim = make_estate()
    name = "tables/core_person.jsonl"
    with zipfile.ZipFile(exported) as archive:
        lines = archive.read(name).replace(str(garden.info.id).encode(), str(victim.info.id).encode())
    digest = hashlib.sha256(lines).hexdigest()

    def claim(said):
        said["tables"]["core_person"]["sha256"] = digest

    done = import_estate(garden.place, rewritten(exported, manifest=claim, **{name: lines}), code=new_code())
    with victim.context() as ctx:
        assert ctx.session.scalar(text("SELECT count(*) FROM core_person")) == 0
    assert done.rows

    def smuggle(said):
        said["tables"]["core_membership"] = {"rows": 0, "sha256": "", "columns": ["id"]}

    with pytest.raises(Invalid, match="core_membership"):
        import_estate(garden.place, rewritten(exported, manifest=smuggle), code=new_code())
    listed = b'{"path":"../../secret","size":1,"sha256":"00"}\n'

    def escape(said):
        said["file_list"] = hashlib.sha256(listed).hexdigest()

    with pytest.raises(Invalid, match=r"files\.jsonl"):
        import_estate(garden.place, rewritten(exported, manifest=escape, **{"files.jsonl": listed}), code=new_code())


def test_a_timeline_that_was_changed_is_refused(garden, exported):
    import hashlib

    name = "tables/core_timeline.jsonl"
    with zipfile.ZipFile(exported) as archive:
        written = archive.read(name)
    lines = written.replace(b"accept", b"refuse")
    assert lines != written
    digest = hashlib.sha256(lines).hexdigest()
    code = new_code()
    with pytest.raises(Invalid, match="timeline"):
        import_estate(
            garden.place,
            rewritten(exported, manifest=lambda said: said["tables"]["core_timeline"].update(sha256=digest), **{name: lines}),
            code=code,
        )  # fmt: skip
    assert not exists(garden.place, code)


def test_a_plugin_that_is_not_here_is_named_and_can_be_left_out(garden, exported):
    def parking(said):
        said["revisions"]["parking"] = "parking_0001"
        said["tables"]["parking_space"] = {"rows": 1, "sha256": "", "columns": ["id"]}
        said["estate"]["plugins"]["parking"] = True

    def gone(said):
        said["revisions"]["parking"] = "parking_0001"
        said["tables"]["parking_space"] = {"rows": 0, "sha256": "", "columns": ["id"]}
        said["estate"]["plugins"]["parking"] = False

    import_estate(garden.place, rewritten(exported, manifest=gone), code=new_code())  # of which there is nothing

    file = rewritten(exported, manifest=parking)
    with pytest.raises(Invalid, match="parking"):
        import_estate(garden.place, file, code=new_code())
    code = new_code()
    import_estate(garden.place, file, code=code, without={"parking", "maintenance"})
    with garden.place.system_context(code) as ctx:
        assert set(ctx.session.scalars(select(EstatePlugin.plugin).where(EstatePlugin.estate_id == ctx.estate.id))) == {
            "customer_service"
        }
        kinds = set(ctx.session.scalars(text("SELECT DISTINCT kind FROM core_record")))
        assert "maintenance.work_order" in kinds, "the work itself can still be read"
        assert ctx.session.scalar(text("SELECT count(*) FROM maintenance_work_order")) == 0


def test_what_is_older_is_brought_up_to_date(garden, exported, another, installation):
    """The columns of then are filled, and the migrations since do the rest, in a database that goes again."""
    older = another()
    adopt(older, installation)
    bootstrap.create_database(older.superuser, older.database)
    then = {"core": "core_0012", "customer_service": "customer_service_0001", "maintenance": "maintenance_0002"}
    migrate.upgrade(older.database, older.plugins, to=then)
    with older.database.engine("owner").connect() as connection:
        driver = connection.connection.driver_connection
        columns = {name: set(rows.columns_of(driver, name)) for name in backup.tables_of(driver)}

    def of_then(said):
        assert said["revisions"]["core"] > then["core"]
        said["revisions"].update(then)
        for name, facts in said["tables"].items():
            facts["columns"] = [each for each in facts["columns"] if each in columns[name]]

    code = new_code()
    done = import_estate(garden.place, rewritten(exported, manifest=of_then), code=code)
    assert done.files == 2
    client = client_of(garden.place, code)
    assert client.get("requests", garden.made)["number"] == garden.made["number"]
    assert [row["name"] for row in client.list("people", "q=13812345678")] == ["陈雨"]
    assert [row["title"] for row in client.list("requests", "q=电梯")] == ["电梯有异响"]
    with garden.place.database.engine("ops").connect() as connection:
        assert not connection.scalar(text("SELECT count(*) FROM pg_database WHERE datname LIKE '%importing'"))
    assert not list((garden.place.settings.data / "exports").glob(".older*"))

    def later(said):
        said["revisions"]["core"] = "core_9999"

    with pytest.raises(Invalid, match="newer"):
        import_estate(garden.place, rewritten(exported, manifest=later), code=new_code())


def test_what_one_plugin_has_is_no_estate(garden, tmp_path):
    export_estate(garden.place, garden.code, tmp_path / "part.zip", plugin="maintenance")
    with pytest.raises(Invalid, match="one plugin"):
        import_estate(garden.place, tmp_path / "part.zip", code=new_code())


def test_an_import_that_is_killed_leaves_nothing_and_is_repeated(garden, exported):
    """The process is killed in the middle of the tables; then the same command does it."""
    place, code = garden.place, new_code()
    command = [sys.executable, "-m", "wuye", "estate", "import", str(exported), "--as", code, "--json"]
    environment = {**os.environ, "WUYE_DATA": str(place.settings.data), "WUYE_STRICT": "1", "LANG": "en"}
    with place.database.engine("owner").connect() as blocking:
        blocking.execute(text("LOCK TABLE core_timeline IN ACCESS EXCLUSIVE MODE"))
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'core_timeline'::regclass")
        with place.database.engine("ops").connect() as watching:
            while not watching.scalar(waits):
                assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        blocking.rollback()
    assert not exists(place, code)
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    report = orjson.loads(done.stdout)
    assert report["code"] == code
    assert exists(place, code)
    assert storage.folder_of(place.settings.data, UUID(report["id"])).is_dir()


def test_every_table_of_estates_is_exported_or_says_why_not(installation):
    """A table that is new is exported, unless it is said to be of here and now, or about who gets in."""
    assert installation.plugins
    left_out = {table.name for table in lifecycle.scoped_tables() if not is_exported(table)}
    about_access = {
        mapper.local_table.name
        for mapper in Base.registry.mappers
        if mapper.class_.__module__.startswith("wuye.identity.") and "estate_id" in mapper.local_table.columns
    }
    assert about_access
    assert not any(is_exported(Base.metadata.tables[name]) for name in about_access)
    assert left_out - about_access == {
        "core_day_figures",
        "core_idempotency_key",
        "core_import_rejection",
        "core_import_run",
        "core_notification",
        "core_task",
        "core_undo_step",
    }
    assert is_exported(Base.metadata.tables["core_timeline"])

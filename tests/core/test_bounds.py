"""What comes in has bounds, and what goes out is harmless."""

import io
import subprocess
import sys
import textwrap
import zipfile
from uuid import uuid4

import pytest
from PIL import Image

from wuye.exports import harmless
from wuye.files import content, services, storage
from wuye.resources import fields
from wuye.resources.query import MAX_VALUES


@pytest.fixture
def manager(login):
    return login("core.manager")


def test_a_column_that_is_asked_for_often_is_shown_once(manager):
    manager.create("people", name="Chen Yu")
    rows = manager.list("people", "fields=" + ",".join(["name"] * 2000))
    assert {"name": "Chen Yu"} in rows
    refused = manager.send("GET", manager.url("people") + "?fields=" + ",".join(f"x{n}" for n in range(2000)))
    assert refused.status_code == 400
    assert len(refused.data) < 20_000


def test_values_of_a_filter_are_counted_once_and_bounded(manager):
    url = manager.url("requests")
    assert manager.send("GET", f"{url}?filter[state]=" + ",".join(["new"] * 2000)).status_code == 200
    many = ",".join(str(uuid4()) for _ in range(MAX_VALUES + 1))
    refused = manager.send("GET", f"{url}?filter[place]={many}")
    assert refused.status_code == 400
    assert refused.get_json()["errors"][0]["field"] == "filter[place]"


@pytest.mark.parametrize("text", ["＝1+1", "\u200b=1+1", "\u3000＋1", "－1", "＠SUM(A1)", "\ufeff\t=1", "=1", "\r=1"])
def test_no_cell_becomes_a_formula(text):
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "1=1", "陈雨", "a-b", "\u200bname"])
def test_other_cells_stay_as_they_are(text):
    assert harmless(text) == text


@pytest.mark.parametrize("name", ["\u200b", " \u200b\u2060 ", "\u3164", "\u202e", "\U000e0041", "\u2800\u00ad"])
def test_a_name_that_nobody_sees_is_none(manager, name):
    answer = manager.send("POST", manager.url("people"), {"name": name})
    assert answer.get_json()["errors"] == [{"field": "name", "reason": "This may not be empty."}]


def test_what_is_seen_of_a_text_stays():
    family = "👩‍👩‍👧"
    assert fields.String().deserialize(f"\u200b {family} a\u200db \u200b") == f"{family} a\u200db"


def bomb(megabytes):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (megabytes << 20))
    return target.getvalue()


def test_a_workbook_that_unpacks_without_end_is_refused(manager):
    person = manager.create("people", name="Chen Yu")
    answer = manager.upload(manager.url("people", person["id"], "files"), bomb(30), "x.xlsx")
    assert answer.status_code == 422
    assert "far too large" in answer.get_json()["errors"][0]["reason"]
    assert content.kind_of(io.BytesIO(bomb(0))) is content.XLSX


def test_a_referral_takes_no_place_of_its_own(login):
    manager = login("core.manager")
    request = manager.create("requests", title="Leak", request_kind="repair")
    body = {"origin": request["id"], "category": "repair.plumbing"}
    for name in ("place", "requester", "due_at"):
        answer = manager.send("POST", manager.url("referrals"), {**body, name: str(uuid4())})
        assert [each["field"] for each in answer.get_json()["errors"]] == [name]
    assert manager.send("POST", manager.url("referrals"), body).status_code == 201


def test_what_is_refused_leaves_no_file(manager, estate, app):
    request = manager.create("requests", title="Leak", request_kind="repair")
    folder = storage.folder_of(estate.place.settings.data, estate.info.id)
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "green").save(picture, "PNG")
    with pytest.raises(RuntimeError, match="later"), estate.context() as ctx:
        resource = ctx.loaded.registry.resources["customer_service.requests"]
        services.attach(ctx, resource, request["id"], "a.png", picture)
        raise RuntimeError("later")
    assert list(storage.known(folder)) == []
    kept = manager.upload(manager.url("requests", request["id"], "files"), picture.getvalue(), "a.png").get_json()
    assert len(list(storage.known(folder))) == 2, "the picture and its thumbnail"
    assert manager.send("GET", manager.url("requests", request["id"], "files", kept["id"])).status_code == 200


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is Linux's to tell")
@pytest.mark.parametrize(
    ("kind", "mode", "side"), [("PNG", "RGBA", 4000), ("WEBP", "RGBA", 2828), ("JPEG", "CMYK", 6300)]
)
def test_pictures_at_once_take_the_memory_of_one(tmp_path, kind, mode, side):
    path = tmp_path / "picture"
    Image.new(mode, (side, side)).save(path, kind)
    script = f"""
        import io, threading
        from pathlib import Path
        from wuye.files import images

        def lines():
            return dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())

        data, before = Path({str(path)!r}).read_bytes(), int(lines()["VmRSS"].split()[0])
        threads = [threading.Thread(target=images.redraw, args=(io.BytesIO(data), {kind!r})) for _ in range(4)]
        [each.start() for each in threads], [each.join() for each in threads]
        print((int(lines()["VmHWM"].split()[0]) - before) // 1024)
        """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 240, "200 MB, and what the decoders’ code takes"

"""Attachments: what is taken and what is not, what is left of a photo, who sees it, and where its bytes go."""

import io
import os
import struct
import uuid
import zipfile
import zlib

import pytest
import xlsxwriter
from PIL import Image, ImageDraw
from sqlalchemy import select

from wuye.archives.estate_export import export_estate
from wuye.errors import FieldError, Invalid
from wuye.estates import lifecycle
from wuye.estates.services import disable
from wuye.files import content, images, names, services, storage
from wuye.files.models import Attachment
from wuye.records.timeline import verify_chain

REQUEST = {"title": "Leak in the kitchen", "request_kind": "repair"}
GPS = 0x8825


def photo(kind="JPEG", size=(400, 300), *, mode="RGB", exif=None, colour="navy", **options):
    """Return an image whose left half differs from its right one."""
    image = Image.new(mode, size, colour)
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2, size[1]), fill="orange")
    target = io.BytesIO()
    image.save(target, kind, **({"exif": exif} if exif else {}), **options)
    return target.getvalue()


def camera(orientation=1):
    """Return what a camera adds: how it was held, who made it, and where."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "SecretCamera"
    exif[GPS] = {1: "N", 2: (30.0, 15.0, 0.0), 3: "E", 4: (120.0, 9.0, 0.0)}
    return exif


def header_only(width, height):
    """Return a PNG that promises pixels and has none."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def workbook(**members):
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as book:
        book.add_worksheet().write(0, 0, "Pump")
    with zipfile.ZipFile(target, "a") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def archive(**members):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return target.getvalue()


VIDEO = struct.pack(">I", 24) + b"ftypisom\0\0\2\0isommp42" + struct.pack(">I", 16) + b"mdat" + b"\0" * 8
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< >>\nendobj\n%%EOF\n"
PAGE = b"<!doctype html><script>alert(1)</script>"


@pytest.fixture
def resident(login):
    return login("core.resident")


@pytest.fixture
def request_(resident):
    return resident.create("requests", **REQUEST)


@pytest.fixture
def shelf(resident, request_):
    """The address of the files of a resident's request."""
    return resident.url("requests", request_["id"], "files")


def put(client, url, body, name="photo.jpg", **form):
    response = client.upload(url, body, name, **form)
    assert response.status_code == 201, response.get_json()
    return response.get_json()


def why(response):
    assert response.status_code == 422, response.get_json()
    return {item["field"]: item["reason"] for item in response.get_json()["errors"]}


def bytes_of(client, url, row, query=""):
    response = client.send("GET", f"{url}/{row['id']}{query}")
    assert response.status_code == 200
    return response.data


# What is taken, by its content


@pytest.mark.parametrize(
    ("body", "media_type", "name"),
    [
        (photo(), "image/jpeg", "x.bin.jpg"),
        (photo("PNG"), "image/png", "x.bin.png"),
        (photo("WEBP"), "image/webp", "x.bin.webp"),
        (PDF, "application/pdf", "x.bin.pdf"),
        (VIDEO, "video/mp4", "x.bin.mp4"),
        (workbook(), content.XLSX.media_type, "x.bin.xlsx"),
        ("名称;数量\n泵;2\n".encode(), "text/csv", "x.bin.csv"),
        ("\ufeff泵 < 5 mm, a<b\n".encode(), "text/plain", "x.bin.txt"),
    ],
)
def test_the_content_says_what_a_file_is_and_how_its_name_ends(resident, shelf, body, media_type, name):
    row = put(resident, shelf, body, "x.bin")
    assert (row["media_type"], row["name"]) == (media_type, name)
    assert resident.ask("GET", shelf)["items"] == [row]
    stored = bytes_of(resident, shelf, row)
    assert len(stored) == row["size"]
    assert media_type.startswith("image/") or stored == body


@pytest.mark.parametrize(
    "body",
    [
        photo("GIF"),
        photo("TIFF"),
        photo("BMP"),
        PAGE,
        b"\xef\xbb\xbf \n" + PAGE,
        b"hello <ScRiPt >alert(1)</script>",
        b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        b'<!-- x --><x:svg xmlns:x="http://www.w3.org/2000/svg"/>',
        b'<?xml version="1.0"?><a/>',
        "泵".encode("gbk") * 9,
        "pump".encode("utf-16"),
        b"text with a \0",
        b"MZ\x90\0" + b"\0" * 60,
        b"\0\0\0\x18ftypheic\0\0\0\0heicmif1",
        b"\0\0\0\x14ftypqt  \0\0\0\0qt  ",
        archive(a="b"),
        archive(**{"word/document.xml": "x", "[Content_Types].xml": "x"}),
        workbook(**{"xl/vbaProject.bin": "macro"}),
        b"PK\x03\x04 and nothing behind",
    ],
)
def test_what_is_not_taken_is_refused_with_what_is(resident, shelf, body):
    response = resident.upload(shelf, body, "photo.jpg")
    assert why(response) == {"file": "Files of this type are not taken."}
    assert all(word in response.get_json()["errors"][0]["hint"] for word in ("JPEG", "PDF", "XLSX", "MP4", "UTF-8"))
    assert resident.ask("GET", shelf)["items"] == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "The file is empty."),
        (header_only(50_000, 50_000), "The image has more than 16 megapixels."),
        (header_only(4_000, 4_001), "The image has more than 16 megapixels."),
        (header_only(400, 300), "The image is damaged."),
        (photo()[:700], "The image is damaged."),
        (b"\xff\xd8\xff\xe0" + b"\0" * 99, "The image is damaged."),
        (photo() + b"\xff\xda" * 100, "The image is damaged."),
        (b"RIFF\x04\0\0\0WEBP", "The image is damaged."),
        (photo() + b"\0" * (10 << 20), "The file is larger than 10 MB."),
        (PDF + b"\0" * (10 << 20), "The file is larger than 10 MB."),
        (b"a" * ((10 << 20) + 1), "The file is larger than 10 MB."),
        (VIDEO + b"\0" * (50 << 20), "The file is larger than 50 MB."),
    ],
)
def test_what_is_too_large_or_damaged_is_said_so(resident, shelf, body, reason):
    assert why(resident.upload(shelf, body, "x.jpg")) == {"file": reason}


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(Invalid) as refused:
        images.redraw(io.BytesIO(header_only(7_000, 7_000)), "PNG")
    assert isinstance(refused.value.errors[0], FieldError)


def test_a_body_beyond_all_files_is_cut_off_and_json_stays_small(resident, shelf):
    large = resident.upload(shelf, VIDEO + b"\0" * (53 << 20))
    assert (large.status_code, large.get_json()["detail"]) == (413, "The request is larger than 52 MB.")
    json = resident.send("POST", resident.url("requests"), {**REQUEST, "text": "x" * (9 << 20)})
    assert (json.status_code, json.get_json()["detail"]) == (413, "The request is larger than 8 MB.")


def test_without_a_file_or_with_a_label_that_is_none_the_field_is_named(resident, shelf):
    assert list(why(resident.send("POST", shelf, {"file": "x"}))) == ["file"]
    assert list(why(resident.upload(shelf, b"x", label="two words"))) == ["label"]
    assert put(resident, shelf, b"x", label=" 维修前 ")["label"] == "维修前"
    assert put(resident, shelf, b"x")["label"] is None


# What is left of a photo


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_where_and_by_what_a_photo_was_taken_is_gone(resident, shelf, kind):
    original = photo(kind, exif=camera())
    assert b"SecretCamera" in original
    row = put(resident, shelf, original)
    for query in ("", "?thumb=1"):
        stored = bytes_of(resident, shelf, row, query)
        assert b"SecretCamera" not in stored
        assert not Image.open(io.BytesIO(stored)).getexif()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_evidence_keeps_where_it_was_taken(estate, request_, kind):
    with estate.context() as ctx:
        resource = ctx.loaded.registry.resources["customer_service.requests"]
        subject, stream = uuid.UUID(request_["id"]), io.BytesIO(photo(kind, exif=camera(6)))
        row = services.attach(ctx, resource, subject, "x", stream, keep_position=True)
        ctx.seal()
        stored = services.open_file(ctx, resource, subject, row["id"]).path.read_bytes()
    exif = Image.open(io.BytesIO(stored)).getexif()
    assert exif.get_ifd(GPS)[2] == (30.0, 15.0, 0.0)
    assert 0x0112 not in exif
    assert Image.open(io.BytesIO(stored)).size == (300, 400)


@pytest.mark.parametrize(("orientation", "orange"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, 0)), (8, (0, -1))])
def test_a_photo_stands_upright(resident, shelf, orientation, orange):
    row = put(resident, shelf, photo(exif=camera(orientation)))
    turned = orientation in (6, 8)
    assert (row["width"], row["height"]) == ((300, 400) if turned else (400, 300))
    for query in ("", "?thumb=1"):
        image = Image.open(io.BytesIO(bytes_of(resident, shelf, row, query)))
        assert (image.width > image.height) != turned
        red, _green, blue = image.getpixel((orange[0] % image.width, orange[1] % image.height))
        assert red > 200 > blue


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_notes_of_the_camera_cost_no_photo(resident, shelf):
    row = put(resident, shelf, photo(exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\3"))
    assert (row["width"], row["height"]) == (400, 300)


def test_a_large_photo_is_reduced_and_has_a_thumbnail(resident, shelf):
    row = put(resident, shelf, photo(size=(4000, 1000)))
    assert (row["width"], row["height"]) == (2560, 640)
    thumb = Image.open(io.BytesIO(bytes_of(resident, shelf, row, "?thumb=1")))
    assert (thumb.format, thumb.size) == ("JPEG", (480, 120))
    pdf = put(resident, shelf, PDF)
    assert (pdf["width"], pdf["height"]) == (None, None)
    assert resident.send("GET", f"{shelf}/{pdf['id']}?thumb=1").status_code == 404


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "P"), ("PNG", "RGBA"), ("PNG", "LA"), ("PNG", "1"), ("JPEG", "L"), ("JPEG", "CMYK"), ("WEBP", "RGBA")],
)
def test_every_way_to_write_colours_is_read(resident, shelf, kind, mode):
    image = Image.new("RGBA", (300, 600), (200, 30, 30, 0)).convert(mode)
    target = io.BytesIO()
    image.save(target, kind)
    row = put(resident, shelf, target.getvalue())
    stored = Image.open(io.BytesIO(bytes_of(resident, shelf, row)))
    assert stored.size == (300, 600)
    assert stored.has_transparency_data == image.has_transparency_data
    assert Image.open(io.BytesIO(bytes_of(resident, shelf, row, "?thumb=1"))).size == (240, 480)


def test_nothing_rides_along_with_a_picture(resident, shelf):
    parts = [photo(comment=PAGE), photo() + PAGE, photo() + archive(a="page"), photo("PNG") + PAGE]
    for original in parts:
        row = put(resident, shelf, original, "page.html")
        stored = bytes_of(resident, shelf, row)
        assert PAGE not in stored
        assert not zipfile.is_zipfile(io.BytesIO(stored))
        assert row["name"].endswith((".jpg", ".png"))


# Names


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd.txt"),
        ("..\\..\\windows\\win.ini", "win.ini.txt"),
        ("/", "file.txt"),
        ("", "file.txt"),
        ("..", "file.txt"),
        (".txt", "file.txt"),
        (".htaccess", "htaccess.txt"),
        ("a\0b.txt", "ab.txt"),
        ("a\r\nSet-Cookie: x.txt", "aSet-Cookie_ x.txt"),
        ("bill\u202etxt.exe", "billtxt.exe.txt"),
        ("a\u200bb\ufeff\ud800.txt", "ab.txt"),
        ('a"<b>|?*:c.txt', "a__b_____c.txt"),
        ("  漏水  照片 . TXT", "漏水 照片.txt"),
        ("e\u0301.csv", "é.csv"),
        ("CON", "_CON.txt"),
        ("nul.html.txt", "_nul.html.txt"),
        ("contract.txt", "contract.txt"),
        ("x" * 300 + ".txt", "x" * 76 + ".txt"),
        ("x" * 75 + ". b.txt", "x" * 75 + ".txt"),
    ],
)
def test_a_name_is_made_fit_to_be_shown_and_saved(given, shown):
    assert names.clean(given, content.TEXT.endings) == shown


def test_a_name_cannot_get_out_of_its_header_or_folder(installation, estate, resident, shelf):
    for name in ("../../x.txt", 'a"; filename="b.html', "bill\u202egpj.exe"):
        row = put(resident, shelf, b"text", name)
        answer = resident.send("GET", f"{shelf}/{row['id']}")
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
        assert not set('/\\"\u202e') & set(row["name"])
    folder = storage.folder_of(installation.settings.data, estate.info.id)
    assert [len(path.name) for path in storage.known(folder)] == [64]


# How it is sent


def test_a_picture_is_shown_in_place_and_kept_by_the_browser(resident, shelf):
    row = put(resident, shelf, photo(), "漏水.jpg")
    answer = resident.send("GET", f"{shelf}/{row['id']}")
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Content-Disposition"].startswith("inline; filename")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    again = resident.send("GET", f"{shelf}/{row['id']}", If_None_Match=answer.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")
    assert resident.send("GET", f"{shelf}/{row['id']}?thumb=1").headers["ETag"] != answer.headers["ETag"]


def test_anything_else_is_a_download(resident, shelf):
    row = put(resident, shelf, PDF, "bill.pdf")
    answer = resident.send("GET", f"{shelf}/{row['id']}")
    assert answer.headers["Content-Disposition"] == "attachment; filename=bill.pdf"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    part = resident.send("GET", f"{shelf}/{row['id']}", Range="bytes=0-3")
    assert (part.status_code, part.data) == (206, b"%PDF")


# Who sees it, who may remove it, what is written down


def test_a_resident_sees_the_photos_of_the_own_request_only(estate, resident, request_, shelf):
    neighbour, agent = estate.login("core.resident"), estate.login("customer_service.agent")
    theirs = neighbour.create("requests", **REQUEST)
    row = put(resident, shelf, photo())
    assert agent.ask("GET", shelf)["items"] == [row]
    for method, url in (
        ("GET", shelf),
        ("GET", f"{shelf}/{row['id']}"),
        ("GET", f"{shelf}/{row['id']}?thumb=1"),
        ("DELETE", f"{shelf}/{row['id']}"),
        ("GET", neighbour.url("requests", theirs["id"], "files", row["id"])),
        ("DELETE", neighbour.url("requests", theirs["id"], "files", row["id"])),
    ):
        assert neighbour.send(method, url).status_code == 404, (method, url)
    assert neighbour.upload(shelf, photo()).status_code == 404
    assert len(agent.ask("GET", shelf)["items"]) == 1


def test_staff_sees_the_photos_of_the_whole_chain_and_a_resident_only_those_of_the_request(
    estate, resident, request_, shelf
):
    chief = estate.login("core.manager")
    chief.act("requests", request_, "accept", category="repair.electric")
    chief.act("requests", request_, "dispatch")
    [referral] = chief.list("referrals")
    chief.act("referrals", referral, "accept")
    [order] = chief.list("work-orders")
    asked, done = put(resident, shelf, photo()), put(chief, chief.url("work-orders", order["id"], "files"), photo())
    page = chief.url("work-orders", order["id"], "files", asked["id"])
    assert chief.send("GET", page).status_code == 200
    assert chief.send("GET", f"{shelf}/{done['id']}").status_code == 200
    assert resident.send("GET", f"{shelf}/{asked['id']}").status_code == 200
    assert resident.send("GET", f"{shelf}/{done['id']}").status_code == 404


def test_another_estates_files_are_absent(make_estate, resident, shelf):
    row = put(resident, shelf, photo())
    other = make_estate().login("core.manager")
    theirs = other.create("requests", **REQUEST)
    assert other.send("GET", f"{shelf}/{row['id']}").status_code == 404
    assert other.send("GET", other.url("requests", theirs["id"], "files", row["id"])).status_code == 404
    assert other.send("GET", f"{shelf.replace(resident.estate, other.estate)}").status_code == 404


def test_what_was_attached_and_removed_stands_on_the_timeline(estate, resident, request_, shelf):
    row = put(resident, shelf, photo(), "leak.jpg", label="before")
    resident.send("DELETE", f"{shelf}/{row['id']}")
    *_created, attached, detached = resident.timeline("requests", request_)
    assert (attached["event"], detached["event"]) == ("attached", "detached")
    assert attached["data"] == detached["data"] == {"name": "leak.jpg", "id": row["id"]}
    assert attached["audience"] == "all"
    with estate.context() as ctx:
        assert list(verify_chain(ctx.session)) == []


def test_who_attached_it_or_may_change_the_thing_can_remove_it(estate, resident, shelf):
    agent, auditor = estate.login("customer_service.agent"), estate.login("core.auditor")
    first, second = put(resident, shelf, photo()), put(agent, shelf, photo())
    for client, row, status in (
        (auditor, first, 403),
        (resident, second, 403),
        (resident, first, 204),
        (resident, first, 404),
        (agent, first, 404),
        (agent, second, 204),
    ):
        assert client.send("DELETE", f"{shelf}/{row['id']}").status_code == status
    assert agent.send("GET", f"{shelf}/{first['id']}").status_code == 404
    assert agent.ask("GET", shelf)["items"] == []
    with estate.context() as ctx:
        assert all(row.removed_at for row in ctx.session.scalars(select(Attachment)))


@pytest.mark.parametrize("resource", ["people", "properties", "assets"])
def test_anything_can_have_files(estate, resource):
    from wuye.testing.samples import make_one

    manager = estate.login("core.manager")
    item = next(item for item in estate.place.plugins.registry.resources.values() if item.name == resource)
    url = manager.url(resource, make_one(estate, item), "files")
    row = put(manager, url, PDF)
    assert bytes_of(manager, url, row) == PDF
    assert manager.timeline(resource, url.split("/")[-2])[-1]["event"] == "attached"


def test_a_repeated_request_attaches_once(resident, shelf):
    send = [resident.upload(shelf, photo(), Idempotency_Key="k") for _time in range(2)]
    assert send[0].get_json() == send[1].get_json()
    assert send[1].headers["Idempotency-Replayed"] == "true"
    assert len(resident.ask("GET", shelf)["items"]) == 1
    assert list(why(resident.upload(shelf, photo(), "other.jpg", Idempotency_Key="k"))) == ["Idempotency-Key"]
    assert list(why(resident.upload(shelf, photo(colour="red"), Idempotency_Key="k"))) == ["Idempotency-Key"]


# Where the bytes go


def kept(installation, estate):
    return sorted(storage.known(storage.folder_of(installation.settings.data, estate.info.id)))


def test_the_same_content_is_kept_once_and_for_its_owner_only(installation, estate, resident, shelf):
    first, second = (put(resident, shelf, photo(), name) for name in ("a.jpg", "b.jpg"))
    assert first["id"] != second["id"]
    (image, thumb) = kept(installation, estate)
    assert (image.parent.name, thumb.name) == (image.name[:2], f"{image.name}.thumb")
    assert image.stat().st_mode & 0o077 == 0
    assert not list(storage.folder_of(installation.settings.data, estate.info.id).glob(".draft*"))


def test_a_refused_step_leaves_no_row(installation, estate, request_):
    with pytest.raises(RuntimeError), estate.context() as ctx:
        resource = ctx.loaded.registry.resources["customer_service.requests"]
        services.attach(ctx, resource, uuid.UUID(request_["id"]), "x", io.BytesIO(PDF))
        raise RuntimeError
    with estate.context() as ctx:
        assert ctx.session.scalar(select(Attachment)) is None
    assert kept(installation, estate) == []


def test_a_file_that_is_gone_from_the_disk_is_said_to_be(installation, estate, resident, shelf):
    row = put(resident, shelf, PDF)
    kept(installation, estate)[0].unlink()
    gone = resident.send("GET", f"{shelf}/{row['id']}")
    assert (gone.status_code, gone.get_json()["detail"]) == (404, "The file is missing in the data folder.")
    put(resident, shelf, PDF)
    assert bytes_of(resident, shelf, row) == PDF


def test_an_export_brings_the_files_and_the_end_of_an_estate_takes_them(
    installation, estate, resident, shelf, tmp_path
):
    row = put(resident, shelf, photo())
    stored, files = bytes_of(resident, shelf, row), kept(installation, estate)
    export_estate(installation, estate.code, tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as found:
        assert row["id"] in found.read("tables/core_attachment.jsonl").decode()
        digest = files[0].name
        assert found.read(f"files/{digest[:2]}/{digest}") == stored
        assert f"files/{digest[:2]}/{digest}.thumb" in found.namelist()
    lifecycle.delete_estate(installation, estate.code)
    assert not storage.folder_of(installation.settings.data, estate.info.id).exists()


def test_purging_a_department_takes_its_files_and_no_others(installation, estate, resident, shelf, tmp_path):
    manager = estate.login("core.manager")
    order = manager.create("work-orders", title="Pump", order_type="corrective")
    both = put(resident, shelf, b"both"), put(manager, manager.url("work-orders", order["id"], "files"), b"both")
    put(manager, manager.url("work-orders", order["id"], "files"), b"order")
    with estate.context() as ctx:
        disable(ctx, "maintenance", force=True)
    export_estate(installation, estate.code, tmp_path / "part.zip", plugin="maintenance")
    with zipfile.ZipFile(tmp_path / "part.zip") as found:
        assert len(found.read("tables/core_attachment.jsonl").splitlines()) == 2
        assert len([name for name in found.namelist() if name.startswith("files/")]) == 2
    assert lifecycle.preview_purge(installation, estate.code, "maintenance")["core_attachment"] == 2
    for path in kept(installation, estate):
        os.utime(path, (0, 0))
    lifecycle.purge(installation, estate.code, "maintenance")
    assert [path.read_bytes() for path in kept(installation, estate)] == [b"both"]
    assert bytes_of(resident, shelf, both[0]) == b"both"


def test_sweeping_leaves_what_is_young(tmp_path):
    (young, _size), (old, _size) = (storage.put(tmp_path, io.BytesIO(text)) for text in (b"young", b"old"))
    os.utime(storage.path_of(tmp_path, old), (0, 0))
    assert storage.sweep(tmp_path, ()) == 1
    assert [path.name for path in storage.known(tmp_path)] == [young]


def test_the_description_has_the_routes(app):
    paths = app.test_client().get("/api/v1/openapi.json").get_json()["paths"]
    item = "/api/v1/estates/{estate}/customer-service/requests/{identity}/files"
    assert {"get", "post"} <= paths[item].keys()
    assert {"get", "delete"} <= paths[f"{item}/{{file}}"].keys()
    assert "multipart/form-data" in paths[item]["post"]["requestBody"]["content"]

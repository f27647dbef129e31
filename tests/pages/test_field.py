"""The phone pages: today's work, one job with and without a network, the outbox, scanning, reporting."""

import re
from decimal import Decimal
from io import BytesIO

import pytest
import segno
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import expect
from sqlalchemy import func, select

from wuye.api import perform
from wuye.files.models import Attachment
from wuye.i18n import catalogue
from wuye.pages.portal import code_of
from wuye.properties.models import Property
from wuye.records.models import Record, Timeline
from wuye_maintenance.models import MaterialUse

TECHNICIAN = ("core.staff", "maintenance.technician")


def job_for(estate, technician, title="水管漏水"):
    """A work order that is assigned to somebody; returns its id."""
    with estate.context() as ctx:
        orders = ctx.loaded.registry.resources["maintenance.work-orders"]
        order = orders.on_create(ctx, {"title": title, "order_type": "corrective"})
        perform(ctx, order, "submit", {})
        perform(ctx, order, "assign", {"assignee": str(technician.person)})
        return order.id


def state_of(estate, identity):
    with estate.context() as ctx:
        return ctx.session.get(Record, (ctx.estate.id, identity)).state


def photo(tmp_path, name="photo.jpg"):
    path = tmp_path / name
    Image.new("RGB", (640, 480), "teal").save(path)
    return str(path)


def ready(page):
    """Wait until the page and the jobs that it lists are kept for a time without a network."""
    page.wait_for_selector("html[data-kept]")


@pytest.mark.parametrize("locale", ["en", "zh_Hans"])
def test_a_technician_does_a_job_without_a_network_in_four_taps(estate, visitor, window, locale, tmp_path):
    technician = visitor(*TECHNICIAN)
    job = job_for(estate, technician)
    page = window(technician, locale=locale, width=390, height=844)
    page.goto(f"/f/{estate.code}")
    ready(page)
    page.context.set_offline(True)
    taps = 0
    page.click(".jobs .ttl")
    taps += 1
    page.wait_for_url(re.compile("/jobs/"))
    page.click("[data-step=take] button")
    taps += 1
    expect(page.locator("[data-now] .tag")).to_have_text(say("Taken on", locale))
    page.click("[data-step=start] button.p")
    taps += 1
    page.fill("[data-step=finish] [name=remedy]", "更换密封圈")
    page.set_input_files("[data-step=finish] [name=photo_after]", photo(tmp_path))
    page.click("[data-step=finish] button.p")
    taps += 1
    assert taps <= 4
    expect(page.locator("#net")).to_contain_text("3")
    assert state_of(estate, job) == "assigned"
    page.reload()
    expect(page.locator(".kept")).to_have_count(3)
    page.context.set_offline(False)
    expect(page.locator("#net")).to_be_hidden(timeout=15_000)
    expect(page.locator("[data-now] .tag")).to_have_text(say("Done", locale))
    with estate.context() as ctx:
        events = ctx.session.scalars(
            select(Timeline.event).where(Timeline.record_id == job).order_by(Timeline.sequence)
        )
        assert list(events)[-4:] == ["take", "start", "finish", "attached"]
        assert ctx.session.scalars(select(Attachment.label).where(Attachment.subject_id == job)).all() == ["after"]


def say(text, locale):
    return (catalogue("zh_Hans").get(text) or text) if locale == "zh_Hans" else text


def test_what_was_refused_is_shown_with_its_reason_and_ways_out(estate, visitor, window):
    technician = visitor(*TECHNICIAN)
    job = job_for(estate, technician)
    page = window(technician, locale="en", width=390, height=844)
    page.goto(f"/f/{estate.code}")
    ready(page)
    page.context.set_offline(True)
    page.click(".jobs .ttl")
    page.click("[data-step=take] button")
    expect(page.locator("#net")).to_contain_text("1 kept")
    with estate.context() as ctx:
        perform(ctx, ctx.session.get(Record, (ctx.estate.id, job)), "cancel", {"reason": "twice"})
    page.context.set_offline(False)
    expect(page.locator("#net")).to_contain_text("1 not taken", timeout=15_000)
    page.goto(f"/f/{estate.code}/outbox")
    expect(page.locator("#outbox .error")).to_contain_text("Cancelled")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#outbox .error")).to_contain_text("Cancelled")
    page.get_by_role("button", name="Throw away").click()
    expect(page.locator("#outbox li")).to_have_count(0)
    expect(page.locator("#net")).to_be_hidden()


def test_signing_out_leaves_nothing_on_the_phone(estate, visitor, window):
    technician = visitor(*TECHNICIAN)
    job_for(estate, technician)
    page = window(technician, locale="en", width=390, height=844)
    page.goto(f"/f/{estate.code}")
    ready(page)
    page.context.set_offline(True)
    page.click(".jobs .ttl")
    page.click("[data-step=take] button")
    expect(page.locator("#net")).to_contain_text("1 kept")
    page.goto(f"/f/{estate.code}/me")
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("[data-leave] .error")).to_be_visible()
    page.context.set_offline(False)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile("/sign-in"))
    assert page.evaluate("caches.keys().then(names => names.includes('pages'))") is False
    page.context.set_offline(True)
    with pytest.raises(PlaywrightError, match="DISCONNECTED"):  # not even the worker is left
        page.goto(f"/f/{estate.code}")


def test_materials_are_noted_with_the_work(estate, visitor):
    technician = visitor(*TECHNICIAN)
    job = job_for(estate, technician)
    here = f"/f/{estate.code}/jobs/{job}"
    technician.get(here)
    for action in ("take", "start"):
        assert technician.post(here, {"action": action}).status_code == 303
    done = {"action": "finish", "remedy": "换接头", "materials.0.item": "PPR弯头", "materials.0.quantity": "two"}
    refused = technician.post(here, done)
    assert refused.status_code == 422 and "must be a number" in refused.text
    lines = {
        "materials.0.quantity": "2",
        "materials.0.measure_unit": "个",
        "materials.1.item": "生料带",
        "materials.1.quantity": "0.5",
    }
    assert technician.post(here, {**done, **lines}).status_code == 303
    with estate.context() as ctx:
        used = ctx.session.execute(select(MaterialUse.item, MaterialUse.quantity, MaterialUse.measure_unit)).all()
    assert [tuple(line) for line in used] == [("PPR弯头", Decimal(2), "个"), ("生料带", Decimal("0.5"), None)]


def test_a_step_that_is_sent_twice_is_taken_once(estate, visitor):
    technician = visitor(*TECHNICIAN)
    job = job_for(estate, technician)
    here = f"/f/{estate.code}/jobs/{job}"
    technician.get(here)
    data = {"action": "take", "_key": "k1"}
    first = technician.post(here, data)
    again = technician.post(here, data)
    assert (first.status_code, again.status_code) == (303, 303)
    with estate.context() as ctx:
        taken = select(func.count()).select_from(Timeline).where(Timeline.record_id == job, Timeline.event == "take")
        assert ctx.session.scalar(taken) == 1
    refused = technician.post(here, {"action": "take", "_key": "k2"}, Accept="application/json")
    assert refused.status_code == 409 and refused.mimetype == "application/problem+json"
    assert technician.post(here, {"action": "take", "_key": "k3"}).status_code == 409
    assert technician.post(here, {"action": "fly"}).status_code == 404
    assert technician.post(here, {}).status_code == 422


def test_a_job_is_seen_by_who_may_see_it(estate, visitor):
    mine, other, resident = visitor(*TECHNICIAN), visitor(*TECHNICIAN), visitor("core.resident")
    job = job_for(estate, mine)
    here = f"/f/{estate.code}/jobs/{job}"
    assert mine.get(here).status_code == 200
    assert "水管漏水" in mine.get(f"/f/{estate.code}").text
    for who in (other, resident):
        who.get(f"/f/{estate.code}/me")
        assert who.get(here).status_code == 404
        assert who.post(here, {"action": "take"}).status_code == 404
        assert "水管漏水" not in who.get(f"/f/{estate.code}").text


def test_who_does_the_work_may_call_and_it_is_noted(estate, visitor):
    technician = visitor(*TECHNICIAN)
    job, caller = job_for(estate, technician), estate.person("陈雨", phone="13812345678")
    with estate.context() as ctx:
        ctx.session.get(Record, (ctx.estate.id, job)).requester_id = caller
    here = f"/f/{estate.code}/jobs/{job}"
    assert "13812345678" not in technician.get(here).text
    assert 'href="tel:13812345678"' in technician.post(here, {"call": "1"}).text
    with estate.context() as ctx:
        assert ctx.session.scalars(select(Timeline.event).where(Timeline.record_id == job)).all()[-1] == "revealed"


def test_a_photographed_code_leads_to_its_place(estate, visitor):
    technician = visitor(*TECHNICIAN)
    with estate.context() as ctx:
        place = Property(
            code="B1", label="1号楼", name="1号楼", kind="building", created_at=ctx.now, updated_at=ctx.now
        )
        ctx.session.add(place)
        ctx.seal()
        code = code_of(estate.place.database.secret, ctx.estate.id, place.id)
    drawn = BytesIO()
    segno.make(f"https://estate.example/q/{code}").save(drawn, kind="png", scale=6, border=4)
    here = f"/f/{estate.code}/scan"
    technician.get(here)
    drawn.seek(0)
    answer = technician.post(here, {"file": (drawn, "code.png")})
    assert answer.status_code == 303
    assert "1号楼" in technician.get(answer.location).text
    assert technician.post(here, {"code": "nothing of ours"}).status_code == 422
    nothing = BytesIO()
    Image.new("RGB", (64, 64), "white").save(nothing, "JPEG")
    nothing.seek(0)
    blank = technician.post(here, {"file": (nothing, "blank.jpg")})
    assert blank.status_code == 422 and "go closer" in blank.text


def test_something_is_reported_on_the_way(estate, visitor, window, tmp_path):
    guard = visitor("core.staff")
    page = window(guard, locale="en", width=390, height=844)
    page.goto(f"/f/{estate.code}/report")
    ready(page)
    page.context.set_offline(True)
    page.fill("[name=title]", "路灯不亮")
    page.set_input_files("[name=file]", photo(tmp_path))
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".kept")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator("#net")).to_be_hidden(timeout=15_000)
    with estate.context() as ctx:
        assert ctx.session.scalars(select(Record.title)).all() == ["路灯不亮"]
        assert ctx.session.scalar(select(func.count()).select_from(Attachment)) == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en", "zh_Hans"])
def test_the_phone_pages_are_accessible_and_narrow(estate, visitor, window, locale, theme, pictures):
    technician = visitor(*TECHNICIAN)
    job = job_for(estate, technician)
    page = window(technician, locale=locale, theme=theme, width=360, height=760)
    base = f"/f/{estate.code}"
    for name, address in {
        "today": base, "job": f"{base}/jobs/{job}", "scan": f"{base}/scan", "report": f"{base}/report", "me": f"{base}/me",
        "outbox": f"{base}/outbox",
    }.items():  # fmt: skip
        page.goto(address)
        ready(page)
        for width in (360, 390, 768):
            page.set_viewport_size({"width": width, "height": 760})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)
        page.set_viewport_size({"width": 390, "height": 844})
        found = Axe().run(page).response["violations"]
        assert not found, (name, [(v["id"], v["nodes"][0]["html"]) for v in found])
        page.screenshot(path=pictures / f"field-{name}-{theme}-{locale}.png", full_page=True)


def test_it_can_be_installed(app, visitor):
    somebody = visitor(*TECHNICIAN)
    manifest = somebody.get("/manifest.webmanifest").get_json()
    assert manifest["start_url"] == "/f" and manifest["display"] == "standalone"
    for icon in manifest["icons"]:
        assert somebody.get(icon["src"]).mimetype == "image/png"
    worker = somebody.get("/sw.js")
    assert worker.mimetype == "text/javascript" and worker.headers["Cache-Control"] == "no-cache"
    for address in re.findall(r'"(/[^"]+)"', worker.text.splitlines()[0]):
        assert somebody.get(address).status_code == 200, address
    assert somebody.get("/f").location == f"/f/{somebody.estate}"

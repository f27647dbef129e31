"""The phone pages: today's work, one job with and without a network, the outbox, scanning, reporting."""

import re
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pytest
import segno
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import expect
from sqlalchemy import func, select

from wuye.api import perform, take
from wuye.estates.services import disable
from wuye.files.models import Attachment
from wuye.i18n import catalogue
from wuye.pages.portal import code_of
from wuye.properties.models import Property
from wuye.records.models import Record, Timeline
from wuye.testing import until
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
    """Wait until the page and the jobs that it lists are kept for a time without a network, and its worker serves it."""
    page.wait_for_selector("html[data-kept]")
    page.wait_for_function("navigator.serviceWorker.controller")


def counted(page):
    """Return a list that grows with every tap on a page, wherever it leads."""
    taps = []
    page.expose_function("tapped", lambda what: taps.append(what))  # noqa: PLW0108 (the driver takes no built-in)
    page.add_init_script("addEventListener('pointerdown', (event) => tapped(event.target.textContent.trim()), true)")
    return taps


@pytest.mark.parametrize("locale", ["en", "zh_Hans"])
def test_a_technician_does_a_job_without_a_network_in_four_taps(estate, visitor, window, locale, tmp_path):
    technician = visitor(*TECHNICIAN)
    job = job_for(estate, technician)
    page = window(technician, locale=locale, width=390, height=844)
    taps = counted(page)
    page.goto(f"/f/{estate.code}")
    ready(page)
    page.context.set_offline(True)
    page.click(".jobs .ttl")
    page.wait_for_url(re.compile("/jobs/"))
    page.click("[data-step=take] button")
    expect(page.locator("[data-now] .tag")).to_have_text(say("Taken on", locale))
    page.click("[data-step=start] button.p")
    page.fill("[data-step=finish] [name=remedy]", "更换密封圈")
    page.set_input_files("[data-step=finish] [name=photo_after]", photo(tmp_path))
    expect(page.locator("[data-step=finish] .photo img")).to_have_count(1)
    page.click("[data-step=finish] button.p")
    expect(page.locator("#net")).to_contain_text("3")
    assert 0 < len(taps) <= 4, "and one for the photo"
    assert state_of(estate, job) == "assigned"
    page.reload()
    expect(page.locator(".kept")).to_have_count(3)
    page.context.set_offline(False)
    expect(page.locator("#net")).to_be_hidden()
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
    expect(page.locator("#net")).to_contain_text("1 not taken")
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
    for address in (here, f"/e/{estate.code}/maintenance/work-orders/{job}"):
        assert "<li>PPR弯头 2 个</li><li>生料带 0.5</li>" in technician.get(address).text


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


def place_in(estate, label="1号楼"):
    """A building; returns its id and the code that hangs there."""
    with estate.context() as ctx:
        place = Property(code=label, label=label, name=label, kind="building", created_at=ctx.now, updated_at=ctx.now)
        ctx.session.add(place)
        ctx.seal()
        return place.id, code_of(estate.place.database.secret, ctx.estate.id, place.id)


def test_a_photographed_code_leads_to_its_place(estate, visitor):
    technician = visitor(*TECHNICIAN)
    _identity, code = place_in(estate)
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
    text = technician.post(here, {"file": (BytesIO(b"no picture"), "code.png")})
    assert text.status_code == 422


def test_the_label_of_an_asset_leads_to_its_place(estate, visitor):
    guard, manager = visitor("core.staff"), estate.login("core.manager")
    place, _code = place_in(estate)
    manager.create("assets", code="LIFT-3", name="3号电梯", asset_class="lift", place=str(place))
    loose = manager.create("assets", code="PUMP-1", name="水泵", asset_class="pump")
    here = f"/f/{estate.code}/scan"
    guard.get(here)
    assert guard.post(here, {"code": "LIFT-3"}).location == f"/f/{estate.code}/places/{place}"
    assert guard.post(here, {"code": "PUMP-1"}).location == f"/e/{estate.code}/maintenance/assets/{loose['id']}"
    with estate.context() as ctx:
        disable(ctx, "maintenance", force=True)
    assert guard.post(here, {"code": "LIFT-3"}).status_code == 422


def test_a_number_leads_only_to_work_that_one_may_see(estate, visitor):
    mine, other = visitor(*TECHNICIAN), visitor(*TECHNICIAN)
    job = job_for(estate, mine)
    with estate.context() as ctx:
        number = ctx.session.get(Record, (ctx.estate.id, job)).number
    here = f"/f/{estate.code}/scan"
    answers = []
    for who, code in ((mine, number), (other, number), (other, "WO-1999-00001")):
        who.get(here)
        answers.append(who.post(here, {"code": code}))
    assert answers[0].location == f"/f/{estate.code}/jobs/{job}"
    assert answers[1].status_code == answers[2].status_code == 422


def test_residents_do_not_see_what_is_at_a_place(estate, visitor):
    resident = visitor("core.resident")
    place, code = place_in(estate)
    for path in (f"places/{place}", "scan"):
        assert resident.get(f"/f/{estate.code}/{path}").status_code == 403
    assert "1号楼" not in resident.get(f"/f/{estate.code}/report?place={place}").text
    assert resident.get(f"/q/{code}").status_code == 200, "they report by it like everybody"


def test_who_works_here_comes_from_a_places_code_to_its_work(estate, make_estate, visitor, app):
    guard = visitor("core.staff")
    place, code = place_in(estate)
    assert guard.get(f"/q/{code}").location == f"/f/{estate.code}/places/{place}"
    _identity, elsewhere = place_in(make_estate())
    assert guard.get(f"/q/{elsewhere}").status_code == 200, "a guest there"
    assert app.test_client().get(f"/q/{code}").status_code == 200


def test_a_phone_brings_field_staff_to_their_work_and_others_to_their_desk(estate, visitor):
    phone = {"User-Agent": "Mozilla/5.0 (Linux; Android 15) Mobile Safari/537.36"}
    technician, manager = visitor(*TECHNICIAN), visitor("core.manager")
    assert technician.get("/", **phone).location == f"/f/{estate.code}"
    assert technician.get("/").location == f"/e/{estate.code}"
    assert manager.get("/", **phone).location == f"/e/{estate.code}"
    assert f"/f/{estate.code}" in manager.get("").text, "the phone pages are a link away"
    assert f'href="/e/{estate.code}"' in manager.get(f"/f/{estate.code}/me").text, "and so is the way back"


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
    expect(page.locator("#net")).to_be_hidden()
    with estate.context() as ctx:
        assert ctx.session.scalars(select(Record.title)).all() == ["路灯不亮"]
        assert ctx.session.scalar(select(func.count()).select_from(Attachment)) == 1


def test_a_report_goes_to_a_department_that_takes_it(estate, visitor):
    technician, guard = visitor(*TECHNICIAN), visitor("core.staff")
    here = f"/f/{estate.code}/report"
    place, _code = place_in(estate)
    both = technician.get(f"{here}?place={place}").text
    assert "to=customer_service.requests" in both and "to=maintenance.work-orders" in both
    assert "to=maintenance.work-orders" not in guard.get(here).text, "who may not create it is not offered it"
    guard.get(f"/f/{estate.code}/me")
    assert guard.post(here, {"to": "maintenance.work-orders", "title": "灯"}).status_code == 404
    with estate.context() as ctx:
        disable(ctx, "customer_service", force=True)
    assert "Nothing can be reported here" in guard.get(here).text
    technician.get(here)
    data = {"title": "楼道灯不亮", "place": str(place), "_key": "k1"}
    answer = technician.post(here, data)
    assert (answer.status_code, technician.post(here, data).location) == (303, answer.location)
    assert "楼道灯不亮" in technician.get(answer.location).text
    with estate.context() as ctx:
        order = ctx.session.scalars(select(Record)).one()
        assert (order.state, order.place_id) == ("ready", place), "the dispatcher sees it at once"
    assert technician.post(here, {"title": ""}).status_code == 422


def in_progress(estate, technician):
    job = job_for(estate, technician)
    with estate.context() as ctx:
        order = ctx.session.get(Record, (ctx.estate.id, job))
        take(ctx, order, "take")
        take(ctx, order, "start")
    return job


def test_the_resident_signs(estate, visitor, window):
    technician = visitor(*TECHNICIAN)
    job = in_progress(estate, technician)
    page = window(technician, locale="en", width=390, height=844)
    page.goto(f"/f/{estate.code}/jobs/{job}")
    page.fill("[name=remedy]", "更换密封圈")
    canvas = page.locator("canvas.sign")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + 60, steps=5)
    page.mouse.up()
    page.click("[data-step=finish] button.p")
    expect(page.locator("[data-now] .tag")).to_have_text("Done")
    with estate.context() as ctx:
        signed = ctx.session.scalars(select(Attachment).where(Attachment.subject_id == job)).one()
        assert (signed.label, signed.media_type, signed.width) == ("signature", "image/png", 640)


def test_the_resident_signs_by_name_where_nothing_can_be_drawn(estate, visitor, window):
    technician = visitor(*TECHNICIAN)
    job = in_progress(estate, technician)
    page = window(technician, locale="en", width=390, height=844, script=False)
    page.goto(f"/f/{estate.code}/jobs/{job}")
    page.fill("[name=remedy]", "更换密封圈")
    page.fill("[name=signed_by]", "陈雨")
    with page.expect_navigation():
        page.click("[data-step=finish] button.p")
    assert state_of(estate, job) == "done"
    page.click("summary:has-text('All steps')")
    expect(page.locator(".act li", has_text="Signed")).to_contain_text("陈雨")


def test_photos_are_kept_and_unchanged_jobs_are_not_fetched_again(estate, visitor, window, tmp_path):
    technician = visitor(*TECHNICIAN)
    job, other = job_for(estate, technician), job_for(estate, technician, "灯不亮")
    technician.get(f"/f/{estate.code}/me")
    with Path(photo(tmp_path)).open("rb") as picture:
        assert technician.post(f"/f/{estate.code}/jobs/{job}", {"file": (picture, "p.jpg")}).status_code == 303
    page = window(technician, locale="en", width=390, height=844)
    page.goto(f"/f/{estate.code}")
    ready(page)
    with estate.context() as ctx:
        perform(ctx, ctx.session.get(Record, (ctx.estate.id, other)), "assign", {"assignee": str(technician.person)})
    fetched = []
    page.on("request", lambda request: fetched.append(request.url.rpartition("/")[2]))
    page.reload()
    ready(page)
    assert str(other) in fetched and str(job) not in fetched
    page.context.set_offline(True)
    page.goto(f"/f/{estate.code}/jobs/{job}")
    assert page.evaluate("document.querySelector('.photos img').decode().then(() => true)")


def test_an_update_leaves_kept_pages_usable(estate, visitor, window):
    technician = visitor(*TECHNICIAN)
    page = window(technician, locale="en", width=390, height=844)
    page.goto(f"/f/{estate.code}")
    ready(page)
    page.context.set_offline(True)
    assert page.evaluate("fetch('/static/0123456789/field.js').then(answer => answer.status)") == 200
    assert page.evaluate("fetch('/static/0123456789/import.js').then(() => '', () => 'none')") == "none"


def test_what_needs_a_network_says_so(estate, visitor, window):
    technician = visitor(*TECHNICIAN)
    page = window(technician, locale="en", width=390, height=844)
    page.goto(f"/f/{estate.code}")
    ready(page)
    page.context.set_offline(True)
    page.click(".tabs a:has-text('Scan')")
    page.fill("[name=code]", "LIFT-3")
    page.get_by_role("button", name="Go").click()
    expect(page.locator(".empty")).to_contain_text("No network")


def test_who_signs_in_finds_nothing_of_who_was_there_before(estate, visitor, window):
    before, after = visitor(*TECHNICIAN), visitor(*TECHNICIAN)
    job_for(estate, before)
    page = window(before, locale="en", width=390, height=844)
    page.goto(f"/f/{estate.code}")
    ready(page)
    page.context.clear_cookies(name="wuye")
    page.goto("/sign-in")
    page.wait_for_function("caches.has('pages').then(there => !there)")
    page.context.add_cookies([{"name": "wuye", "value": after.cookie, "url": page.url}])
    page.context.set_offline(True)
    page.goto(f"/f/{estate.code}")
    expect(page.locator(".empty")).to_contain_text("No network")
    assert "水管漏水" not in page.content()


def test_the_worker_sends_what_waits_when_no_page_is_open(estate, visitor, window):
    technician = visitor(*TECHNICIAN)
    job = job_for(estate, technician)
    page = window(technician, locale="en", width=390, height=844)
    page.goto(f"/f/{estate.code}")
    ready(page)
    page.context.set_offline(True)
    page.click(".jobs .ttl")
    page.click("[data-step=take] button")
    expect(page.locator("#net")).to_contain_text("1 kept")
    other = page.context.new_page()
    other.goto("about:blank")
    found = []
    devtools = page.context.new_cdp_session(other)
    devtools.on("ServiceWorker.workerRegistrationUpdated", lambda event: found.extend(event["registrations"]))
    devtools.send("ServiceWorker.enable")
    page.close()
    assert state_of(estate, job) == "assigned"
    other.context.set_offline(False)

    def registered():
        other.title()  # what the browser tells is heard while it is asked something
        return next((each for each in found if not each["isDeleted"] and each["scopeURL"].endswith("/f")), None)

    mine = until(registered)
    origin = mine["scopeURL"].removesuffix("/f")
    call = {"origin": origin, "registrationId": mine["registrationId"], "tag": "outbox", "lastChance": False}
    devtools.send("ServiceWorker.dispatchSyncEvent", call)
    until(lambda: state_of(estate, job) != "assigned")
    assert state_of(estate, job) == "accepted"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en", "zh_Hans"])
def test_the_phone_pages_are_accessible_and_narrow(estate, visitor, window, locale, theme, pictures, tmp_path):
    technician = visitor(*TECHNICIAN)
    job, busy = job_for(estate, technician), in_progress(estate, technician)
    place, _code = place_in(estate)
    technician.get(f"/f/{estate.code}/me")
    with Path(photo(tmp_path)).open("rb") as picture:
        technician.post(f"/f/{estate.code}/jobs/{busy}", {"file": (picture, "p.jpg")})
    technician.post(f"/f/{estate.code}/jobs/{busy}", {"text": "已联系住户，下午两点上门"})
    page = window(technician, locale=locale, theme=theme, width=360, height=760)
    base = f"/f/{estate.code}"

    def look(name):
        for width in (360, 390, 768):
            page.set_viewport_size({"width": width, "height": 760})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)
        page.set_viewport_size({"width": 390, "height": 844})
        found = Axe().run(page).response["violations"]
        assert not found, (name, [(v["id"], v["nodes"][0]["html"]) for v in found])
        page.screenshot(path=pictures / f"field-{name}-{theme}-{locale}.png", full_page=True)
        assert small(page) == [], name

    for name, address in {
        "today": base, "job": f"{base}/jobs/{job}", "busy": f"{base}/jobs/{busy}", "scan": f"{base}/scan",
        "report": f"{base}/report?place={place}", "me": f"{base}/me", "outbox": f"{base}/outbox",
        "place": f"{base}/places/{place}", "offline": "/f/offline",
    }.items():  # fmt: skip
        page.goto(address)
        if name != "offline":
            ready(page)
        page.evaluate("for (const more of document.querySelectorAll('details')) more.open = true")
        look(name)
    page.goto(f"{base}/scan")
    page.fill("[name=code]", "0")
    with page.expect_navigation():
        page.locator("form:has(#code) button").click()
    look("scanned-nothing")
    page.goto(f"{base}/jobs/{job}")
    ready(page)
    page.context.set_offline(True)
    page.click("[data-step=take] button")
    expect(page.locator(".kept").first).to_be_visible()
    page.click("[data-step=start] button.p")
    expect(page.locator(".kept")).to_have_count(2)
    look("job-offline")
    page.goto(base)
    expect(page.locator(".kept")).to_have_count(1)
    look("today-offline")
    with estate.context() as ctx:
        perform(ctx, ctx.session.get(Record, (ctx.estate.id, job)), "cancel", {"reason": "twice"})
    page.context.set_offline(False)
    expect(page.locator("#net.late")).to_be_visible()
    page.goto(f"{base}/outbox")
    expect(page.locator("#outbox li")).to_have_count(2)
    look("outbox-failed")


def small(page):
    """What can be tapped but is lower than a thumb needs (44 px); links within a text are as high as it is."""
    return page.evaluate("""[...document.querySelectorAll('a, button, summary, input:not([type=hidden]), select, textarea')]
        .filter((each) => each.checkVisibility() && !each.matches('.skip, .sr, .sr *, .photo input, .ttl, label.tick input'))
        .map((each) => [each.outerHTML.slice(0, 120), each.getBoundingClientRect().height])
        .filter(([, height]) => height && height < 43.5)""")


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

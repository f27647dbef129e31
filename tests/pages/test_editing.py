"""What lists let one do without leaving them: take back, change a field where it stands, put the columns into order."""

import re
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from sqlalchemy import select, text

from wuye.people.models import Person
from wuye.resources import service, undo
from wuye_customer_service.models import Request

AGENT = ("core.agent", "customer_service.agent")
CHIEF = ("core.supervisor", "maintenance.dispatcher")
REQUESTS, ORDERS = "customer-service/requests", "maintenance/work-orders"
OFFERED = undo.WINDOW

pytestmark = pytest.mark.usefixtures("unhurried")


def make(estate, *titles, key="customer_service.requests", **values):
    values = {"request_kind": "repair"} if key.startswith("customer") else {"order_type": "corrective", **values}
    with estate.context() as ctx:
        return [
            str(service.create(ctx, ctx.loaded.registry.resources[key], {"title": title, **values})["id"])
            for title in titles
        ]


def requests(estate):
    with estate.context() as ctx:
        return {str(row.id): row for row in ctx.session.scalars(select(Request))}


def offered(page):
    """Return the id of the step that a page offers to take back."""
    found = re.search(r'id="undo" name="step" value="([^"]+)"', page.text)
    return found[1] if found else None


@pytest.fixture
def agent(visitor):
    return visitor(*AGENT)


# ---- taking back, without a script


def test_an_action_is_taken_back_from_the_next_page(estate, agent):
    (one,) = make(estate, "Lamp")
    page = f"{REQUESTS}/{one}"
    assert offered(agent.get(page)) is None
    agent.post(f"{page}/actions/reject", {"reason": "no"})
    shown = agent.get("customer-service/requests")
    assert f"Do not admit: {requests(estate)[one].number}" in shown.text
    answer = agent.post("undo", {"step": offered(shown), "next": f"/e/{estate.code}/{REQUESTS}?tab=all"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/e/{estate.code}/{REQUESTS}?tab=all")
    assert requests(estate)[one].state == "new"
    after = agent.get(page)
    assert "Taken back" in after.text and offered(after) is None
    assert "Taken back: Do not admit" in after.text, "the history says which step"


def test_the_offer_is_for_its_estate_its_user_and_some_seconds(estate, make_estate, agent, visitor, monkeypatch):
    (one,) = make(estate, "Lamp")
    agent.get(f"{REQUESTS}/{one}")
    with monkeypatch.context() as patch:
        patch.setattr(undo, "WINDOW", OFFERED)
        done = agent.post(f"{REQUESTS}/{one}/actions/reject", {"reason": "no"})
    cookie = next(each for each in done.headers.getlist("Set-Cookie") if each.startswith("undo="))
    assert f"Path=/e/{estate.code}" in cookie and "Max-Age=8" in cookie and "HttpOnly" in cookie
    step = offered(agent.get(REQUESTS))
    other = visitor(*AGENT)
    other.get(REQUESTS)
    assert other.post("undo", {"step": step}).status_code == 404
    assert agent.post("undo", {"step": step}, token="").status_code == 403
    assert agent.post("undo", {"step": "nonsense"}).status_code == 404
    with estate.context() as ctx:
        over = {"over": undo.WINDOW + undo.GRACE + timedelta(seconds=1)}
        ctx.session.execute(text("UPDATE core_undo_step SET created_at = created_at - :over"), over)
    assert offered(agent.get(REQUESTS)) is None
    late = agent.post("undo", {"step": step})
    assert late.status_code == 409 and "too late" in late.text
    assert requests(estate)[one].state == "rejected"


def test_what_went_to_another_department_is_not_offered_and_ends_the_offer_before(estate, agent):
    (one,) = make(estate, "Lamp")
    agent.get(f"{REQUESTS}/{one}")
    agent.post(f"{REQUESTS}/{one}/actions/accept", {"category": "repair"})
    assert offered(agent.get(REQUESTS))
    agent.post(f"{REQUESTS}/{one}/actions/dispatch")
    assert offered(agent.get(REQUESTS)) is None


def test_a_step_that_was_refused_leaves_the_offer_before_it(estate, agent):
    one, two = make(estate, "Lamp", "Lift")
    agent.get(f"{REQUESTS}/{one}")
    agent.post(f"{REQUESTS}/{one}/actions/accept", {"category": "repair"})
    assert agent.post(f"{REQUESTS}/{two}/actions/reject", {"reason": ""}).status_code == 422
    assert offered(agent.get(REQUESTS))


def test_many_are_taken_back_but_for_what_somebody_changed_since(estate, agent):
    ids = make(estate, "a", "b", "c")
    agent.get(f"{REQUESTS}/new")
    form = {"id": ids, "action": "reject", "step": "do", "reason": "no", "next": f"/e/{estate.code}/{REQUESTS}?q=x"}
    done = agent.post(f"{REQUESTS}/bulk", form)
    assert (done.status_code, done.headers["Location"]) == (303, f"/e/{estate.code}/{REQUESTS}?q=x")
    shown = agent.get(REQUESTS)
    assert "Do not admit: 3" in shown.text
    with estate.context() as ctx:
        service.edit(ctx, ctx.loaded.registry.resources["customer_service.requests"], ids[1], {"title": "B"}, "*")
    answer = agent.post("undo", {"step": offered(shown)})
    assert answer.status_code == 409 and "2 taken back, 1 not." in answer.text and "Somebody changed it" in answer.text
    assert [requests(estate)[each].state for each in ids] == ["new", "rejected", "new"]


def test_an_edit_is_taken_back(estate, agent):
    (one,) = make(estate, "Lamp")
    agent.get(f"{REQUESTS}/{one}/edit")
    agent.post(f"{REQUESTS}/{one}/edit", {"title": "Lift", "request_kind": "repair"})
    shown = agent.get(f"{REQUESTS}/{one}")
    assert f"Saved: {requests(estate)[one].number}" in shown.text
    agent.post("undo", {"step": offered(shown)})
    assert requests(estate)[one].title == "Lamp"


# ---- one field, without a script


def test_the_pen_leads_to_the_form_of_one_field(estate, agent):
    (one,) = make(estate, "Lamp")
    table = agent.get(f"{REQUESTS}?view=table&fields=number,title,state,priority").text
    assert f"/{one}/edit?only=title" in table and f"/{one}/edit?only=priority" in table
    assert "only=number" not in table and "only=state" not in table, "nobody writes these"
    form = agent.get(f"{REQUESTS}/{one}/edit?only=title").text
    assert 'name="title"' in form and 'name="priority"' not in form
    assert agent.post(f"{REQUESTS}/{one}/edit?only=title", {"title": "Lift"}).status_code == 303
    assert requests(estate)[one].title == "Lift"
    assert requests(estate)[one].request_kind == "repair"


def test_only_who_may_change_something_gets_a_pen(estate, agent, visitor):
    (one,) = make(estate, "Lamp")
    reader = visitor("core.resident")
    assert "only=" not in reader.get(f"{REQUESTS}?view=table").text
    assert reader.get(f"{REQUESTS}/{one}/edit?only=title").status_code in (403, 404)
    person = estate.person("Chen Yu", phone="13812345678")
    people = visitor("core.manager").get("people?view=table&fields=name,phone").text
    assert f"{person}/edit?only=name" in people and "only=phone" not in people, "a masked number is no text to change"


def test_an_emptied_choice_is_an_error_at_the_cell_and_not_ignored(estate, agent):
    (one,) = make(estate, "Lamp")
    agent.get(f"{REQUESTS}/{one}/edit?only=priority")
    wrong = agent.post(f"{REQUESTS}/{one}/edit?only=priority", {"priority": ""}, **{"X-Part": "cell"})
    assert wrong.status_code == 422
    assert 'aria-invalid="true"' in wrong.text and 'class="error"' in wrong.text and "<main" not in wrong.text


# ---- with a script


def table(window, who, estate, path, **look):
    page = window(who, locale="en", **look)
    page.goto(f"/e/{estate.code}/{path}")
    return page


def cell(page, text_):
    return page.locator("td.cell", has_text=text_)


def test_a_cell_is_changed_with_the_keyboard_and_taken_back(estate, agent, window):
    one, _two = make(estate, "Lamp", "Lift")
    page = table(window, agent, estate, f"{REQUESTS}?view=table&fields=number,title,priority,requester")
    cell(page, "Lamp").dblclick()
    field = page.locator("td [name=title]")
    expect(field).to_be_focused()
    field.fill("Something else")
    field.press("Escape")
    expect(cell(page, "Lamp").locator(".pen")).to_be_focused()
    page.keyboard.press("Enter")
    field.fill("Lamp, hall")
    field.press("Enter")
    expect(cell(page, "Lamp, hall").locator(".pen")).to_be_focused()
    assert requests(estate)[one].title == "Lamp, hall"
    page.keyboard.press("z")
    expect(page.locator(".toast")).to_contain_text("Taken back")
    expect(cell(page, "Lamp")).to_be_visible()
    assert requests(estate)[one].title == "Lamp"


def test_a_choice_is_saved_when_one_goes_elsewhere_and_nothing_is_sent_for_nothing(estate, agent, window):
    (one,) = make(estate, "Lamp")
    page = table(window, agent, estate, f"{REQUESTS}?view=table&fields=number,title,priority")
    cell(page, "Normal").hover()
    page.locator("td.cell", has_text="Normal").locator(".pen").click()
    page.select_option("td [name=priority]", "urgent")
    page.locator("h1").click()
    expect(page.locator("td form")).to_have_count(0)
    expect(cell(page, "Urgent")).to_be_visible()
    assert requests(estate)[one].priority == "urgent"
    sent = []
    page.on("request", lambda request: sent.append(request.method))
    cell(page, "Urgent").dblclick()
    expect(page.locator("td select")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("td select")).to_have_count(0)
    assert "POST" not in sent


def test_what_is_wrong_stands_at_the_cell_with_what_was_typed(estate, agent, window):
    (one,) = make(estate, "Lamp")
    for name in ("Chen Yu", "Chen Yun"):
        estate.person(name)
    with estate.context() as ctx:
        for row in ctx.session.scalars(select(Person)):
            service.index(ctx, ctx.loaded.registry.resources["core.people"], row)
    page = table(window, agent, estate, f"{REQUESTS}?view=table&fields=number,requester,title")
    page.locator("td.cell").first.dblclick()
    field = page.locator("td [type=text]")
    field.fill("Chen Y")
    field.press("Enter")
    expect(page.locator("td .error")).to_have_text("Several are called like this: choose one.")
    expect(field).to_have_value("Chen Y")
    expect(field).to_be_focused()
    page.get_by_role("radio", name="Chen Yun").check()
    page.locator("h1").click()  # nobody is held there
    expect(page.locator("td form")).to_have_count(0)
    expect(cell(page, "Chen Yun")).to_be_visible()
    assert requests(estate)[one].requester_id is not None


def test_who_was_slower_compares(estate, agent, window):
    (one,) = make(estate, "Lamp")
    page = table(window, agent, estate, f"{REQUESTS}?view=table&fields=number,title")
    cell(page, "Lamp").dblclick()
    expect(page.locator("td [name=title]")).to_be_focused()
    with estate.context() as ctx:
        service.edit(ctx, ctx.loaded.registry.resources["customer_service.requests"], one, {"title": "Theirs"}, "*")
    page.fill("td [name=title]", "Mine")
    page.keyboard.press("Enter")
    expect(page.locator(".versions")).to_contain_text("Theirs")
    expect(page.locator(".versions")).to_contain_text("Mine")
    assert requests(estate)[one].title == "Theirs"
    page.get_by_role("button", name="Save as chosen").click()
    expect(page.locator("td.cell")).to_contain_text("Mine")
    assert "view=table" in page.url, "one comes back to the list"


def test_without_a_network_nothing_that_was_typed_is_lost(estate, agent, window):
    (one,) = make(estate, "Lamp")
    page = table(window, agent, estate, f"{REQUESTS}?view=table&fields=number,title")
    cell(page, "Lamp").dblclick()
    page.fill("td [name=title]", "Lift")
    page.context.set_offline(True)
    page.keyboard.press("Enter")
    expect(page.locator("td .error")).to_contain_text("no connection")
    page.context.set_offline(False)
    page.locator("td [name=title]").press("Enter")
    expect(cell(page, "Lift")).to_be_visible()
    assert requests(estate)[one].title == "Lift"


def test_a_fact_is_changed_and_the_actions_beside_it_still_work(estate, visitor, window):
    chief = visitor(*CHIEF)
    (one,) = make(estate, "Lamp", key="maintenance.work-orders")
    page = table(window, chief, estate, f"{ORDERS}/{one}")
    fact = page.locator("dd.cell", has_text="Corrective")
    fact.dblclick()
    page.select_option("dd select", "preventive")
    page.keyboard.press("Enter")
    expect(page.locator("dd .cell-form")).to_have_count(0)
    expect(page.locator("dd.cell", has_text="Preventive")).to_be_visible()
    page.locator(".do").get_by_role("button", name="Submit").click()
    expect(page.locator(".id .tag")).to_have_text("Ready")
    page.locator("#undo").click()
    expect(page.locator(".id .tag")).to_have_text("Draft")


def test_arrows_go_from_pen_to_pen_and_tab_past_them(estate, agent, window):
    make(estate, "Lamp", "Lift")
    page = table(window, agent, estate, f"{REQUESTS}?view=table&fields=title,priority")
    names = page.evaluate("[...document.querySelectorAll('table .pen')].map((pen) => [pen.tabIndex, pen.title])")
    assert [tab for tab, _title in names] == [0, -1, -1, -1]
    page.locator("table .pen").first.focus()
    for key, place in (("ArrowRight", 1), ("ArrowDown", 3), ("ArrowLeft", 2), ("ArrowUp", 0), ("ArrowUp", 0)):
        page.keyboard.press(key)
        expect(page.locator("table .pen").nth(place)).to_be_focused()


def test_a_card_that_was_dragged_is_taken_back(estate, visitor, window):
    chief = visitor(*CHIEF)
    (one,) = make(estate, "Lamp", key="maintenance.work-orders")
    page = table(window, chief, estate, f"{ORDERS}?view=board")
    page.drag_and_drop(f"[data-id='{one}']", ".col[data-state=ready]")
    expect(page.locator(".col[data-state=ready] .ticket")).to_have_count(1)
    page.locator("#undo").click()
    expect(page.locator(".col[data-state=draft] .ticket")).to_have_count(1)


def test_the_offer_goes_with_its_seconds(estate, agent, window, monkeypatch):
    (one,) = make(estate, "Lamp")
    page = window(agent, locale="en")
    monkeypatch.setattr(undo, "WINDOW", OFFERED)
    page.clock.install()
    page.goto(f"/e/{estate.code}/{REQUESTS}/{one}/edit?only=title")
    page.fill("[name=title]", "Lift")
    page.click(".form .btn.p")
    expect(page.locator("#undo")).to_be_visible()
    page.clock.run_for(8100)
    expect(page.locator(".toast")).to_have_count(0)


# ---- the order of columns


def test_columns_stand_in_the_order_of_the_address_the_view_and_the_file(estate, agent):
    make(estate, "Lamp")
    shown = agent.get(f"{REQUESTS}?view=table&fields=title&fields=number,state&fields=title").text
    heads = re.findall(r'<th scope="col">([^<]+)</th>', shown)
    assert heads == ["Title", "Number", "State"]
    assert "fields=number%2Ctitle%2Cstate" in shown, "an arrow puts it one place further"
    query = re.search(r'name="query" value="([^"]+)"', shown)[1].replace("&amp;", "&")
    saved = agent.post(f"{REQUESTS}/views", {"name": "Mine", "query": query}).headers["Location"]
    again = agent.get(f"{saved}&view=table").text
    assert re.findall(r'<th scope="col">([^<]+)</th>', again) == heads
    tab = saved.partition("?")[2]
    file = agent.post(f"{REQUESTS}/export?{tab}&format=csv").get_data().decode("utf-8-sig")
    assert [each.strip('"') for each in file.splitlines()[0].split(",")] == ["title", "number", "state"]


def test_columns_are_put_into_order_with_arrows_and_by_dragging(estate, agent, window):
    make(estate, "Lamp")
    page = table(window, agent, estate, f"{REQUESTS}?view=table&fields=number,title,state")
    page.click("summary:has-text('Columns')")
    page.click("[data-step='-1'] >> nth=1")
    expect(page.locator("[data-order] + [role=status]")).to_have_text("Title: 1 of 3")
    expect(page.locator("[data-step='-1']").first).to_be_focused()
    page.drag_and_drop(
        "[data-order] li:has([value=state])", "[data-order] li:first-child", target_position={"x": 40, "y": 3}
    )
    expect(page.locator("[data-order] li input").first).to_have_value("state")
    page.click("[data-order] ~ .btn.p")
    page.wait_for_url(re.compile("fields=state"))
    assert page.locator("th").all_inner_texts() == ["State", "Title", "Number"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_editing_is_accessible_and_narrow(estate, agent, window, theme, width, pictures):
    make(estate, "Lamp", "Lift")
    page = table(window, agent, estate, f"{REQUESTS}?view=table&fields=title,priority,number", theme=theme, width=width)
    page.locator("td.cell", has_text="Normal").first.dblclick()
    page.select_option("td select", "")
    page.keyboard.press("Enter")
    expect(page.locator("td .error")).to_be_visible()
    page.locator("td.cell", has_text="Lamp").locator(".pen").click()
    page.fill("td [name=title]", "Lamp, hall")
    page.keyboard.press("Enter")
    expect(page.locator("#undo")).to_be_visible()
    page.locator("td.cell .pen").first.focus()
    page.screenshot(path=pictures / f"editing-{theme}-{width}.png")
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
    page.click("summary:has-text('Columns')")
    page.screenshot(path=pictures / f"columns-{theme}-{width}.png")
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

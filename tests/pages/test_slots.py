"""Cards and panels: what plugins show on the pages of others, and what it costs when one of them is broken."""

import io
import re
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import text
from structlog.testing import capture_logs

from wuye import slots
from wuye.estates.services import disable
from wuye.plugins.hookspecs import hookimpl
from wuye.plugins.loader import Plugin, PluginError, load
from wuye.plugins.manifest import Manifest
from wuye.records.models import Record
from wuye.slots import Bar, Bars, Card, Figure, Figures, Item, Items, Own, Panel, To
from wuye.testing.statements import counted

CHIEF = ("core.supervisor", "maintenance.dispatcher")


@pytest.fixture
def extra(installation, monkeypatch):
    """A function that lets maintenance contribute one more card or panel."""

    def add(slot):
        registry = installation.plugins.registry
        shelf = registry.cards if isinstance(slot, Card) else registry.panels
        monkeypatch.setitem(shelf, slot.bind("maintenance", registry), slot)

    return add


def card_of(show, **options):
    return Card("odd", "Odd card", show, "read", **{"on": ("overview", "desk"), **options})


def test_the_overview_shows_the_plugins_cards(visitor, estate):
    agent = estate.login("core.agent", "customer_service.agent")
    resident = estate.login("core.resident")
    for rating in (5, 4, 1):
        made = agent.create("requests", title="Lamp", request_kind="inquiry", requester=str(resident.person))
        agent.act("requests", made, "answer", resolution="lit")
        resident.act("requests", made, "rate", rating=rating)
    page = visitor("core.manager").get("overview").text
    assert "Satisfaction, 30 days" in page and "3.3<small>/ 5</small>" in page and "3 ratings" in page
    assert "Nothing is on hold" in page


def test_a_work_orders_page_shows_the_material_that_it_took(estate, visitor):
    one = estate.login("maintenance.dispatcher", "maintenance.technician")
    order = one.create("work-orders", title="Tap", order_type="emergency")
    page = f"maintenance/work-orders/{order['id']}"
    for step in ("take", "start"):
        one.act("work-orders", order, step)
    someone = visitor("core.manager")
    assert "<h2>Material</h2>" not in someone.get(page).text
    taken = [{"item": "Gasket", "quantity": "2", "measure_unit": "pcs"}, {"item": "Wire", "quantity": "0.500"}]
    one.act("work-orders", order, "finish", remedy="New gasket", materials=taken)
    text = someone.get(page).text
    assert "<h2>Material</h2>" in text and "2 pcs" in text and re.search(r"Wire.*?0\.5<", text, re.DOTALL)


def test_work_on_hold_is_counted_by_its_reason_on_overview_and_desk(visitor, estate):
    chief = estate.login("core.manager")
    for reason in ("waiting_parts", "waiting_parts", "waiting_access"):
        order = chief.create("work-orders", title="Pump", order_type="corrective")
        for step, values in (("submit", {}), ("assign", {"assignee": str(chief.person)}), ("take", {}), ("start", {}),
                             ("hold", {"hold_reason": reason})):  # fmt: skip
            chief.act("work-orders", order, step, **values)
    someone = visitor("core.manager")
    for path in ("overview", ""):
        page = someone.get(path).text
        section = page[page.index("Work on hold") :]
        assert re.search(
            r"Waiting parts.*?<td class=\"num\">2</td>.*?Waiting access.*?<td class=\"num\">1</td>", section, re.DOTALL
        )
        assert "filter[state]=on_hold" in section
    assert "Work on hold" not in visitor("core.agent", "customer_service.agent").get("").text
    link = re.search(r'href="([^"]+filter\[state\]=on_hold)"', someone.get("overview").text)[1].replace("&amp;", "&")
    assert someone.get(link).text.count('class="ttl"') == 3


def test_a_panel_stands_on_the_detail_of_its_resource(visitor, estate):
    manager = estate.login("core.manager")
    asset = manager.create("assets", code="L1", name="Lift", asset_class="lift")
    other = manager.create("assets", code="L2", name="Lift", asset_class="lift")
    order = manager.create("work-orders", title="Doors stick", order_type="corrective", asset=asset["id"])
    someone = visitor("core.manager")
    page = someone.get(f"maintenance/assets/{asset['id']}").text
    assert "Doors stick" in page and f"/maintenance/work-orders/{order['id']}" in page
    assert "No work was done on it yet." in someone.get(f"maintenance/assets/{other['id']}").text
    person = manager.create("people", name="Chen Yu")
    manager.create("requests", title="Lamp in the hall", request_kind="repair", requester=person["id"])
    assert "Lamp in the hall" in someone.get(f"people/{person['id']}").text
    assert "Latest requests" not in visitor("maintenance.technician", "core.staff").get(f"people/{person['id']}").text


def test_who_does_the_work_sees_the_photos_of_the_request_it_came_from(visitor, estate):
    agent = visitor("core.agent", "customer_service.agent")
    chief = visitor(*CHIEF)
    client = estate.login("core.agent", "customer_service.agent")
    request = client.create("requests", title="Leak", request_kind="repair")
    body = io.BytesIO()
    Image.new("RGB", (40, 30), "green").save(body, "JPEG")
    answer = client.upload(client.url("requests", request["id"], "files"), body.getvalue(), "leak.jpg")
    assert answer.status_code == 201
    client.act("requests", request, "dispatch", category="repair")
    dispatcher = estate.login(*CHIEF)
    dispatcher.act("referrals", dispatcher.list("referrals")[0], "accept")
    order = dispatcher.list("work-orders")[0]
    page = chief.get(f"maintenance/work-orders/{order['id']}").text
    assert "From related work" in page
    photo = re.search(r'href="([^"]+)" title="leak.jpg"', page)[1]
    assert f"/work-orders/{order['id']}/files/" in photo
    assert chief.http.get(photo, buffered=True).mimetype == "image/jpeg"
    assert "From related work" not in agent.get(f"customer-service/requests/{request['id']}").text


def test_cards_and_panels_go_with_their_plugin(visitor, estate):
    manager = visitor("core.manager")
    person = estate.person("Chen Yu")
    with estate.context() as ctx:
        disable(ctx, "customer_service", force=True)
    assert "Satisfaction" not in manager.get("overview").text
    assert "Latest requests" not in manager.get(f"people/{person}").text


def broken_in_python(_ctx, *_row):
    raise ZeroDivisionError("<b>secret</b>")


def broken_in_the_database(ctx, *_row):
    ctx.session.execute(text("SELECT 1 / 0"))


def broken_when_drawn(_ctx, *_row):
    return Bars([Bar("Many", "no number")])


def of_no_shape(_ctx, *_row):
    return "<b>secret</b>"


def without_its_template(_ctx, *_row):
    return Own("nowhere.html")


@pytest.mark.parametrize(
    "broken", [broken_in_python, broken_in_the_database, broken_when_drawn, of_no_shape, without_its_template]
)
def test_what_is_broken_costs_its_own_box_and_one_line_in_the_log(visitor, estate, extra, broken, monkeypatch):
    monkeypatch.setattr(estate.place.plugins.bus, "strict", False)
    extra(card_of(broken))
    extra(Panel("odd", "Odd panel", "core.people", broken, "read"))
    extra(Panel("zz", "Last panel", "core.people", lambda _ctx, _row: Figures([Figure("Seen", 42)]), "read"))
    manager = visitor("core.manager")
    person = estate.person("Chen Yu")
    for path, title in (("overview", "Odd card"), ("", "Odd card"), (f"people/{person}", "Odd panel")):
        with capture_logs() as logs:
            page = manager.get(path)
        assert page.status_code == 200, path
        boxed = page.text[page.text.index(title) :]
        said = re.search(r"Maintenance cannot show this now. If you ask for help, say: ([0-9a-f-]{36})", boxed)
        assert said, path
        assert [
            (line["plugin"], line["slot"], line["request_id"]) for line in logs if line["event"] == "slot failed"
        ] == [("maintenance", "odd", said[1])]
        assert "secret" not in page.text
    assert ">42</span>" in page.text and "Latest requests" in page.text and "Activity" in page.text


def test_a_card_that_changes_something_before_it_breaks_changes_nothing(visitor, estate, extra, monkeypatch):
    monkeypatch.setattr(estate.place.plugins.bus, "strict", False)

    def change(ctx):
        ctx.session.execute(text("UPDATE core_record SET title = 'spoilt'"))
        ctx.note(ctx.estate.id, ctx.estate.id, "spoilt")
        raise ValueError

    estate.login("core.manager").create("work-orders", title="Pump", order_type="corrective")
    extra(card_of(change))
    with capture_logs():
        assert visitor("core.manager").get("overview").status_code == 200
    with estate.context() as ctx:
        assert ctx.session.query(Record).one().title == "Pump"


def test_the_number_of_questions_does_not_grow_with_the_data(visitor, estate, installation, monkeypatch):
    manager, client = visitor("core.manager"), estate.login("core.manager")
    asset = client.create("assets", code="L1", name="Lift", asset_class="lift")
    asked = {}
    for length in (1, 12):
        for _number in range(length):
            client.create("work-orders", title="Pump", order_type="corrective", asset=asset["id"])
        for path in ("overview", "", f"maintenance/assets/{asset['id']}"):
            with counted(installation, monkeypatch) as sent:
                manager.get(path)
            asked.setdefault(path, []).append(len(sent))
    assert all(first == second for first, second in asked.values()), asked
    assert max(map(max, asked.values())) <= 32, asked


def test_every_shape_is_drawn_and_its_text_escaped(visitor, estate, extra, tmp_path, installation, monkeypatch):
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/own.html").write_text(
        '{% import "macros.html" as m with context %}<p>{{ said }}</p>{{ m.empty("Nobody") }}'
    )
    monkeypatch.setattr(installation.plugins.loaded["maintenance"], "folder", tmp_path)
    order = estate.login("core.manager").create("work-orders", title="<i>Pump</i>", order_type="corrective")
    to = To("maintenance.work-orders")
    for name, shape in (
        ("a", Figures([Figure("<i>f</i>", 3.5, "h", "<i>n</i>", "bad", to)])),
        ("b", Bars([Bar("<i>b</i>", 2, to)])),
        ("c", Items([Item("<i>t</i>", "<i>n</i>", to), Item("plain")])),
        ("d", Bars([], "<i>none</i>")),
        ("e", Items([], "<i>none</i>")),
        ("f", Own("own.html", {"said": "<i>own</i>"})),
        ("g", None),
    ):
        extra(Card(name, f"Card {name}", lambda _ctx, shape=shape: shape, "read"))
    extra(
        Card("h", "Card h", lambda ctx: Items([Item.of(ctx.session.get(Record, (ctx.estate.id, order["id"])))]), "read")
    )
    page = visitor("core.manager").get("overview").text
    assert "<i>" not in page
    for said in ("f", "n", "b", "t", "none", "own", "Pump"):
        assert f"&lt;i&gt;{said}&lt;/i&gt;" in page, said
    assert "Card g" not in page and "cannot show" not in page and "Nobody" in page
    assert order["number"] in page


def test_a_link_is_drawn_only_for_who_may_follow_it(visitor, estate, extra):
    to = To("core.routes")
    extra(Card("odd", "Odd", lambda _ctx: Figures([Figure("Lines", 3, to=to), Figure("None", 0, to=To("gone.things"))]),
               "read", on=("desk",)))  # fmt: skip
    assert f'href="/e/{estate.code}/routes">Lines' in visitor("core.manager").get("").text
    page = visitor("core.resident", "maintenance.dispatcher").get("").text
    assert "Lines" in page and f'href="/e/{estate.code}/routes">Lines' not in page


@pytest.mark.parametrize(
    ("slot", "reason"),
    [
        (Card("c", "C", broken_in_python, "nothing"), "no manifest declares the permission odd.nothing"),
        (Card("c", "C", broken_in_python, "core.internal", on=("moon",)), "on is overview, desk, not moon"),
        (Panel("p", "P", "core.moons", broken_in_python, "core.internal"), "there is no resource core.moons"),
        ("not a slot", "must return"),
    ],
)
def test_a_declaration_that_cannot_be_right_is_refused_at_start(slot, reason):
    class Odd(Plugin):
        @hookimpl
        def register_cards(self):
            return [] if isinstance(slot, Panel) else [slot]

        @hookimpl
        def register_panels(self):
            return [slot] if isinstance(slot, Panel) else []

    plugin = Odd()
    plugin.manifest, plugin.folder = (
        Manifest.parse({"plugin": {"name": "odd", "label": "Odd", "api": ">=1,<2"}}, "x"),
        Path(),
    )
    with pytest.raises(PluginError, match=reason):
        load(strict=True, extra=(plugin,))


def test_a_panel_may_be_for_a_resource_that_is_not_installed():
    class Odd(Plugin):
        @hookimpl
        def register_panels(self):
            yield Panel("p", "P", "parcels.parcels", broken_in_python, "core.internal")

    plugin = Odd()
    plugin.manifest, plugin.folder = (
        Manifest.parse({"plugin": {"name": "odd", "label": "Odd", "api": ">=1,<2"}}, "x"),
        Path(),
    )
    assert slots.PLACES and load(strict=True, extra=(plugin,)).registry.panels["odd.p"].of == "parcels.parcels"

"""Looking changes nothing: every page that somebody can reach by links is asked for, and no row of any table has moved.

Each link of each page must lead somewhere, too.
"""

import html
import re
from collections import defaultdict, deque
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import inspect, text
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from wuye.properties.models import Property

#: What a look may move, and why.
MOVED = {"core_browser_session": "who comes back stays signed in: the session's end moves on"}
#: What nobody may read, the roles of the database least of all.
UNREAD = {"core_key"}

#: Addresses with the same page and the same parameters differ in nothing that could write; some of each are enough.
OF_EACH, MOST = 2, 400


def rows_of_all_tables(place):
    """Return for every table what changes when any of its rows is added, removed or written again."""
    with place.database.engine("ops").connect() as connection:
        names = [name for name in inspect(connection).get_table_names() if name not in UNREAD | MOVED.keys()]
        assert len(names) > 30
        return {
            name: connection.execute(
                text(f"SELECT count(*), coalesce(sum(hashtextextended(xmin::text || ctid::text, 0)), 0) FROM {name}")
            ).one()
            for name in names
        }


def links_of(page):
    found = re.findall(r'<a\b[^>]*?\bhref="([^"#][^"]*)"', page)
    found += re.findall(r'<form(?![^>]*method="post")[^>]*\baction="([^"]+)"', page)
    found += re.findall(r'data-(?:suggest|palette|progress)="([^"]+)"', page)
    return [html.unescape(each) for each in found]


def crawl(app, who, begin):
    """Ask for every page from `begin` on by GET; return endpoint → addresses, and the links that lead nowhere."""
    routes = app.url_map.bind("localhost")
    seen, tried, dead = defaultdict(list), defaultdict(int), []
    waiting = deque((each, "the beginning") for each in begin)
    known = set(begin)
    while waiting and sum(map(len, seen.values())) < MOST:
        address, source = waiting.popleft()
        parts = urlsplit(address)
        try:
            endpoint, _arguments = routes.match(parts.path, "GET")
        except RequestRedirect:
            continue
        except HTTPException:
            dead.append((address, source))
            continue
        kind = (endpoint, tuple(sorted({name for name, _value in parse_qsl(parts.query)})))
        if endpoint.startswith(("api.", "pages.static")) or tried[kind] >= OF_EACH:
            continue
        tried[kind] += 1
        answer = who.get(address)
        assert answer.status_code < 500, address
        if answer.status_code >= 400 and source != "the beginning":
            dead.append((address, source, answer.status_code))
        seen[endpoint].append(address)
        if answer.status_code in (301, 302, 303):
            onward = [answer.headers["Location"]]
        else:
            onward = links_of(answer.get_data(as_text=True)) if answer.mimetype == "text/html" else []
        answer.close()
        for link in onward:
            target = link if link.startswith("/") else f"{parts.path}{link}" if link.startswith("?") else ""
            if target and target not in known:
                known.add(target)
                waiting.append((target, address))
    return seen, dead


@pytest.fixture
def lived_in(estate, host, visitor):
    """An estate with something in every list, an import and an export."""
    import io

    client = estate.login("core.agent", "customer_service.agent", "core.manager")
    place = client.create("properties", kind="unit", code="5-1202", name="5栋 1202")
    person = client.create("people", name="陈雨", phone="13812345678")
    client.create("assets", code="P-1", name="水泵", asset_class="pump")
    for number in range(3):
        made = client.create(
            "requests", title=f"漏水 {number}", request_kind="repair", place=place["id"], requester=person["id"]
        )
    client.act("requests", made, "accept", category="repair")
    client.act("requests", made, "dispatch")
    client.create("work-orders", title="Pump", order_type="corrective", place=place["id"])
    manager = visitor("core.manager")
    manager.get("people/import")
    sent = manager.post(
        "people/import", {"file": (io.BytesIO("姓名,手机\n张三,x\n李四,13812345679\n".encode()), "人员.csv")}
    )
    manager.get(sent.headers["Location"])
    manager.post(sent.headers["Location"], {"column-0": "name", "column-1": "phone", "act": "check"})
    host.get(f"/host/estates/{estate.code}")
    host.post(f"/host/estates/{estate.code}", {"act": "export_estate"})
    return {"manager": manager, "host": host}


@pytest.mark.parametrize("who", ["manager", "agent", "technician", "resident", "host"])
def test_no_get_changes_anything_and_every_link_leads_somewhere(estate, app, visitor, lived_in, who):
    roles = {
        "agent": ("core.agent", "customer_service.agent"),
        "technician": ("core.staff", "maintenance.technician"),
        "resident": ("core.resident",),
    }
    visiting = lived_in.get(who) or visitor(*roles[who])
    begin = [
        rule.rule.replace("<estate>", estate.code)
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and rule.arguments <= {"estate"} and rule.endpoint.startswith("pages.")
    ]
    before = rows_of_all_tables(estate.place)
    seen, dead = crawl(app, visiting, begin)
    after = rows_of_all_tables(estate.place)
    assert {name for name in before if before[name] != after[name]} == set()
    assert dead == []
    wanted = {
        "manager": {"pages.core.people.import.run", "pages.core.people.import.rejected", "pages.settings", "pages.overview",
                    "pages.tasks", "pages.maintenance.assets.detail"},
        "agent": {"pages.customer_service.requests.detail", "pages.customer_service.requests.edit", "pages.coordination"},
        "technician": {"pages.maintenance.work-orders.list", "pages.desk"},
        "resident": {"pages.portal.home", "pages.portal.report"},
        "host": {"pages.host", "pages.host.new", "pages.host.estate"},
    }  # fmt: skip
    assert wanted[who] - seen.keys() == set(), sorted(seen)


def test_the_comparison_notices_any_change(estate):
    """The test above would be worthless if it could not fail: a row written again as it was is a change, too."""
    before = rows_of_all_tables(estate.place)
    assert rows_of_all_tables(estate.place) == before
    with estate.context() as ctx:
        ctx.session.add(Property(code="x", name="x", label="x", kind="unit", created_at=ctx.now, updated_at=ctx.now))
    added = rows_of_all_tables(estate.place)
    with estate.context() as ctx:
        ctx.session.execute(text("UPDATE core_property SET code = code"))
    again = rows_of_all_tables(estate.place)
    assert before["core_property"] != added["core_property"] != again["core_property"]
    assert {name for name in before if before[name] != again[name]} == {"core_property"}

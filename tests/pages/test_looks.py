"""How the pages of the office look: accessible in both languages and themes, nothing wider than the window, with pictures."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error

from wuye.identity import invitations, links, password_links
from wuye.identity.services import create_user

ROLES = ("core.agent", "customer_service.agent", "core.manager")

#: Pages and forms that every resource has, if it is declared so.
GENERATED = ("list", "detail", "new", "edit", "import")

#: All others, by the name of their picture.
PAGES = [
    ("desk", ""), ("overview", "/overview"), ("coordination", "/coordination"),
    ("table", "/customer-service/requests?view=table"),
    ("board", "/customer-service/requests?view=board"), ("calendar", "/customer-service/requests?view=calendar"),
    ("chart", "/customer-service/requests?view=chart"), ("pivot", "/customer-service/requests?view=pivot"),
    ("asked", "/customer-service/requests/{request}"),
    ("action", "/customer-service/requests/{request}/actions/answer"),
    ("place-code", "/places/{place}/code"), ("search", "/search?q=漏"), ("plugins", "/settings"),
    ("general-settings", "/settings/plugins/core"), ("maintenance-settings", "/settings/plugins/maintenance"), ("service-settings", "/settings/plugins/customer-service"),
    ("notifications", "/notifications"), ("tasks", "/tasks"), ("members", "/settings/members"), ("routing", "/settings/routing"), ("import-words", "/settings/imports"), ("absent", "/nothing-here"),
]  # fmt: skip

#: Pages of one's own account, which belong to no estate.
OWN = {"profile": "/profile", "profile-tokens": "/profile/tokens", "second-factor": "/profile/second-factor"}

#: What is no page of its own, or is looked at by tests of its own: answers to scripts, files, what an import or a task is later.
OTHERS = {"palette", "suggest", "rejected", "run", "act", "one", "file", "notifications.stream"}

#: What still moves in a window that asks for nothing to move.
MOVING = """[...document.querySelectorAll('*')].filter((each) => {
    const { transitionDuration, animationName, scrollBehavior } = getComputedStyle(each);
    return /[1-9]/.test(transitionDuration) || animationName !== 'none' || scrollBehavior === 'smooth';
}).map((each) => each.outerHTML.slice(0, 160))"""

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture
def addresses(app, estate, furnished):
    """Name → address of every page of the office; one of each kind of thing that there is."""
    client = estate.login(*ROLES)
    found = {name: f"/e/{estate.code}{path.format(**furnished)}" for name, path in PAGES}
    for rule in app.url_map.iter_rules():
        key, _dot, shape = rule.endpoint.removeprefix("pages.").rpartition(".")
        if shape in GENERATED and "GET" in rule.methods and key in estate.place.plugins.registry.resources:
            rows = client.ask("GET", client.url(key) + "?limit=1")["items"]
            assert rows, f"the furnished estate has none of {key}"
            address = rule.rule.replace("<estate>", estate.code).replace("<uuid:identity>", rows[0]["id"])
            found[f"{key.rpartition('.')[2]}-{shape}"] = address
    return found


@pytest.fixture
def outside(estate):
    """Name → address of the pages that are seen without being signed in."""
    place, address = estate.place, f"{estate.code}@new.example"
    with estate.context() as ctx:
        asked = invitations.invite(ctx, email=address, roles=["core.agent", "customer_service.agent"])
    with place.database.session() as session:
        user = create_user(session, place.clock, email=address)
        link = password_links.issue(session, place.database.secret, place.clock, user, lifetime=links.PRINTED)
    return {
        "sign-in": "/sign-in",
        "forgotten": "/sign-in/forgotten",
        "invitation": f"/invitation/{asked.link}",
        "password": f"/password/{link}",
    }


def test_every_page_is_among_those_looked_at(app, estate, addresses):
    urls = app.url_map.bind("127.0.0.1")
    seen = {
        urls.match(address.partition("?")[0])[0]
        for address in [*addresses.values(), *OWN.values()]
        if "nothing" not in address
    }
    rules = [
        rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(("/e/<estate>", "/profile")) and "GET" in rule.methods
    ]
    assert {rule.endpoint for rule in rules if rule.endpoint.rpartition(".")[2] not in OTHERS} - seen == set()


def taken(page, path):
    """Take a picture; Chromium sometimes cannot right after the window has another size, and then can."""
    try:
        page.screenshot(path=path)
    except Error:
        page.screenshot(path=path)


@pytest.mark.parametrize("locale", ["en", "zh_Hans"])
def test_pages_are_accessible_and_never_wider_than_the_window(visitor, window, addresses, outside, locale, pictures):
    page = window(visitor(*ROLES, name="李静"), locale=locale)
    wrong = {}
    for name, address in {**addresses, **OWN, **outside}.items():
        if name in outside:
            page.context.clear_cookies(name="wuye")
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(address)
        if moving := page.evaluate(MOVING):
            wrong[name, "moves"] = moving[:3]
        for theme in ("light", "dark"):
            page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
            taken(page, pictures / f"{name}-{locale}-{theme}-1440.png")
            found = Axe().run(page, options={"runOnly": RULES})
            if violations := found.response["violations"]:
                wrong[name, theme] = [(v["id"], [node["html"][:160] for node in v["nodes"][:3]]) for v in violations]
        for width in (1440, 1100, 768, 360):
            page.set_viewport_size({"width": width, "height": 800})
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wrong[name, width] = "wider than the window"
            if locale == "zh_Hans" and width != 1440:
                for theme in ("dark", "light"):
                    page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
                    taken(page, pictures / f"{name}-{locale}-{theme}-{width}.png")
    assert wrong == {}

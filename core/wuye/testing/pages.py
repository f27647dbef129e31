"""Opening pages as somebody signed in with a browser, without one."""

from collections.abc import Iterator
from typing import Any

from flask import Flask
from sqlalchemy import select
from werkzeug.test import Client as HttpClient

from wuye.identity import sessions
from wuye.identity.models import Membership, User
from wuye.resources.declaration import Resource
from wuye.testing.estate import TestEstate
from wuye.testing.samples import make_one

#: Pages that belong to no resource: the office's, the phone's, the residents'.
_COMMON = ("/e/{estate}", "/e/{estate}/overview", "/e/{estate}/coordination", "/f/{estate}", "/r/{estate}")


def browser(estate: TestEstate, *roles: str) -> HttpClient:
    """Return a client with the cookie of somebody who has these roles."""
    person = estate.login(*roles).person
    place = estate.place
    with place.database.session(estate.info.id) as session:
        mine = select(Membership.user_id).where(Membership.person_id == person)
        user = session.get_one(User, session.scalars(mine).one())
        cookie = sessions.begin(session, place.database.secret, place.clock, user, agent="test")
    client = HttpClient(estate.app)
    client.set_cookie("wuye", cookie)
    return client


def addresses(estate: TestEstate, app: Flask, items: list[Resource]) -> Iterator[str]:
    """Yield the address of every page that can be opened by GET: those of resources, and those with all departments in
    them."""
    yield from (address.format(estate=estate.code) for address in _COMMON)
    made = {item.key: make_one(estate, item) for item in items}
    for rule in app.url_map.iter_rules():
        key = next((item.key for item in items if rule.endpoint.startswith(f"pages.{item.key}.")), None)
        if key is None or "GET" not in (rule.methods or ()):
            continue
        path = rule.rule.replace("<estate>", estate.code).replace("<uuid:identity>", str(made[key]))
        item = next(item for item in items if item.key == key)
        if rule.endpoint.endswith(".list"):
            yield from (
                *(f"{path}?view={shape}" for shape in _shapes(item)),
                *(f"{path}?tab={view.name}" for view in item.views),
            )
        elif "<action>" in path:
            yield from (path.replace("<action>", name) for name in (item.flow.transitions if item.flow else ()))
        elif "<" not in path:
            yield path
        if rule.endpoint.endswith(".detail") and item.is_record:
            yield f"/f/{estate.code}/jobs/{made[key]}"


def _shapes(item: Resource) -> Iterator[str]:
    """Yield the ways in which a list can be shown."""
    yield from ("", "table")
    if item.is_record:
        yield from ("list", "calendar", "chart", "pivot")
    if item.flow:
        yield "board"


def opened(client: HttpClient, address: str) -> tuple[int, Any]:
    """Return what a page answers: the status, and the text."""
    answer = client.get(address, headers={"Accept": "text/html", "Accept-Language": "en"})
    text = answer.get_data(as_text=True)
    answer.close()
    return answer.status_code, text

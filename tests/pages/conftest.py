"""A browser's side of things: cookies of people who are signed in, a served application, Debian's Chromium."""

import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug.serving import make_server
from werkzeug.test import Client as HttpClient

from wuye.identity import sessions
from wuye.identity.models import Membership, User
from wuye.identity.services import add_member, create_user
from wuye.resources import undo
from wuye.testing import DEADLINE
from wuye.web.browser import FIELD

PASSWORD = "a long enough password"
CHROMIUM = shutil.which("chromium")
VAR = Path(__file__).parents[2] / "var" / "pages"
_FLAGS = [
    "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@dataclass
class Visitor:
    """Somebody signed in to an estate's pages without a browser: gets pages, fills in forms."""

    http: HttpClient
    estate: str
    cookie: str
    person: object
    email: str
    token: str = ""
    last: object = field(default=None, repr=False)

    def get(self, path, **headers):
        answer = self.http.get(self._address(path), headers={"Accept-Language": "en", **headers})
        found = re.search(rb'name="_token" value="([^"]+)"', answer.get_data())
        self.token = found[1].decode() if found else self.token
        self.last = answer
        return answer

    def post(self, path, data=None, *, token=None, **headers):
        sent = {FIELD: self.token if token is None else token, **(data or {})}
        self.last = self.http.post(self._address(path), data=sent, headers={"Accept-Language": "en", **headers})
        return self.last

    def _address(self, path):
        return path if path.startswith("/") else f"/e/{self.estate}/{path}".rstrip("/")


@pytest.fixture
def member(estate, app):
    """A function that makes a user with a password, a person behind, and roles; on duty in their department."""

    def make(*roles, name=None):
        client = estate.login(*roles)
        person = client.person
        with estate.place.database.session() as session:
            row = session.query(Membership).filter_by(estate_id=estate.info.id, person_id=person).one()
            user = session.get_one(User, row.user_id)
            user.name = name or (roles[0] if roles else "nobody")
        return user.id, person, client

    return make


@pytest.fixture
def visitor(estate, app, member):
    """A function that signs somebody in with roles and returns them: `visitor("core.agent", "customer_service.agent")`."""

    def make(*roles, name=None):
        user_id, person, _client = member(*roles, name=name)
        place = estate.place
        with place.database.session() as session:
            user = session.get_one(User, user_id)
            cookie = sessions.begin(session, place.database.secret, place.clock, user, agent="test")
            email = user.email
        http = HttpClient(app)
        http.set_cookie("wuye", cookie)
        return Visitor(http, estate.code, cookie, person, email)

    return make


@pytest.fixture
def user(estate):
    """A user with the password `PASSWORD`, a manager of the estate."""
    with estate.place.database.session() as session:
        made = create_user(
            session, estate.place.clock, email=f"{estate.code}@test.example", name="Wang Li", password=PASSWORD
        )
        add_member(session, estate.place.plugins.registry, estate.info, made, ["core.manager"])
        return made


@pytest.fixture(scope="session")
def site(app):
    """The address of the application, served for browsers."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium; where there is none these tests are skipped."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=1000 * DEADLINE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pictures():
    """The folder that keeps a picture of each page: an artefact to be looked at, not in git."""
    VAR.mkdir(parents=True, exist_ok=True)
    return VAR


@pytest.fixture
def unhurried(monkeypatch):
    """What can be taken back can be for as long as a test waits; a test of the window itself puts it back."""
    monkeypatch.setattr(undo, "WINDOW", timedelta(seconds=DEADLINE))


@pytest.fixture
def window(chromium, site, estate, unhurried):
    """A function that opens a browser window for a visitor; anything that a page may not do fails the test.

    Nothing moves in it (`prefers-reduced-motion`): what is looked at is a state, not a step on the way to it.
    """
    opened, complaints = [], []

    def open_(visitor=None, *, locale="zh_Hans", theme="light", width=1440, height=900, script=True):
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            locale={"zh_Hans": "zh-CN"}.get(locale, "en-US"),
            java_script_enabled=script,
            base_url=site,
            reduced_motion="reduce",
        )
        context.set_default_timeout(1000 * DEADLINE)
        cookies = {"locale": locale, "theme": theme, **({"wuye": visitor.cookie} if visitor else {})}
        context.add_cookies([{"name": name, "value": value, "url": site} for name, value in cookies.items()])
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if "Content Security Policy" in m.text else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        opened.append(context)
        return page

    yield open_
    for context in opened:
        context.close()
    assert complaints == []


@pytest.fixture
def background(installation):
    """A function that starts a worker in a process of its own, as it runs beside every server.

    Until it is called nothing is done: so a page that shows work under way can be looked at for as long as that takes.
    """
    environment = {**os.environ, "WUYE_DATA": str(installation.settings.data), "WUYE_DEMO": "true"}
    workers = []
    yield lambda: workers.append(subprocess.Popen([sys.executable, "-m", "wuye", "worker"], env=environment))
    for worker in workers:
        worker.terminate()
        worker.wait(DEADLINE)


@pytest.fixture
def host(estate, visitor):
    """Somebody who runs the installation, and is a manager of the estate besides."""
    admin = visitor("core.manager", name="托管商")
    with estate.place.database.session() as session:
        session.query(User).filter_by(email=admin.email).one().host_admin = True
    return admin


@pytest.fixture
def furnished(estate):
    """An estate with something in every list; returns what addresses need."""
    client = estate.login("core.agent", "customer_service.agent", "core.manager")
    place = client.create("properties", kind="unit", code="5-1202", name="5栋 1202")
    person = client.create("people", name="陈雨", phone="13812345678")
    client.create("occupancies", person=person["id"], property=place["id"], relation="owner", since="2025-01-01")
    kinds = ("repair", "complaint", "inquiry", "praise")
    made = [
        client.create("requests", title=f"厨房水龙头漏水 {n}", request_kind=kinds[n % 4], place=place["id"], requester=person["id"],
                      priority=("normal", "urgent", "emergency")[n % 3], due_at=f"2026-11-{20 + n}T08:00:00Z",
                      text="厨房顶面渗水，怀疑楼上管道漏水。", contact_phone="13812345678")
        for n in range(6)
    ]  # fmt: skip
    client.act("requests", made[0], "accept", category="repair")
    client.act("requests", made[0], "dispatch")
    client.ask("POST", client.url("requests", made[1]["id"], "comments"), {"text": "已联系业主", "internal": True})
    asset = client.create("assets", code="L-1", name="1号楼电梯", asset_class="lift")
    order = client.create("work-orders", title="轿厢门异响", order_type="corrective", asset=asset["id"])
    for step, values in (("submit", {}), ("assign", {"assignee": str(client.person)}), ("take", {}), ("start", {}),
                         ("hold", {"hold_reason": "waiting_parts"})):  # fmt: skip
        client.act("work-orders", order, step, **values)
    path = f"/api/v1/estates/{estate.code}/settings/maintenance"
    client.ask("PATCH", path, {"hours_urgent": 4, "emergencies_at_once": False}, If_Match="*")
    return {"request": made[1]["id"], "person": person["id"], "asset": asset["id"], "place": place["id"]}

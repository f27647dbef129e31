"""What an installation can be told from outside, and what comes of it."""

import dataclasses
from pathlib import Path

import pytest
from sqlalchemy import text
from werkzeug.test import Client as HttpClient

from wuye.config import Settings
from wuye.db.database import Database
from wuye.errors import Misconfigured
from wuye.identity import sessions
from wuye.identity.services import add_member, create_user
from wuye.web.app import create_app

PASSWORD = "a long enough password"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def user(estate):
    place = estate.place
    with place.database.session() as session:
        made = create_user(session, place.clock, email=f"{estate.code}@test.example", password=PASSWORD)
        add_member(session, place.plugins.registry, estate.info, made, ["core.manager"])
        return made


@pytest.fixture
def cookie(estate, user):
    place = estate.place
    with place.database.session() as session:
        return sessions.begin(session, place.database.secret, place.clock, user, agent="test")


def test_settings_come_from_the_environment_over_the_file(tmp_path):
    (tmp_path / "wuye.toml").write_text("trusted_proxies = 1\nprepared_statements = false\n")
    assert Settings.load({}, data=tmp_path).trusted_proxies == 1
    told = Settings.load({"WUYE_TRUSTED_PROXIES": "2", "WUYE_PREPARED_STATEMENTS": "true"}, data=tmp_path)
    assert (told.trusted_proxies, told.prepared_statements) == (2, True)
    assert Settings.load({}, data=tmp_path / "none") == Settings(data=tmp_path / "none")


@pytest.mark.parametrize("value", ["-1", "11", "many"])
def test_a_number_of_proxies_that_cannot_be_is_refused(tmp_path, value):
    with pytest.raises(Misconfigured, match="trusted_proxies"):
        Settings.load({"WUYE_TRUSTED_PROXIES": value}, data=tmp_path)


def test_every_setting_says_what_it_means():
    assert all(item.metadata["help"] for item in dataclasses.fields(Settings))


class Proxied:
    """A browser behind as many proxies as an installation believes."""

    def __init__(self, installation, monkeypatch, proxies):
        monkeypatch.setattr(
            installation,
            "settings",
            dataclasses.replace(installation.settings, trusted_proxies=proxies, hosts=("wuye.example",)),
        )
        self.http = HttpClient(create_app(installation))

    def sign_in(self, **headers):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = {"email": "nobody@test.example", "password": "x"}
        return self.http.post("/sign-in", data=data, headers=sent)


FORWARDED = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "wuye.example", "X_Forwarded_For": "203.0.113.9"}


@pytest.mark.parametrize(("proxies", "believed"), [(0, False), (1, True)])
def test_headers_of_a_proxy_are_believed_only_if_there_is_one(installation, monkeypatch, user, proxies, believed):
    browser = Proxied(installation, monkeypatch, proxies)
    data = {"email": user.email, "password": PASSWORD}
    headers = {name.replace("_", "-"): value for name, value in FORWARDED.items()}
    origin = "https://wuye.example" if believed else "http://localhost"
    done = browser.http.post("/sign-in", data=data, headers={**headers, "Origin": origin})
    assert done.status_code == 303
    cookie = done.headers["Set-Cookie"]
    assert (cookie.startswith("__Host-wuye=") and "Secure" in cookie) is believed
    assert "Strict-Transport-Security" in done.headers


def test_codes_of_places_lead_to_the_address_that_people_use(installation, monkeypatch, cookie, estate):
    place = estate.login("core.manager").create("properties", kind="common_area", code="hall", name="Hall")
    browser = Proxied(installation, monkeypatch, 1)
    browser.http.set_cookie("__Host-wuye", cookie, secure=True)
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "wuye.example"}
    page = browser.http.get(
        f"/e/{estate.code}/places/{place['id']}/code", headers=headers, base_url="https://localhost"
    )
    assert page.status_code == 200 and "https://wuye.example/q/" in page.text


def test_a_forged_address_in_front_of_the_proxys_own_changes_nothing(installation, monkeypatch):
    """Each proxy adds who called it at the end; only as many as are declared are believed, from the end."""
    browser = Proxied(installation, monkeypatch, 1)
    answers = [
        browser.sign_in(X_Forwarded_For=f"198.51.100.{number}, 203.0.113.77").status_code for number in range(11)
    ]
    assert answers == [401] * 10 + [429]


def test_without_prepared_statements_none_is_prepared(installation):
    prepared = {}
    for wanted in (True, False):
        place = installation.database
        database = Database(place.location, place.secret, pool_size=1, prepared=wanted)
        with database.engine("app").connect() as connection:
            for _time in range(12):
                connection.execute(text("SELECT 4711"))
            count = text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%4711%' AND NOT from_sql")
            prepared[wanted] = connection.scalar(count)
        database.dispose()
    assert prepared == {True: 1, False: 0}

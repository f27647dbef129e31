"""One's own account: password, devices, tokens; a forgotten password; and what the host can do to an account."""

import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from tests.conftest import URL, sent_off
from tests.pages.conftest import PASSWORD, Visitor
from werkzeug.test import Client as HttpClient

from wuye.errors import Conflict
from wuye.identity import accounts, sessions
from wuye.identity.models import ApiToken, BrowserSession, User
from wuye.records.models import Timeline

OTHER = "some other words here"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Safari/537.36"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 MicroMessenger/8.0 Safari/604.1"


@pytest.fixture
def owner(user, estate, app):
    """A function that signs the user in with their password in another browser."""

    def enter(password=PASSWORD, agent=CHROME, **data):
        http = HttpClient(app)
        done = http.post(
            "/sign-in", data={"email": user.email, "password": password, **data}, headers={"User-Agent": agent}
        )
        assert done.status_code == 303, done.text
        return Visitor(http, estate.code, http.get_cookie("wuye").value, None, user.email)

    return enter


def events(estate):
    with estate.context() as ctx:
        return ctx.session.scalars(select(Timeline.event).order_by(Timeline.sequence)).all()


def test_name_and_language_are_ones_own(owner, user, estate):
    me = owner()
    assert "Wang Li" in me.get("/profile").text
    assert me.post("/profile", {"act": "save", "name": " ", "locale": "en"}).status_code == 422
    assert me.post("/profile", {"act": "save", "name": "王丽", "locale": "klingon"}).status_code == 422
    done = me.post("/profile", {"act": "save", "name": "王丽", "locale": "zh_Hans"})
    assert "locale=zh_Hans" in done.headers["Set-Cookie"]
    assert "王丽" in me.get("").text
    assert me.post("/profile", {"act": "save", "name": "x", "locale": "en"}, token="forged").status_code == 403
    assert HttpClient(estate.app).get("/profile").headers["Location"] == "/sign-in?next=%2Fprofile"


def change(me, **data):
    me.get("/profile")
    return me.post("/profile", {"act": "password", "present": PASSWORD, "password": OTHER, "again": OTHER, **data})


def test_a_new_password_needs_the_old_one_and_ends_other_sessions(owner, user, estate):
    me, elsewhere = owner(kept="1"), owner()
    assert change(me, present="not the password").status_code == 422
    assert change(me, again="something else").status_code == 422
    assert change(me, password="password1234", again="password1234").status_code == 422
    assert change(me, password=f"{estate.code}2026", again=f"{estate.code}2026").status_code == 422
    assert elsewhere.get("/profile").status_code == 200
    before = me.http.get_cookie("wuye").value
    assert change(me).status_code == 303
    assert me.http.get_cookie("wuye").value != before, "a new session"
    assert me.get("/profile").status_code == 200
    stolen = HttpClient(estate.app)
    stolen.set_cookie("wuye", before)
    assert stolen.get("/profile").status_code == 303
    assert elsewhere.get("/profile").status_code == 303
    owner(OTHER)
    assert "password_changed" in events(estate)


def test_the_old_password_cannot_be_guessed_here_either(owner):
    me = owner()
    assert [change(me, present=f"guess {number}").status_code for number in range(11)] == [422] * 10 + [429]
    assert change(me).status_code == 429


def test_devices_are_named_plainly_and_can_be_signed_out(owner, user, estate):
    me, phone, third = owner(), owner(agent=PHONE), owner(agent="curl/8")
    page = me.get("/profile").text
    assert "Chrome on Windows" in page and "WeChat on iPhone" in page and "Unknown browser" in page
    assert page.count("this device") == 1
    with estate.place.database.session() as session:
        row = session.scalars(
            select(BrowserSession).where(BrowserSession.agent == PHONE, BrowserSession.user_id == user.id)
        ).one()
    assert me.post("/profile", {"act": "end", "session": str(row.id)}).status_code == 303
    assert phone.get("/profile").status_code == 303
    assert third.get("/profile").status_code == 200
    me.get("/profile")
    me.post("/profile", {"act": "end_others"})
    assert (me.get("/profile").status_code, third.get("/profile").status_code) == (200, 303)


def test_nobody_signs_another_out_or_revokes_their_tokens(owner, visitor, estate, user):
    victim, client = visitor("core.agent"), estate.login("core.agent")
    me = owner()
    me.get("/profile")
    with estate.place.database.session() as session:
        theirs = session.scalar(select(User.id).where(User.email == victim.email))
        open_ = session.scalars(select(BrowserSession.id).where(BrowserSession.user_id == theirs)).one()
        token = session.scalars(select(ApiToken.id).order_by(ApiToken.created_at.desc())).first()
    me.post("/profile", {"act": "end", "session": str(open_)})
    assert victim.get("").status_code == 200
    assert me.post("/profile", {"act": "revoke", "token": str(token)}).status_code == 404
    assert client.send("GET", client.url("people")).status_code == 200
    for bad in ({"act": "end", "session": "x"}, {"act": "fly"}):
        assert me.post("/profile", bad).status_code == 404


def test_last_use_is_noted_now_and_then(owner, user, estate):
    me = owner(kept="1")
    with estate.place.database.session() as session:
        row = session.scalars(select(BrowserSession).where(BrowserSession.user_id == user.id)).one()
        row.used_at -= timedelta(hours=3)
        ends = row.idle_until
    assert "last used" in me.get("/profile").text
    with estate.place.database.session() as session:
        row = session.scalars(select(BrowserSession).where(BrowserSession.user_id == user.id)).one()
        assert estate.place.clock.now() - row.used_at < timedelta(minutes=1)
        assert row.idle_until == ends, "a device of one's own ends when it was said"


def test_a_token_is_made_with_chosen_scopes_shown_once_used_and_revoked(owner, user, estate, app):
    me = owner()
    page = me.get("/profile/tokens").text
    assert "core.read_people" in page
    typed = {"estate": estate.code, "name": "门禁", "days": "30"}
    assert me.post("/profile/tokens", typed).status_code == 422, "it must be for something"
    assert me.post("/profile/tokens", {**typed, "scopes": "core.fly"}).status_code == 422
    assert me.post("/profile/tokens", {**typed, "scopes": "core.read_people", "days": "4000"}).status_code == 422
    made = me.post("/profile/tokens", {**typed, "scopes": "core.read_people"})
    text = re.search(r"wuye_[0-9A-Za-z]{46}", made.text)[0]
    listed = me.get("/profile").text
    assert "门禁" in listed and "core.read_people" in listed and "never used" in listed and text not in listed

    def ask(resource):
        url = f"/api/v1/estates/{estate.code}/{resource}"
        return HttpClient(app).get(url, headers={"Authorization": f"Bearer {text}"}).status_code

    assert (ask("people"), ask("properties")) == (200, 403)
    assert "never used" not in me.get("/profile").text
    key = re.search(r'name="token" value="([^"]+)"', me.last.text)[1]
    with estate.place.database.session() as session:
        row = session.get_one(ApiToken, UUID(key))
        used = row.used_at
    ask("people")
    with estate.place.database.session() as session:
        row = session.get_one(ApiToken, UUID(key))
        assert row.used_at == used, "once an hour is enough"
    assert me.post("/profile", {"act": "revoke", "token": key}).status_code == 303
    assert ask("people") == 401
    assert [each for each in events(estate) if each.startswith("token")] == ["token_made", "token_revoked"]


def test_a_forgotten_password_is_replaced_by_letter(posted, user, app, letterbox, owner):
    me = owner()
    http = HttpClient(app)
    answers = []
    for email in (user.email, f"nobody-{uuid4().hex}@test.example"):
        page = http.post("/sign-in/forgotten", data={"email": email}, headers={"Accept-Language": "en"})
        answers.append((page.status_code, page.text.replace(email, "EMAIL").replace("request_id", "")))
    assert answers[0] == answers[1]
    sent_off(posted)
    (letter,) = letterbox.letters
    assert letter["To"] == user.email
    link = re.search(rf"{URL}(/password/[\w-]+)", letter.get_content())[1]
    assert http.post(link, data={"password": OTHER}).status_code == 303
    assert me.get("/profile").status_code == 303, "all sessions end"
    owner(OTHER)


def test_asking_for_letters_is_limited_for_an_address(posted, user, app):
    def ask(origin):
        http = HttpClient(app)
        sent = {"data": {"email": user.email}, "environ_overrides": {"REMOTE_ADDR": origin}}
        return http.post("/sign-in/forgotten", **sent).status_code

    assert [ask(f"192.0.2.{number}") for number in range(11)] == [200] * 10 + [429]


def test_without_a_mail_server_the_page_says_whom_to_ask(app, user):
    http = HttpClient(app)
    page = http.get("/sign-in/forgotten", headers={"Accept-Language": "en"})
    assert "Ask whoever runs it" in page.text and "<input id" not in page.text
    assert http.post("/sign-in/forgotten", data={"email": user.email}).status_code == 200


def test_the_host_closes_and_opens_an_account(host, owner, user, estate, app):
    me = owner()
    token = estate.login("core.manager")
    url = f"/host/users/{user.id}"
    assert user.email in host.get(f"/host/users?q={user.email[:14]}").text
    host.get(url)
    assert host.post(url, {"act": "disable"}).status_code == 303
    assert me.get("").status_code == 303
    assert HttpClient(app).post("/sign-in", data={"email": user.email, "password": PASSWORD}).status_code == 401
    assert token.send("GET", token.url("people")).status_code == 200, "others are not touched"
    host.get(url)
    assert host.post(url, {"act": "reset"}).status_code == 409
    assert host.post(url, {"act": "enable"}).status_code == 303
    owner()
    assert [each for each in events(estate) if each.startswith("account")] == ["account_disable", "account_enable"]


def test_a_disabled_account_has_no_tokens_either(estate, member, host):
    user_id, _person, client = member("core.manager")
    with estate.place.database.session() as session:
        accounts.disable(session, estate.place.clock, session.get_one(User, user_id))
    assert client.send("GET", client.url("people")).status_code == 401
    with estate.place.database.session() as session:
        accounts.enable(session, session.get_one(User, user_id))
    assert client.send("GET", client.url("people")).status_code == 200


def test_the_last_host_admin_stays(installation):
    with installation.database.session() as session:
        hosts = session.scalars(select(User).where(User.host_admin, User.active)).all()
        last, *others = hosts or [
            User(email=f"{uuid4().hex}@host.example", name="", host_admin=True, created_at=installation.clock.now())
        ]
        session.add(last)
        for each in others:
            each.active = False
        session.flush()
        with pytest.raises(Conflict, match="last host admin"):
            accounts.disable(session, installation.clock, last)
        session.rollback()


def test_the_host_hands_over_a_link_and_makes_nobody_powerful_before_it_is_used(host, user, app, owner, visitor):
    url = f"/host/users/{user.id}"
    host.get(url)
    slip = host.post(url, {"act": "reset"})
    link = re.search(r"/password/[\w-]+", slip.text)[0]
    assert link not in host.get(url).text
    assert HttpClient(app).post(link, data={"password": OTHER}).status_code == 303
    owner(OTHER)
    host.get("/host/users")
    asked = host.post("/host/users", {"email": user.email})
    assert owner(OTHER).get("/host").status_code == 404
    invited = re.search(r"/password/[\w-]+", asked.text)[0]
    assert HttpClient(app).post(invited, data={"password": PASSWORD}).status_code == 303
    assert owner().get("/host").status_code == 200
    host.get("/host/users")
    assert host.post("/host/users", {"email": user.email}).status_code == 409


def test_accounts_are_the_hosts_business_alone(visitor, user):
    manager = visitor("core.manager")
    manager.get("")
    for path in ("/host/users", f"/host/users/{user.id}"):
        assert manager.get(path).status_code == 404
        assert manager.post(path, {"act": "disable", "email": "x@test.example"}).status_code == 404


def test_sessions_end_as_a_whole(user, estate, owner):
    me = owner()
    with estate.place.database.session() as session:
        sessions.end_all(session, estate.place.clock, user.id)
    assert me.get("/profile").status_code == 303

"""What a password must be, and how its owner comes to one."""

from datetime import timedelta
from uuid import uuid4

import argon2
import pytest
from sqlalchemy import select
from werkzeug.test import Client as HttpClient
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from wuye.db.session import EstateSession
from wuye.errors import Conflict, Invalid
from wuye.identity import links, password_links, passwords, sessions
from wuye.identity.models import PasswordLink, User
from wuye.identity.services import create_user
from wuye.identity.signin import sign_in

GOOD = "a long enough password"


def test_common_passwords_are_refused_whatever_stands_behind_them():
    common = [each for each in FREQUENCY_LISTS["passwords"] if len(each) >= 12]
    assert len(FREQUENCY_LISTS["passwords"]) >= 3000 and len(common) >= 200
    assert [each for each in common if not passwords.refused(each)] == []
    for word in filter(str.isalpha, FREQUENCY_LISTS["passwords"][:3000:100]):
        for padded in (f"{word}{'1234567890!'[: 12 - len(word)]:0<12}", f"{word.title()}!2026!2026!"):
            assert passwords.refused(padded), padded


@pytest.mark.parametrize("password", ["password1234", "qwertyuiop12", "123456789012", "aaaaaaaaaaaa", "1qaz2wsx3edc"])
def test_what_is_easy_to_guess_is_refused(password):
    assert passwords.refused(password)


@pytest.mark.parametrize(
    "password", [GOOD, "correct horse battery", "k7fmq-2xw9d-8tt3p", "青山不改绿水长流后会有期", "7" + "x9Q!" * 31]
)
def test_what_is_good_is_taken(password):
    assert passwords.refused(password, ("王敏", "wang.min@garden.example", "望江花园", "garden")) == []


@pytest.mark.parametrize(
    "password", ["Garden-Estate2026", "wang.min@garden.example", "WANG.MIN12345", "望江花园12345678", "2026wang.min!!"]
)
def test_the_estates_and_ones_own_names_are_refused(password):
    assert passwords.refused(password, ("王敏", "wang.min@garden.example", "望江花园", "garden-estate"))


@pytest.mark.parametrize(("password", "good"), [("x" * 11, False), (GOOD + "." * 107, False), (GOOD, True)])
def test_the_length_is_limited_both_ways(password, good):
    assert (passwords.refused(password) == []) is good


@pytest.fixture
def made(installation):
    """A user with a password, and a function that opens a session."""
    with installation.database.session() as session:
        return create_user(session, installation.clock, email=f"{uuid4().hex}@test.example", name="Chen", password=GOOD)


def entered(place, user, password):
    with EstateSession(place.database.engine("app"), signing_key=place.database.signing_key) as session:
        secret, where = place.database.secret, uuid4().hex
        sign_in(session, secret, place.clock, email=user.email, password=password, origin=where, demo=False)
        session.commit()


def test_a_password_kept_the_old_way_is_kept_anew_when_it_is_used(installation, made):
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(GOOD)
    with installation.database.session() as session:
        session.get_one(User, made.id).password_hash = weak
    entered(installation, made, GOOD)
    with installation.database.session() as session:
        kept = session.get_one(User, made.id).password_hash
    assert kept != weak and "m=19456,t=2,p=1" in kept
    entered(installation, made, GOOD)


def printed(place, user, *, host_admin=False):
    with place.database.session() as session:
        return password_links.issue(
            session, place.database.secret, place.clock, user, lifetime=links.PRINTED, host_admin=host_admin
        )  # fmt: skip


def test_a_link_gives_its_owner_a_new_password_once_and_ends_what_was_open(installation, app, made, estate):
    place = installation
    with place.database.session() as session:
        cookie = sessions.begin(session, place.database.secret, place.clock, session.get_one(User, made.id), agent="x")
    intruder = HttpClient(app)
    intruder.set_cookie("wuye", cookie)
    assert intruder.get("/estates").status_code == 200
    first, second = printed(place, made), printed(place, made)
    assert HttpClient(app).get(f"/password/{first}").status_code == 404, "a new link kills the old one"
    page = HttpClient(app).get(f"/password/{second}", headers={"Accept-Language": "en"})
    assert made.email in page.text and page.headers["Referrer-Policy"] == "same-origin"
    assert HttpClient(app).post(f"/password/{second}", data={"password": "password1234"}).status_code == 422
    foreign = {"Origin": "https://evil.example"}
    assert HttpClient(app).post(f"/password/{second}", data={"password": GOOD}, headers=foreign).status_code == 403
    done = HttpClient(app).post(f"/password/{second}", data={"password": "some other words here"})
    assert done.status_code == 303
    assert intruder.get("/estates").status_code == 303, "signed out"
    entered(place, made, "some other words here")
    assert HttpClient(app).post(f"/password/{second}", data={"password": GOOD}).status_code == 404


def test_a_host_admin_is_one_only_when_the_link_was_used(installation, app, made):
    """Whoever made an account in somebody's name is not made powerful by inviting that name."""
    text = printed(installation, made, host_admin=True)
    with installation.database.session() as session:
        assert session.get_one(User, made.id).host_admin is False
    assert HttpClient(app).post(f"/password/{text}", data={"password": "some other words here"}).status_code == 303
    with installation.database.session() as session:
        assert session.get_one(User, made.id).host_admin is True
    with pytest.raises(Exception, match="wrong"):
        entered(installation, made, GOOD)


def test_a_link_of_somebody_disabled_or_of_yesterday_is_dead(installation, app, made):
    text = printed(installation, made)
    with installation.database.session() as session:
        session.get_one(User, made.id).active = False
    assert HttpClient(app).get(f"/password/{text}").status_code == 404
    with installation.database.session() as session:
        session.get_one(User, made.id).active = True
        row = session.scalars(select(PasswordLink).where(PasswordLink.user_id == made.id)).one()
        assert text not in repr(vars(row))
        row.expires_at = installation.clock.now() - timedelta(seconds=1)
    assert HttpClient(app).get(f"/password/{text}").status_code == 404
    for wrong in ("x", "A" * 54, "%00"):
        assert HttpClient(app).get(f"/password/{wrong}").status_code == 404


def test_who_has_no_name_yet_gives_one(installation, app):
    with installation.database.session() as session:
        user = create_user(session, installation.clock, email=f"{uuid4().hex}@test.example")
    text = printed(installation, user)
    assert HttpClient(app).post(f"/password/{text}", data={"password": GOOD}).status_code == 422
    typed = {"password": GOOD, "name": "王敏", "locale": "zh_Hans"}
    assert HttpClient(app).post(f"/password/{text}", data=typed).status_code == 303
    with installation.database.session() as session:
        kept = session.get_one(User, user.id)
        assert (kept.name, kept.locale) == ("王敏", "zh_Hans")


def test_addresses_are_checked_and_taken_once(installation, made):
    with installation.database.session() as session:
        with pytest.raises(Conflict):
            create_user(session, installation.clock, email=made.email.upper())
        for wrong in ("chen", "@x.example", "a b@x.example", "a@b\nBcc: c@d.example", f"{'x' * 250}@x.example"):
            with pytest.raises(Invalid):
                create_user(session, installation.clock, email=wrong)

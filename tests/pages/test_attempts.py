"""Guessing is limited exactly, and keeps nobody out who is at another place or whose browser is known."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from werkzeug.test import Client as HttpClient

from wuye.identity import signin
from wuye.identity.attempts import Limit, TooManyAttempts, attempt, attempt_apart, network_of
from wuye.pages.portal import code_of

PASSWORD = "a long enough password"


def sign_in(http, user, password="wrong", network="198.51.100.1"):
    form = {"email": user.email, "password": password}
    return http.post("/sign-in", data=form, environ_overrides={"REMOTE_ADDR": network}).status_code


def test_whoever_guesses_is_stopped_and_the_owner_is_not(app, user):
    network = f"2001:db8:{uuid4().hex[:4]}::1"
    answers = [sign_in(HttpClient(app), user, network=network) for _ in range(11)]
    assert answers == [401] * 10 + [429]
    assert sign_in(HttpClient(app), user, PASSWORD, network=network[:-1] + "2") == 429, "the same household"
    assert sign_in(HttpClient(app), user, PASSWORD, network="198.51.100.44") == 303, "from elsewhere"


def test_a_browser_that_the_account_knows_is_let_in_whatever_others_do(app, user, monkeypatch):
    monkeypatch.setattr(signin, "PER_ACCOUNT", 3)
    known, unknown = HttpClient(app), HttpClient(app)
    assert sign_in(known, user, PASSWORD) == 303
    for number in range(3):
        assert sign_in(unknown, user, network=f"203.0.113.{number}") == 401
    assert sign_in(unknown, user, PASSWORD, network="203.0.113.9") == 429
    assert sign_in(known, user, PASSWORD, network="203.0.113.9") == 303
    assert [sign_in(known, user) for _ in range(11)] == [401] * 10 + [429], "it has a limit of its own"


def test_what_a_browser_keeps_is_good_for_its_account_alone():
    kept = signin.know(b"secret", "Chen@test.example")
    assert signin.is_known(b"secret", "chen@test.example", kept)
    assert not signin.is_known(b"secret", "lin@test.example", kept)
    assert not signin.is_known(b"other", "chen@test.example", kept)
    assert not any(signin.is_known(b"secret", "chen@test.example", each) for each in ("", ".", "x.é", kept[:-1]))


def test_sixty_guesses_at_once_are_ten(app, user):
    network, start = f"198.51.100.{UUID(int=user.id.int).int % 200}", threading.Barrier(20)

    def guess(number):
        if number < 20:
            start.wait()
        return sign_in(HttpClient(app), user, network=network)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(guess, range(60)))
    assert sorted(answers) == [401] * 10 + [429] * 50


def test_what_turns_out_well_does_not_count(app, user):
    assert [sign_in(HttpClient(app), user, PASSWORD, network="198.51.100.77") for _ in range(12)] == [303] * 12


def test_a_thousand_failures_stop_all_who_are_unknown(app, user, monkeypatch):
    known = HttpClient(app)
    assert sign_in(known, user, PASSWORD) == 303
    assert sign_in(HttpClient(app), user) == 401
    monkeypatch.setattr(signin, "OVERALL", 1)
    assert sign_in(HttpClient(app), user, PASSWORD, network="203.0.113.200") == 429
    assert sign_in(known, user, PASSWORD) == 303


def test_what_is_counted_stays_when_the_rest_is_rolled_back(installation):
    secret, clock, limit = (
        installation.database.secret,
        installation.clock,
        [Limit("test", str(uuid4()), 2, signin._SOON)],
    )
    for _ in range(2):
        with pytest.raises(RuntimeError, match="later"), installation.database.session() as session:
            attempt_apart(session, secret, clock, limit)
            raise RuntimeError("later")
    with installation.database.session() as session, pytest.raises(TooManyAttempts):
        attempt(session, secret, clock, limit)


def test_invalid_reports_of_guests_count_and_leave_no_file(app, estate):
    place = estate.login("core.manager").create("properties", kind="common_area", code="hall", name="Hall")
    code = code_of(estate.place.database.secret, estate.info.id, UUID(place["id"]))
    guest, origin = HttpClient(app), {"REMOTE_ADDR": f"203.0.{uuid4().int % 250}.5"}

    def report(**extra):
        return guest.post(f"/q/{code}", data={"request_kind": "repair", **extra}, environ_overrides=origin).status_code

    assert [report() for _ in range(8)] == [422] * 8
    broken = {"title": "x", "file": (io.BytesIO(b"\x89PNG broken"), "x.png")}
    assert [report(**broken), report(title="x"), report(title="x")] == [422, 303, 429]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8::1:2", "2001:db8::/64"),
        ("", ""),
    ],
)
def test_a_household_is_one_network(address, network):
    assert network_of(address) == network

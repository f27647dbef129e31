"""Residents sign in by telephone: every rule of the one-time code, from outside."""

import dataclasses
import itertools
import queue
import re
import statistics
import threading
import time
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select, text
from structlog.testing import capture_logs
from werkzeug.test import Client as HttpClient

from wuye.clock import ManualClock
from wuye.errors import Problem
from wuye.estates.models import Estate
from wuye.identity import attempts, codes, factors, sessions
from wuye.identity.models import BrowserSession, Membership, SignInCode, User
from wuye.identity.services import add_member, create_user
from wuye.people.models import Occupancy, Person
from wuye.properties.models import Property
from wuye.testing import DEADLINE
from wuye.testing.statements import counted
from wuye.web.browser import FIELD

NUMBER = "13812345678"
_addresses = (f"10.{a}.{b}.{c}" for a, b, c in itertools.product(range(200), range(200), range(1, 200)))


class Telephone:
    """A phone with its browser, in a network of its own."""

    def __init__(self, app, estate, address=None):
        self.app, self.estate, self.address = app, estate, address or next(_addresses)
        self.http = HttpClient(app)
        self.base = f"/r/{estate.code}/sign-in"

    def _send(self, method, path, data=None, **headers):
        return self.http.open(
            path, method=method, data=data, headers={"Accept-Language": "en", **headers},
            environ_overrides={"REMOTE_ADDR": self.address},
        )  # fmt: skip

    def get(self, path=""):
        return self._send("GET", self.base + path)

    def ask(self, number=NUMBER, **data):
        return self._send("POST", self.base, {"phone": number, **data})

    def answer(self, code, **data):
        return self._send("POST", f"{self.base}/code", {"code": code, **data})


@pytest.fixture
def clock(estate, monkeypatch):
    made = ManualClock(datetime(2026, 11, 23, 8, tzinfo=UTC))
    monkeypatch.setattr(estate.place, "clock", made)
    return made


@pytest.fixture
def outgoing(estate, monkeypatch):
    """What a plugin was given to send, as it comes."""
    box = queue.Queue()

    def send_code(phone, text):
        box.put((phone, text))
        return True

    monkeypatch.setitem(estate.place.plugins.bus._plans, "send_code", (("maintenance", send_code, ("phone", "text")),))
    return box


@pytest.fixture
def phone(app, estate, clock, outgoing):
    return Telephone(app, estate)


@pytest.fixture
def resident(estate):
    """A function that makes somebody with a number and a home."""

    def make(number=NUMBER, *, since=date(2020, 1, 1), until=None, relation="owner", name="陈雨", home=True):
        person = estate.person(name, phone=number)
        with estate.context() as ctx:
            place = Property(
                kind="unit",
                code=f"{number}-{relation}-{name}",
                name="1202",
                label="1202",
                created_at=ctx.now,
                updated_at=ctx.now,
            )
            ctx.session.add(place)
            ctx.session.flush()
            if home:
                ctx.session.add(Occupancy(person_id=person, property_id=place.id, relation=relation, since=since, until=until,
                                          created_at=ctx.now, updated_at=ctx.now))  # fmt: skip
        return person

    return make


def code_in(outgoing):
    """The code of the message that is sent next; waits for the thread that sends it."""
    return re.search(r"\d{6}", outgoing.get(timeout=DEADLINE)[1])[0]


def errands_done(place):
    """Wait until everything that requests have started is done."""
    for job in [place.errands.submit(lambda: None) for _thread in range(4)]:
        job.result(DEADLINE)
    place.errands.shutdown()
    del place.__dict__["errands"]


def wrong(code):
    return f"{(int(code) + 1) % 10**6:06d}"


def test_the_number_and_the_code_sign_a_resident_in(phone, resident, outgoing, estate):
    person = resident()
    assert "Telephone number" in phone.get().text
    asked = phone.ask("+86 138-1234-5678")
    assert (asked.status_code, asked.headers["Location"]) == (303, f"{phone.base}/code")
    page = phone.get("/code").text
    assert 'autocomplete="one-time-code"' in page and 'inputmode="numeric"' in page
    assert "138****5678" in page
    number, sent = outgoing.get(timeout=DEADLINE)
    assert number == NUMBER and len(sent) < 100 and "Test" in sent
    done = phone.answer(re.search(r"\d{6}", sent)[0], kept="1")
    assert (done.status_code, done.headers["Location"]) == (303, f"/r/{estate.code}")
    cookies = done.headers.getlist("Set-Cookie")
    assert any(each.startswith("wuye=") and "HttpOnly" in each for each in cookies)
    assert phone.http.get(f"/r/{estate.code}").status_code == 200
    with estate.place.database.session(estate.info.id) as session:
        row = session.scalars(select(Membership).where(Membership.estate_id == estate.info.id)).one()
        user = session.get_one(User, row.user_id)
        assert (row.person_id, row.roles, user.email, user.name) == (person, ["core.resident"], None, "陈雨")
        assert session.scalars(select(BrowserSession).where(BrowserSession.user_id == user.id)).one().kept
    with estate.context() as ctx:
        said = ctx.session.execute(text("SELECT event FROM core_timeline WHERE event = 'member_added'")).all()
    assert len(said) == 1


def test_the_second_sign_in_is_of_the_same_user(phone, resident, outgoing, estate, app):
    resident()
    for device in (phone, Telephone(app, estate)):
        device.ask()
        assert device.answer(code_in(outgoing)).status_code == 303
    with estate.place.database.session(estate.info.id) as session:
        assert session.scalar(select(func.count()).where(Membership.estate_id == estate.info.id)) == 1


def test_a_code_is_good_once(phone, resident, outgoing):
    resident()
    phone.ask()
    cookie = phone.http.get_cookie("wuye-code")
    code = code_in(outgoing)
    assert phone.answer(code).status_code == 303
    phone.http.set_cookie("wuye-code", cookie.value)
    again = phone.answer(code)
    assert again.status_code == 401 and "not valid any more" in again.text


def test_a_code_ends_after_five_minutes(phone, resident, outgoing, clock):
    resident()
    phone.ask()
    early = code_in(outgoing)
    clock.forward(timedelta(minutes=5))
    late = phone.answer(early)
    assert late.status_code == 401 and "ask for a new one" in late.text
    phone.ask()
    fresh = code_in(outgoing)
    clock.forward(timedelta(minutes=4, seconds=59))
    assert phone.answer(fresh).status_code == 303


def test_five_tries_and_no_more_not_even_the_right_one(phone, resident, outgoing):
    resident()
    phone.ask()
    code = code_in(outgoing)
    answers = [phone.answer(wrong(code)) for _try in range(5)]
    assert [answer.status_code for answer in answers] == [401] * 5
    assert ["Tries left: 4" in answers[0].text, "tried too often" in answers[4].text] == [True, True]
    assert phone.answer(code).status_code == 401


def test_the_fifth_try_may_still_be_right(phone, resident, outgoing):
    resident()
    phone.ask()
    code = code_in(outgoing)
    for _try in range(4):
        phone.answer(wrong(code))
    assert phone.answer("").status_code == 422, "nothing typed is no try"
    assert phone.answer(f"{code[:3]} {code[3:]}").status_code == 303


def test_tries_at_the_same_moment_are_all_counted(phone, resident, outgoing, estate, app):
    resident()
    phone.ask()
    code = code_in(outgoing)
    cookie = phone.http.get_cookie("wuye-code").value
    statuses = []

    def guess():
        other = Telephone(app, estate)
        other.http.set_cookie("wuye-code", cookie)
        statuses.append(other.answer(wrong(code)).status_code)

    threads = [threading.Thread(target=guess) for _number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with estate.context() as ctx:
        assert ctx.session.scalars(select(SignInCode)).one().tries == 5
    assert statuses == [401] * 8


def test_a_code_belongs_to_the_browser_that_asked(phone, resident, outgoing, estate, app, make_estate):
    resident()
    phone.ask()
    code = code_in(outgoing)
    stranger = Telephone(app, estate)
    nothing = stranger.answer(code)
    assert (nothing.status_code, nothing.headers["Location"]) == (303, stranger.base)
    value = phone.http.get_cookie("wuye-code").value
    identity, number, signature = value.split(".")
    for forged in (f"{identity}.13900000000.{signature}", f"{identity}.{number}.{'0' * 64}", "x", "", f"{value}0"):
        stranger.http.set_cookie("wuye-code", forged)
        assert stranger.answer(code).headers.get("Location") == stranger.base, forged
    elsewhere = Telephone(app, make_estate())
    elsewhere.http.set_cookie("wuye-code", value)
    assert elsewhere.answer(code).headers["Location"] == elsewhere.base
    assert phone.answer(code).status_code == 303


def test_only_keyed_hashes_are_stored(phone, resident, outgoing, estate):
    resident()
    phone.ask()
    code = code_in(outgoing)
    with estate.context() as ctx:
        row = ctx.session.scalars(select(SignInCode)).one()
        stored = f"{row.subject} {row.digest}"
        counted = " ".join(ctx.session.scalars(text("SELECT subject FROM core_sign_in_failure")))
    assert code not in stored and NUMBER not in stored + counted
    assert len(row.digest) == 64
    assert row.digest != codes._digest(b"another installation's secret, long", row.id, code)
    assert row.digest == codes._digest(estate.place.database.secret, row.id, code)


def test_a_number_gets_three_codes_in_ten_minutes_and_ten_a_day(app, estate, resident, outgoing, clock):
    resident()
    given = 0
    for _turn in range(4):
        devices = [Telephone(app, estate) for _number in range(4)]
        statuses = [device.ask().status_code for device in devices]
        given += statuses.count(303)
        assert set(statuses) <= {303, 429}
        clock.forward(timedelta(minutes=10))
    assert given == 10
    refused = Telephone(app, estate).ask()
    assert refused.status_code == 429
    assert 86_400 - 3 * 600 >= int(refused.headers["Retry-After"]) > 80_000
    assert "Too many attempts: try again in 24 hours." in refused.text
    assert Telephone(app, estate).ask("13900001111").status_code == 303, "another number is not concerned"
    clock.forward(timedelta(days=1))
    assert Telephone(app, estate).ask().status_code == 303


def test_an_address_gets_ten_codes_in_ten_minutes(phone, clock, app, estate, outgoing):
    numbers = [f"1390000{n:04d}" for n in range(11)]
    assert [phone.ask(number).status_code for number in numbers[:10]] == [303] * 10
    refused = phone.ask(numbers[10])
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "600")
    assert "try again in 10 minutes" in refused.text and numbers[10] in refused.text
    clock.forward(timedelta(minutes=10))
    assert phone.ask(numbers[10]).status_code == 303


def test_requests_at_the_same_moment_do_not_slip_through_the_limit(app, estate, outgoing, clock):
    statuses = []
    threads = [
        threading.Thread(target=lambda: statuses.append(Telephone(app, estate).ask("13911112222").status_code))
        for _number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [303] * 3 + [429] * 5


def test_nobody_learns_whether_a_number_is_known(app, estate, resident, outgoing, clock):
    resident()
    answers = []
    for number in (NUMBER, "13987654321"):
        device = Telephone(app, estate)
        asked = device.ask(number)
        page = device.get("/code")
        guess = device.answer("000000")
        plain = [re.sub(r"1\d{2}\*{4}\d{4}|1\d{10}|value=\"[^\"]*\"", "", each.text) for each in (page, guess)]
        kept = device.http.get_cookie("wuye-code").value
        answers.append((asked.status_code, asked.headers["Location"], asked.text, *plain, guess.status_code, len(kept)))
    assert answers[0] == answers[1]
    with estate.context() as ctx:
        assert ctx.session.scalar(select(func.count()).select_from(SignInCode)) == 2, "a row for each, known or not"
    code_in(outgoing)
    errands_done(estate.place)
    assert outgoing.empty(), "nothing is sent to a stranger"


def test_a_known_and_an_unknown_number_take_as_long(app, estate, resident, outgoing, clock, monkeypatch):
    """The request does the same work for both: what is different happens on another thread, however long it takes.

    Its own work is counted, as statements and as time on the processor, which no neighbour on the machine changes.
    """
    monkeypatch.setattr(attempts, "_TIDY", 1 << 200)  # old attempts are deleted now and then, whoever asks
    for number in range(30):
        resident(f"1380000{number:04d}", name=f"p{number}")
    taken, asked = {True: [], False: []}, {True: set(), False: set()}
    for number in range(60):
        known = number % 2 == 0
        device = Telephone(app, estate)
        with counted(estate.place, monkeypatch) as sent:
            begin = time.thread_time()
            assert device.ask(f"13{8 if known else 9}0000{number // 2:04d}").status_code == 303
            taken[known].append(time.thread_time() - begin)
        asked[known].add(tuple(sent))
        errands_done(estate.place)
    assert asked[True] == asked[False]
    known, unknown = statistics.median(taken[True]), statistics.median(taken[False])
    assert abs(known - unknown) < 0.25 * max(known, unknown), (known, unknown)


def test_a_slow_sender_delays_nobody(phone, resident, estate, monkeypatch):
    resident()
    gate, begun, ended = threading.Event(), threading.Event(), threading.Event()

    def send_code():
        begun.set()
        gate.wait(DEADLINE)
        ended.set()
        return True

    monkeypatch.setitem(estate.place.plugins.bus._plans, "send_code", (("maintenance", send_code, ()),))
    assert phone.ask().status_code == 303
    assert begun.wait(DEADLINE)
    assert not ended.is_set(), "the answer came before the message was sent"
    gate.set()
    errands_done(estate.place)


@pytest.mark.parametrize(
    "spelling", ["138 1234 5678", "+86 13812345678", "0086-138-1234-5678", "１３８１２３４５６７８"]
)
def test_a_number_is_found_however_it_is_written(spelling, phone, resident, outgoing):
    resident("+86 138-1234-5678")
    assert phone.ask(spelling).status_code == 303
    assert phone.answer(code_in(outgoing)).status_code == 303


@pytest.mark.parametrize("junk", ["", "12", "call me", "1" * 40, "138x1234567", "<b>13812345678</b>"])
def test_what_is_no_number_is_said_to_be_none(junk, phone, outgoing):
    answer = phone.ask(junk)
    assert answer.status_code == 422 and "not a telephone number" in answer.text
    assert "<b>138" not in answer.text


@pytest.mark.parametrize(
    ("since", "until", "may"),
    [
        (date(2020, 1, 1), None, True),
        (date(2020, 1, 1), date(2026, 11, 23), True),
        (date(2026, 11, 23), None, True),
        (date(2020, 1, 1), date(2026, 11, 22), False),
        (date(2026, 11, 24), None, False),
    ],
)
def test_who_does_not_live_here_now_is_told_so_once_the_code_is_proven(
    phone, resident, outgoing, estate, since, until, may
):
    resident(since=since, until=until)
    phone.ask()
    done = phone.answer(code_in(outgoing))
    assert done.status_code == (303 if may else 403)
    assert may or "no home here is registered to you" in done.text
    with estate.place.database.session(estate.info.id) as session:
        assert session.scalar(select(func.count()).where(Membership.estate_id == estate.info.id)) == int(may)


def test_an_archived_person_gets_no_code(phone, resident, outgoing, estate):
    person = resident()
    with estate.context() as ctx:
        ctx.session.get_one(Person, (estate.info.id, person)).archived = True
    assert phone.ask().status_code == 303
    errands_done(estate.place)
    assert outgoing.empty()


def test_of_two_people_with_one_number_the_one_at_home_signs_in(phone, resident, outgoing, estate):
    resident(name="gone", until=date(2021, 1, 1))
    resident(name="member", relation="member")
    tenant = resident(name="tenant", relation="tenant")
    phone.ask()
    phone.answer(code_in(outgoing))
    with estate.place.database.session(estate.info.id) as session:
        assert (
            session.scalars(select(Membership.person_id).where(Membership.estate_id == estate.info.id)).one() == tenant
        )


@pytest.mark.parametrize("roles", [["core.manager"], ["core.resident", "customer_service.agent"]])
def test_a_code_never_gives_more_than_a_residents_rights(phone, resident, outgoing, estate, roles):
    person = resident()
    place = estate.place
    with place.database.session() as session:
        user = create_user(
            session, place.clock, email=f"{estate.code}@staff.example", password="a long enough password"
        )
        add_member(session, place.plugins.registry, estate.info, user, roles, person)
    phone.ask()
    assert phone.answer(code_in(outgoing)).status_code == 303
    phone.http.get(f"/e/{estate.code}/settings")
    assert phone.http.get(f"/e/{estate.code}/settings").status_code == 403
    with place.database.session(estate.info.id) as session:
        rows = session.scalars(select(Membership).where(Membership.person_id == person)).all()
        assert sorted(row.roles for row in rows) == sorted([roles, ["core.resident"]])
        assert session.scalar(select(func.count()).where(BrowserSession.user_id == user.id)) == 0


def test_a_residents_own_account_is_used_unless_it_is_more_elsewhere(
    app, estate, resident, outgoing, clock, make_estate
):
    person = resident()
    place = estate.place
    with place.database.session() as session:
        user = create_user(session, place.clock, email=f"{estate.code}@home.example", password="a long enough password")
        add_member(session, place.plugins.registry, estate.info, user, ["core.resident"], person)

    def sign_in():
        device = Telephone(app, estate)
        device.ask()
        assert device.answer(code_in(outgoing)).status_code == 303
        with place.database.session() as session:
            return session.scalars(select(BrowserSession.user_id).order_by(BrowserSession.id.desc())).first()

    assert sign_in() == user.id
    with place.database.session() as session:
        factors.begin(session, clock, user)
        factors.under_way(session, user.id).confirmed_at = clock.now()
    device = Telephone(app, estate)
    device.ask()
    assert "/second-factor" in device.answer(code_in(outgoing)).headers["Location"], "the code is no way round it"
    assert device._send("GET", f"/r/{estate.code}").status_code == 303
    with place.database.session() as session:
        add_member(session, place.plugins.registry, make_estate().info, user, ["core.manager"])
    assert sign_in() != user.id


def test_who_was_shut_out_stays_out(app, estate, resident, outgoing, clock):
    resident()
    first = Telephone(app, estate)
    first.ask()
    first.answer(code_in(outgoing))
    with estate.place.database.session(estate.info.id) as session:
        row = session.scalars(select(Membership).where(Membership.estate_id == estate.info.id)).one()
        session.get_one(User, row.user_id).active = False
    again = Telephone(app, estate)
    again.ask()
    refused = again.answer(code_in(outgoing))
    assert refused.status_code == 403 and "Your access was closed" in refused.text


def test_moving_out_or_another_number_ends_the_session(app, estate, resident, outgoing, clock):
    person = resident()
    job = estate.place.plugins.registry.jobs["core.sign_out_who_left"]

    def signed_in():
        device = Telephone(app, estate)
        device.ask()
        assert device.answer(code_in(outgoing)).status_code == 303
        return device

    def inside(device):
        return device.http.get(f"/r/{estate.code}").status_code == 200

    device = signed_in()
    with estate.context() as ctx:
        job(ctx)
    assert inside(device)
    manager = estate.login("core.manager")
    manager.edit("people", manager.get("people", person), phone="13900009999")
    assert not inside(device)
    manager.edit("people", manager.get("people", person), phone=NUMBER)
    device = signed_in()
    home = manager.list("occupancies", f"filter[person]={person}")[0]
    manager.edit("occupancies", manager.get("occupancies", home["id"]), until="2026-11-22")
    assert inside(device)
    with estate.context() as ctx:
        job(ctx)
    assert not inside(device)


def test_without_a_sender_it_is_not_offered_and_the_page_says_what_to_do(app, estate, clock, monkeypatch):
    place = estate.place
    monkeypatch.setattr(place, "settings", dataclasses.replace(place.settings, demo=False))
    device = Telephone(app, estate)
    page = device.get()
    assert page.status_code == 200
    assert "not set up here" in page.text and 'name="phone"' not in page.text
    assert f"/sign-in?next=/r/{estate.code}" in page.text
    assert "not set up here" in device.ask().text
    assert "/sign-in/telephone" not in HttpClient(app).get("/sign-in").text
    with estate.context() as ctx:
        assert ctx.session.scalar(select(func.count()).select_from(SignInCode)) == 0


def test_a_sender_that_is_disabled_here_sends_nothing(app, make_estate, outgoing, monkeypatch):
    estate = make_estate(("customer_service",))
    place = estate.place
    monkeypatch.setattr(place, "settings", dataclasses.replace(place.settings, demo=False))
    assert "not set up here" in Telephone(app, estate).get().text


@pytest.mark.parametrize("demo", [True, False])
def test_a_code_stands_in_the_log_of_a_demo_alone(app, estate, resident, clock, monkeypatch, demo):
    resident()
    place, sent = estate.place, []
    monkeypatch.setattr(place, "settings", dataclasses.replace(place.settings, demo=demo))
    monkeypatch.setattr(place.plugins.bus, "strict", False)  # as in production

    def refuse(phone, text):
        sent.append(text)
        if not demo:
            raise ConnectionError(f"the gateway does not take: {text}")

    monkeypatch.setitem(place.plugins.bus._plans, "send_code", (("maintenance", refuse, ("phone", "text")),))
    with capture_logs() as logs:
        Telephone(app, estate).ask()
        errands_done(place)
    code = re.search(r"\d{6}", sent[0])[0]
    assert (code in repr(logs)) is demo
    assert NUMBER not in repr(logs)
    if not demo:
        assert {"hook failed", "no plugin sent the code"} <= {line["event"] for line in logs}
        assert "ConnectionError" in repr(logs)


def test_a_page_that_is_not_open_leads_to_the_sign_in_and_back(phone, resident, outgoing, estate):
    resident()
    wanted = f"/r/{estate.code}/report"
    away = phone._send("GET", wanted)
    assert (away.status_code, away.headers["Location"]) == (303, f"{phone.base}?next=%2Fr%2F{estate.code}%2Freport")
    asked = phone.ask(next=wanted)
    assert asked.headers["Location"] == f"{phone.base}/code?next=%2Fr%2F{estate.code}%2Freport"
    assert phone.answer(code_in(outgoing), next=wanted).headers["Location"] == wanted


@pytest.mark.parametrize(
    "address", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_nobody_is_sent_elsewhere(phone, resident, outgoing, estate, address):
    resident()
    assert "evil" not in phone.ask(next=address).headers["Location"]
    assert phone.answer(code_in(outgoing), next=address).headers["Location"] == f"/r/{estate.code}"


def test_another_site_can_neither_ask_nor_answer(phone, resident, outgoing):
    resident()
    foreign = {"Origin": "https://evil.example"}
    assert phone._send("POST", phone.base, {"phone": NUMBER}, **foreign).status_code == 403
    phone.ask()
    code = code_in(outgoing)
    assert phone._send("POST", f"{phone.base}/code", {"code": code}, **foreign).status_code == 403
    assert phone.answer(code).status_code == 303


def test_an_estate_that_is_unknown_or_suspended_has_no_sign_in(app, estate, phone):
    assert HttpClient(app).get("/r/nowhere/sign-in").status_code == 404
    with estate.place.database.session() as session:
        session.get_one(Estate, estate.info.id).state = "suspended"
    assert phone.get().status_code == 404


def test_the_general_sign_in_leads_to_the_estates_own(app, estate):
    http = HttpClient(app)
    code = estate.code
    assert "/sign-in/telephone" in http.get("/sign-in").text
    named = http.get(f"/sign-in/telephone?estate={code.upper()}")
    assert (named.status_code, named.headers["Location"]) == (303, f"/r/{code}/sign-in")
    back = http.get(f"/sign-in/telephone?next=/r/{code}/report")
    assert back.headers["Location"] == f"/r/{code}/sign-in?next=%2Fr%2F{code}%2Freport"
    unknown = http.get("/sign-in/telephone?estate=nowhere", headers={"Accept-Language": "en"})
    assert unknown.status_code == 404 and "There is no estate" in unknown.text


def test_signing_out_leads_back_to_where_one_signs_in(phone, resident, outgoing, estate):
    resident()
    phone.ask()
    phone.answer(code_in(outgoing))
    token = re.search(r'name="_token" value="([^"]+)"', phone._send("GET", f"/r/{estate.code}").text)[1]
    out = phone._send("POST", "/sign-out", {FIELD: token, "next": f"{phone.base}"})
    assert out.headers["Location"] == phone.base


def test_codes_are_random_digits(estate, clock):
    place = estate.place
    made = set()
    with place.database.session(estate.info.id) as session:
        for number in range(40):
            asked = codes.ask(
                session, place.database.secret, clock, phone=f"1370000{number:04d}", origin=next(_addresses)
            )
            assert re.fullmatch(r"\d{6}", asked.code)
            made.add(asked.code)
    assert len(made) > 35


def test_old_codes_are_forgotten(estate, clock):
    place = estate.place
    with place.database.session(estate.info.id) as session:
        codes.ask(session, place.database.secret, clock, phone=NUMBER, origin=next(_addresses))
    clock.forward(timedelta(minutes=11))
    with place.database.session(estate.info.id) as session:
        codes.ask(session, place.database.secret, clock, phone=NUMBER, origin=next(_addresses))
        assert session.scalar(select(func.count()).select_from(SignInCode)) == 1


def test_a_limit_is_a_problem_with_its_waiting_time(estate, clock):
    place, address = estate.place, next(_addresses)
    with place.database.session(estate.info.id) as session:
        for _time in range(3):
            codes.ask(session, place.database.secret, clock, phone=NUMBER, origin=address)
            clock.forward(timedelta(minutes=1))
        with pytest.raises(Problem) as raised:
            codes.ask(session, place.database.secret, clock, phone=NUMBER, origin=address)
    assert raised.value.as_dict()["retry_after"] == 7 * 60


def test_a_session_begun_by_a_code_is_listed_and_can_be_ended(phone, resident, outgoing, estate):
    resident()
    phone.ask()
    phone.answer(code_in(outgoing))
    with estate.place.database.session(estate.info.id) as session:
        row = session.scalars(select(Membership).where(Membership.estate_id == estate.info.id)).one()
        assert len(sessions.active(session, estate.place.clock, row.user_id)) == 1
        sessions.end_all(session, estate.place.clock, row.user_id)
    assert phone._send("GET", f"/r/{estate.code}").status_code == 303

"""A client that is slow, silent or greedy costs a socket, never a thread; and no estate takes the places of the others."""

import asyncio
import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from wuye.serving.bridge import line_of
from wuye.serving.turns import Crowded, Turns
from wuye.testing import DEADLINE

HEAD = "POST /api/v1/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\n"

#: What ill-behaved clients send, before they fall silent.
SILENCES = [
    b"",
    b"GET /healthz HTTP/1.1\r\nHost: 127",
    f"{HEAD}Content-Length: 100\r\n\r\n{{".encode(),
    f"{HEAD}Content-Length: 100\r\nExpect: 100-continue\r\n\r\n".encode(),
    f"{HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n".encode(),
    b"POST /csp-report HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\n{",
]


def played(story):
    """Run a coroutine on an event loop of its own; a browser's driver may keep this thread's."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, story()).result()


def connected(port, sent):
    client = socket.create_connection(("127.0.0.1", port), DEADLINE)
    client.sendall(sent)
    return client


def answer(client):
    """Whatever comes until the server closes, or has said all."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
        if b"\r\n\r\n" in part and parts[0][9:12] in (b"408", b"413"):
            break
    return b"".join(parts)


def test_clients_that_never_finish_stop_nobody_and_are_sent_away(group):
    group.start()
    clients = [connected(group.port, sent) for sent in SILENCES * 8]
    try:
        assert group.ask("/healthz")[0] == 200
        assert b"<form" in group.ask("/sign-in", Accept="text/html")[1]
        said = [answer(client) for client in clients[2::6]]
        assert all(text.startswith(b"HTTP/1.1 408") for text in said), said
        problem = json.loads(said[0].partition(b"\r\n\r\n")[2])
        assert problem["type"] == "urn:wuye:problem:slow" and "did not arrive in time" in problem["detail"]
        assert group.ask("/healthz")[0] == 200
    finally:
        for client in clients:
            client.close()


def test_what_is_too_large_is_refused_and_not_kept(group):
    group.start()
    with connected(group.port, f"{HEAD}Content-Length: 900000000\r\n\r\n".encode()) as client:
        assert answer(client).startswith(b"HTTP/1.1 413")
    assert group.ask("/api/v1/tokens", "x" * (9 << 20))[0] == 413, "who sends all of it hears why it is refused"


def test_bodies_arrive_whole_however_they_are_sent(group):
    group.start()
    wrong = json.dumps({"email": "nobody@example.com", "password": "not a password", "estate": "x"}).encode()
    whole = http.client.HTTPConnection("127.0.0.1", group.port, timeout=DEADLINE)
    for body, chunked in ((wrong, False), (iter([wrong[:5], wrong[5:]]), True)):
        whole.request("POST", "/api/v1/tokens", body, {"Content-Type": "application/json"}, encode_chunked=chunked)
        response = whole.getresponse()
        assert response.status == 401 and b"nobody@" not in response.read()
    whole.request("HEAD", "/sign-in")
    response = whole.getresponse()
    assert response.read() == b"" and response.headers["content-type"].startswith("text/html")
    whole.request("GET", "/healthz", headers={"X_Forwarded_For": "1.2.3.4"})
    assert whole.getresponse().read() == b'{"status":"ok"}'
    whole.close()


@pytest.mark.parametrize(
    ("path", "line"),
    [("/e/garden", "garden"), ("/f/garden/jobs/1", "garden"), ("/r/garden", "garden"),
     ("/api/v1/estates/garden/people", "garden"), ("/api/v1/tokens", "/"), ("/", "/"), ("/e", "/"),
     ("/healthz", "/healthz"), ("/static/1/wuye.css", "/static")],
)  # fmt: skip
def test_an_address_tells_its_line(path, line):
    assert line_of(path) == line


def test_estates_take_turns_and_none_takes_all_places():
    """One estate asks a hundred times, another three times: the three are not behind the hundred."""

    async def story():
        turns, order, running = Turns(3, 1, 100), [], []

        async def request(estate):
            began = await turns.take(estate)
            running.append(estate)
            assert len(running) <= 3
            await asyncio.sleep(0)
            running.remove(estate)
            order.append(estate)
            turns.give_back(estate, began)

        noisy = [asyncio.create_task(request("noisy")) for _number in range(100)]
        await asyncio.sleep(0)
        quiet = [asyncio.create_task(request("quiet")) for _number in range(3)]
        await asyncio.gather(*noisy, *quiet)
        return order

    order = played(story)
    assert len(order) == 103
    assert max(place for place, estate in enumerate(order) if estate == "quiet") < 12


def test_an_estate_has_few_places_while_others_ask_and_all_but_one_else():
    async def story():
        turns = Turns(4, 1, 10)
        alone = [asyncio.create_task(turns.take("a")) for _number in range(4)]
        await asyncio.sleep(0)
        assert [task.done() for task in alone] == [True, True, True, False]
        await turns.take("b")
        for task in alone[:3]:
            turns.give_back("a", await task)
            more = asyncio.create_task(turns.take("b"))
        await alone[3]
        assert not more.done(), "b has its share already"

    played(story)


def test_a_full_line_turns_away_and_one_who_leaves_makes_room():
    async def story():
        turns = Turns(1, 1, 2)
        await turns.take("a")
        waiting = [asyncio.create_task(turns.take("a")) for _number in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Crowded):
            await turns.take("a")
        waiting[0].cancel()
        turns.give_back("a", 0.0)
        began = await waiting[1]
        turns.give_back("a", began)
        await turns.take("b")

    played(story)


def test_a_crowded_estate_is_told_to_come_again(group):
    group.start(WUYE_REQUEST_THREADS="1", WUYE_ESTATE_REQUESTS="1")
    with ThreadPoolExecutor(150) as pool:
        answers = list(pool.map(lambda _n: group.ask("/e/nobody", Accept="text/html")[0], range(600)))
    assert set(answers) <= {303, 503} and 303 in answers

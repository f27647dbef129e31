"""For tests of core and of pages: a worker, and a mail server (real SMTP; what is sent stays in the test's letterbox)."""

import asyncio
import dataclasses
import email
import email.policy
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from aiosmtpd.smtp import SMTP

from wuye.jobs.worker import run as run_worker
from wuye.testing import DEADLINE

URL = "https://wuye.example"


class Letterbox:
    """What arrives at a mail server; while it `refuses`, nothing does."""

    def __init__(self):
        self.letters = []
        self.refuses = False

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 (aiosmtpd's name)
        if self.refuses:
            return "451 try again later"
        self.letters.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"


@contextmanager
def mail_server(letterbox, *, tls=None, **options):
    """Serve a letterbox on a port of its own, in a thread; `tls` speaks TLS from the first byte."""
    port, talks = Future(), []

    def answer():
        talks.append(SMTP(letterbox, hostname="here", **options))
        return talks[-1]

    async def serve():
        server = await asyncio.get_running_loop().create_server(answer, "127.0.0.1", 0, ssl=tls)
        done = asyncio.Event()
        port.set_result((server.sockets[0].getsockname()[1], asyncio.get_running_loop(), done))
        await done.wait()
        server.close()
        for talk in talks:
            if talk.transport is not None:
                talk.transport.abort()
        while any(
            talk.transport is not None and talk._handler_coroutine and not talk._handler_coroutine.done()
            for talk in talks
        ):
            await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    number, loop, done = port.result(DEADLINE)
    try:
        yield number
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()


@pytest.fixture
def letterbox():
    return Letterbox()


@pytest.fixture
def posted(installation, monkeypatch, letterbox):
    """The installation with a mail server."""
    with mail_server(letterbox) as port:
        settings = dataclasses.replace(
            installation.settings, smtp_host="127.0.0.1", smtp_port=port, smtp_security="none",
            smtp_from="office@wuye.example", public_url=URL,
        )  # fmt: skip
        monkeypatch.setattr(installation, "settings", settings)
        yield installation
        sent_off(installation)


def sent_off(installation):
    """Wait until what requests have started is done."""
    if (errands := installation.__dict__.pop("errands", None)) is not None:
        errands.shutdown(wait=True)


@pytest.fixture
def work_off(installation):
    """A function that does all that is queued; in a thread, since the browser's driver keeps this one's event loop."""

    def work():
        with ThreadPoolExecutor(1) as pool:
            pool.submit(run_worker, installation, once=True, signals=False).result()

    return work

"""How a request's transaction ends: what is read is committed, so that prepared statements stay; what is refused writes nothing."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from wuye.db.session import EstateSession
from wuye.people.models import Person
from wuye.web.database import request_session


@pytest.fixture
def ended(monkeypatch):
    """What the sessions of requests are told at the end of their transactions."""
    told = []
    for name in ("end_reading", "end_refused"):
        real = getattr(EstateSession, name)
        monkeypatch.setattr(EstateSession, name, lambda self, real=real, name=name: (told.append(name), real(self))[1])
    return told


def test_what_is_not_there_costs_no_rollback(estate, login, ended):
    client = login("core.manager")
    url = client.url("people", uuid4())
    client.send("GET", url)
    ended.clear()
    assert client.send("GET", url).status_code == 404
    assert ended == ["end_refused", "end_reading"], "it was committed: the database has noted no change"


def test_a_reading_request_that_wrote_and_is_refused_writes_nothing(estate, login, app, monkeypatch, ended):
    client = login("core.manager")

    def writing(*_arguments, **_options):
        from wuye.errors import NotFound

        session = request_session()
        session.add(Person(name="never", created_at=estate.place.clock.now(), updated_at=estate.place.clock.now()))
        session.flush()
        raise NotFound

    monkeypatch.setattr("wuye.resources.service.read", writing)
    ended.clear()
    assert client.send("GET", client.url("people", uuid4())).status_code == 404
    assert ended == ["end_refused"]
    with estate.context() as ctx:
        assert ctx.session.query(Person).filter_by(name="never").count() == 0


def test_a_statement_that_fails_is_rolled_back(estate, login, monkeypatch, ended):
    client = login("core.manager")

    def failing(*_arguments, **_options):
        from wuye.errors import NotFound

        try:
            request_session().execute(text("SELECT 1/0"))
        except Exception as error:
            raise NotFound from error

    monkeypatch.setattr("wuye.resources.service.read", failing)
    ended.clear()
    assert client.send("GET", client.url("people", uuid4())).status_code == 404
    assert ended == ["end_refused"]
    assert client.send("GET", client.url("people")).status_code == 200, "the connection is as good as new"

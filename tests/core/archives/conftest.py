"""Further installations on the tests' own PostgreSQL: each a data folder and a database of its own, with one secret."""

import io
from contextlib import contextmanager
from uuid import uuid4

import pytest
from PIL import Image
from sqlalchemy import NullPool, create_engine, make_url, text

from wuye.archives.backup import back_up
from wuye.config import Settings
from wuye.installation import Installation
from wuye.testing.estate import TestEstate
from wuye.web.app import create_app


@pytest.fixture(scope="session")
def make_place(installation, tmp_path_factory):
    """A function that returns an installation of which nothing is there yet."""
    made = []

    def make(**settings):
        url = make_url(installation.local.superuser_url(f"other_{uuid4().hex}")).set(drivername="postgresql+psycopg")
        data = tmp_path_factory.mktemp("other") / "data"
        place = Installation(Settings(data=data, database_url=url, strict=True, demo=True, **settings))
        made.append(place)
        return place

    yield make
    for place in made:
        place.close()
        with door(place) as connection:
            for rest in databases(place):
                connection.execute(text(f'DROP DATABASE "{place.settings.database_url.database}{rest}"'))


@pytest.fixture
def another(make_place, installation):
    """The same, with the secret that the roles of the tests' server have; as if a backup had it brought."""
    return make_place


@contextmanager
def door(place):
    engine = create_engine(place.superuser, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def databases(place):
    """Return what follows an installation's name in the names of its databases: "" is its own."""
    name = place.settings.database_url.database
    with door(place) as connection:
        found = connection.scalars(
            text("SELECT datname FROM pg_database WHERE datname LIKE :name"), {"name": f"{name}%"}
        )
        return sorted(each.removeprefix(name) for each in found)


def photo(colour):
    """Return a small photo, another for each colour."""
    image = io.BytesIO()
    Image.new("RGB", (400, 300), colour).save(image, "JPEG")
    return image.getvalue()


def adopt(place, other):
    """Give an installation of which nothing is there yet another's secret."""
    place.settings.data.mkdir(parents=True)
    (place.settings.data / "secret").write_bytes(other.settings.secret())
    (place.settings.data / "secret").chmod(0o600)


class LivedIn:
    """An installation with one estate, in which an agent has made a request with a photo."""

    def __init__(self, place):
        self.place = place
        self.estate = TestEstate(place, create_app(place))
        self.agent = self.estate.login("customer_service.agent")
        self.request = self.report("电梯有异响", "red")

    def report(self, title, colour):
        """Report something with a photo, and return the request."""
        made = self.agent.create("requests", title=title, request_kind="repair")
        assert self.agent.upload(self.agent.url("requests", made["id"], "files"), photo(colour)).status_code == 201
        return made


@pytest.fixture(scope="session")
def lived_in(make_place, installation):
    """An installation that is worked in; tests may add to it."""
    place = make_place()
    adopt(place, installation)
    place.upgrade()
    return LivedIn(place)


@pytest.fixture
def backup(lived_in, tmp_path):
    """A fresh backup of it."""
    back_up(lived_in.place, tmp_path / "backup")
    return tmp_path / "backup"

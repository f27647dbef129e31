"""The pytest plugin: one real database for the whole run, a fresh estate for every test.

Heavy imports happen in the fixtures, so that a test run that needs none of this does not pay for it.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask import Flask

    from wuye.installation import Installation
    from wuye.testing.client import Client
    from wuye.testing.estate import TestEstate

#: A test's database is thrown away: what protects it against a power cut only costs time.
_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@pytest.fixture(scope="session")
def installation() -> "Iterator[Installation]":
    """An installation with its own embedded PostgreSQL and all plugins, strict about every mistake."""
    import structlog

    from wuye.config import Settings
    from wuye.db.local import LocalPostgres
    from wuye.installation import Installation
    from wuye.testing.waiting import DEADLINE

    # Without colours and local variables: to draw those of a request takes longer than a test may.
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, plain])
    with tempfile.TemporaryDirectory(prefix="wuye-test-", ignore_cleanup_errors=True) as folder:
        place = Installation(Settings(data=Path(folder), strict=True, demo=True))
        server = LocalPostgres(Path(folder) / "postgres", settings=_SETTINGS, timeout=DEADLINE)
        place.__dict__["local"] = server  # in place of the one that is careful
        try:
            place.upgrade()
            yield place
        finally:
            place.close()
            server.remove()


@pytest.fixture(scope="session")
def app(installation: "Installation") -> "Flask":
    """The web application of the installation."""
    from wuye.web.app import create_app

    return create_app(installation)


@pytest.fixture
def make_estate(installation: "Installation", app: "Flask") -> "Callable[..., TestEstate]":
    """A function that makes estates: with all plugins, or with the ones that it is given."""
    from wuye.testing.estate import TestEstate

    def make(plugins: tuple[str, ...] | None = None) -> "TestEstate":
        return TestEstate(installation, app, plugins)

    return make


@pytest.fixture
def estate(make_estate: "Callable[..., TestEstate]") -> "TestEstate":
    """A fresh estate with all plugins enabled."""
    return make_estate()


@pytest.fixture
def login(estate: "TestEstate") -> "Callable[..., Client]":
    """A function that signs somebody in with roles: `login("maintenance.technician")`."""
    return estate.login

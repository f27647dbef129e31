"""An installation that is served by processes of its own, which the tests kill."""

import pytest

from wuye.db.local import LocalPostgres
from wuye.testing.serving import Group, furnished


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("group") / "data"
    try:
        with furnished(folder) as place:
            place.local.stop()
        yield folder
    finally:
        LocalPostgres(folder / "postgres").remove()


@pytest.fixture
def group(data):
    """A group that is not started yet; whatever is left of it is ended."""
    group = Group(data)
    try:
        yield group
    finally:
        group.put_down()

"""The generated reference says what the code declares."""

from pathlib import Path

import pytest

from wuye.reference import DOCUMENTS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_reference_is_what_the_code_declares(name):
    assert (REFERENCE / name).read_text("utf-8") == DOCUMENTS[name](), "run python -m wuye.reference"


def test_nothing_else_is_in_its_folder():
    assert {path.name for path in REFERENCE.iterdir()} == set(DOCUMENTS)

"""The tests wait for states, never for time: what they may not do, looked for in their sources."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("tests", "core/wuye/testing", "plugins")

#: Where something of it is right, by file and what is found there; each with its reason.
EXCEPTIONS = {
    ("core/wuye/testing/waiting.py", "sleep"): "the one place that waits, for all others",
    ("core/wuye/testing/waiting.py", "monotonic"): "it ends what would wait for ever",
    ("tests/conftest.py", "sleep"): "it lets others of the loop go on, for no time at all",
    ("tests/core/serving/test_bridge.py", "sleep"): "the same",
    ("tests/core/test_local_postgres.py", "monotonic"): "a failure is to be told before the deadline, not by it",
}

#: Calls that wait for a time, or measure one that depends on what else the machine does.
REFUSED = {"sleep", "wait_for_timeout", "monotonic", "perf_counter"}

#: Calls whose first argument may be the longest time to wait.
WAITING = {"wait", "join", "result", "get", "notifies"}


def number(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)


def impatience(source):
    """Yield (what, line) of everything in a source that waits for a time instead of a state."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in REFUSED:
            yield name, node.lineno
        if name in WAITING and len(node.args) == 1 and number(node.args[0]):
            yield name, node.lineno
        for given in (*node.args, *(keyword.value for keyword in node.keywords)):
            if isinstance(given, ast.Constant) and given.value == "networkidle":
                yield "networkidle", given.lineno
        for keyword in node.keywords:
            if keyword.arg == "timeout" and number(keyword.value):
                yield "timeout", keyword.value.lineno


def sources():
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if folder != "plugins" or "tests" in path.parts:
                yield path


def test_nothing_waits_for_time_but_what_is_named():
    found = {}
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        for what, line in impatience(path.read_text("utf-8")):
            found.setdefault((name, what), f"{name}:{line}")
    assert [where for key, where in found.items() if key not in EXCEPTIONS] == [], (
        "wait for a state: wuye.testing.until"
    )
    assert set(EXCEPTIONS) <= set(found), "an exception that is not needed any more"


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("time.sleep(1)", "sleep"),
        ("from time import sleep\nsleep(1)", "sleep"),
        ("page.wait_for_timeout(100)", "wait_for_timeout"),
        ("page.goto('/', wait_until='networkidle')", "networkidle"),
        ("expect(page).to_have_url('/', timeout=5_000)", "timeout"),
        ("worker.wait(30)", "wait"),
        ("sent.get(timeout=10)", "timeout"),
        ("begin = time.perf_counter()", "perf_counter"),
        ("until(lambda: path.exists())", None),
        ("worker.wait(DEADLINE)", None),
        ("values.get(1, 2)", None),
    ],
)
def test_impatience_is_found(source, what):
    assert [found for found, _line in impatience(source)] == ([what] if what else [])

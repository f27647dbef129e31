"""Long work holds nobody up: eight exports of a large list at once, and what a list takes meanwhile.

    python drills/exports.py --rows 100000

Fills an estate, asks for eight XLSX files, and measures a page of 50 until the worker has made them. Prints the p95 alone and
meanwhile; exits with 1 if it is more than twice as long, or an export fails.
"""

import argparse
import http.client
import shutil
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import select

from wuye.db.local import LocalPostgres
from wuye.identity.models import Membership
from wuye.installation import Installation
from wuye.tasks import exporting
from wuye.tasks import services as tasks
from wuye.tasks.models import Task
from wuye.testing.serving import Group, furnished

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

EXPORTS, SAMPLES, RATIO = 8, 400, 2.0
LIST = "/api/v1/estates/one/maintenance/work-orders?limit=50"
COLUMNS = ("number", "title", "state", "priority", "place", "assignee", "opened_at", "due_at")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--rows", type=int, default=100_000)
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="wuye-drill-"))
    folder.chmod(0o755)  # PostgreSQL's own account, where root runs this, goes in
    data = folder / "data"
    try:
        with furnished(data) as place:
            fill(place, chosen.rows)
            group = Group(data)
            group.start()
            try:
                return drill(place, group)
            finally:
                group.end()
                group.put_down()
    finally:
        LocalPostgres(data / "postgres").remove()
        shutil.rmtree(folder, ignore_errors=True)


def fill(place: Installation, rows: int) -> None:
    import generate

    with place.system_context("one") as ctx:
        info = ctx.estate
    generate.fill(place, [info], rows)


def drill(place: Installation, group: Group) -> int:
    asked(group, place.token, 50)
    alone = asked(group, place.token, SAMPLES)
    began = time.monotonic()
    ask_for_exports(place)
    meanwhile, states = [], []
    while not states or any(state in ("waiting", "working") for state in states):
        meanwhile += asked(group, place.token, 20)
        with place.system_context("one") as ctx:
            states = list(ctx.session.scalars(select(Task.state)))
    ratio = p95(meanwhile) / p95(alone)
    print(f"{EXPORTS} exports: {time.monotonic() - began:.0f} s, {states.count('done')} done")
    print(
        f"a list of 50, p95: {1000 * p95(alone):.1f} ms alone, {1000 * p95(meanwhile):.1f} ms meanwhile: {ratio:.2f} times"
    )
    return int(ratio > RATIO or states.count("done") != EXPORTS)


def ask_for_exports(place: Installation) -> None:
    """Ask for them as eight people would; more than five of one person are refused."""
    with place.system_context("one") as ctx:
        user = ctx.session.scalars(select(Membership.user_id)).first()
        wanted = {"resource": "maintenance.work-orders", "arguments": {}, "columns": list(COLUMNS), "suffix": "xlsx"}
        for _number in range(EXPORTS):
            task = tasks.ask(ctx, exporting.KIND, wanted)
            task.user_id = user


def asked(group: Group, token: str, count: int) -> list[float]:
    taken = []
    connection = http.client.HTTPConnection("127.0.0.1", group.port)
    for _number in range(count):
        began = time.perf_counter()
        connection.request("GET", LIST, headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        response.read()
        taken.append(time.perf_counter() - began)
        assert response.status == 200, f"the list was answered {response.status}"
    connection.close()
    return taken


def p95(taken: list[float]) -> float:
    return sorted(taken)[int(0.95 * len(taken))]


if __name__ == "__main__":
    sys.exit(main())

"""Nothing stops and nothing is lost: processes are killed while eight clients write, and each comes back by itself.

    python drills/kill.py --n 12

Kills a server process, the worker or PostgreSQL, one after the other, and waits until a write succeeds again. Each client
repeats what was not answered under the same Idempotency-Key, and keeps a ledger of what was acknowledged. Prints how long
serving took to come back, and what is missing or there twice; exits with 1 if anything is, or if it took longer than was promised.
"""

import argparse
import http.client
import json
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from uuid import uuid4

from sqlalchemy import select

from wuye.db.local import LocalPostgres
from wuye.people.models import Person
from wuye.testing.serving import Group, furnished, is_running
from wuye.testing.waiting import seconds_until

CLIENTS = 8
VICTIMS = ("server 1", "worker", "postgres")
PEOPLE = "/api/v1/estates/one/people"


class Writers:
    """Clients that make people without end; `acknowledged` are the names that the server has confirmed."""

    def __init__(self, group: Group, token: str) -> None:
        self.acknowledged: list[str] = []
        self.at = 0.0
        self._group, self._token = group, token
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._write) for _number in range(CLIENTS)]

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _write(self) -> None:
        name, began = uuid4().hex, time.monotonic()
        while not self._over.is_set():
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json",
                       "Idempotency-Key": name}  # fmt: skip
            try:
                status, _body = self._group.ask(PEOPLE, {"name": name}, **headers)
            except (OSError, http.client.HTTPException):
                continue
            if status == 201:
                self.acknowledged.append(name)
                self.at = max(self.at, began)
                name, began = uuid4().hex, time.monotonic()

    def since(self, moment: float) -> bool:
        """Tell whether something that was begun after a moment has been acknowledged."""
        return self.at > moment


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--n", type=int, default=12, help="How many kills.")
    options.add_argument("--promise", type=float, default=5.0, help="Seconds in which a write has to succeed again.")
    options.add_argument("--seed", type=int, default=random.randrange(10_000))
    chosen = options.parse_args()
    print(f"seed {chosen.seed}")
    folder = Path(tempfile.mkdtemp(prefix="wuye-drill-"))
    folder.chmod(0o755)  # PostgreSQL's own account, where root runs this, goes in
    data = folder / "data"
    try:
        with furnished(data) as place:
            group = Group(data)
            group.start()
            try:
                taken, acknowledged = drill(group, place.token, chosen.n, random.Random(chosen.seed))
                place.database.dispose()  # its connections are to a server that was killed
                with place.system_context("one") as ctx:
                    found = Counter(ctx.session.scalars(select(Person.name)))
            finally:
                group.end()
                group.put_down()
    finally:
        LocalPostgres(data / "postgres").remove()
        shutil.rmtree(folder, ignore_errors=True)
    lost = [name for name in acknowledged if name not in found]
    twice = [name for name, count in found.items() if count > 1]
    for victim, seconds in taken:
        print(f"{victim}: serving again after {seconds:.1f} s")
    print(f"{len(acknowledged)} acknowledged, {len(lost)} lost, {len(twice)} there twice")
    print(
        json.dumps({"median_s": sorted(s for _v, s in taken)[len(taken) // 2], "longest_s": max(s for _v, s in taken)})
    )
    return int(bool(lost or twice) or max(seconds for _victim, seconds in taken) > chosen.promise)


def drill(group: Group, token: str, kills: int, dice: random.Random) -> tuple[list[tuple[str, float]], list[str]]:
    taken = []
    with Writers(group, token) as writers:
        for number in range(kills):
            victim = VICTIMS[number % len(VICTIMS)]
            seconds_until(lambda victim=victim: is_running(group.pid(victim)), f"a life of {victim}")
            before = time.monotonic()
            seconds_until(lambda before=before: writers.since(before), "a write")
            threading.Event().wait(dice.uniform(0.0, 1.5))
            group.kill(victim)
            killed = time.monotonic()
            seconds_until(lambda killed=killed: writers.since(killed), "a write after the kill")
            taken.append((victim, time.monotonic() - killed))
    return taken, writers.acknowledged


if __name__ == "__main__":
    sys.exit(main())

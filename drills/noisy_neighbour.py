"""One estate cannot starve another: a neighbour's list while 32 clients of another estate ask without end.

    python drills/noisy_neighbour.py --clients 32

Prints the neighbour's p95 alone, and beside the noise; exits with 1 if it is more than one and a half times as long.
"""

import argparse
import http.client
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from wuye.db.local import LocalPostgres
from wuye.estates.services import create_estate, enable, system_actor
from wuye.identity.services import add_member, create_token, create_user
from wuye.installation import Installation
from wuye.testing.serving import Group, furnished

SAMPLES = 400
RATIO = 1.5

#: The noise, in a process of its own: so the drill's own threads do not make its own clock late.
NOISE = """
import http.client, sys, threading
port, token, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
def ask():
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            while True:
                connection.request("GET", "/api/v1/estates/two/records?limit=50", headers={"Authorization": "Bearer " + token})
                connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            pass
for _number in range(count):
    threading.Thread(target=ask, daemon=True).start()
threading.Event().wait()
"""


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--clients", type=int, default=32)
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="wuye-drill-"))
    folder.chmod(0o755)  # PostgreSQL's own account, where root runs this, goes in
    data = folder / "data"
    try:
        with furnished(data) as place:
            quiet, loud = place.token, another(place)
        group = Group(data, command=("serve",))
        group.start()
        try:
            return drill(group, quiet, loud, chosen.clients)
        finally:
            group.end()
            group.put_down()
    finally:
        LocalPostgres(data / "postgres").remove()
        shutil.rmtree(folder, ignore_errors=True)


def another(place: Installation) -> str:
    """Make the estate `two`, and return a token of its manager."""
    with place.database.session() as session:
        info = create_estate(session, place.clock, code="two", name="Two", locale="en")
        ctx = place.context(session, info, system_actor(place.plugins), frozenset())
        enable(ctx, place.plugins.names)
        user = create_user(session, place.clock, email="n@test.example")
        add_member(session, place.plugins.registry, info, user, ["core.manager"])
        token = create_token(session, place.database.secret, place.clock, user, info)
        ctx.seal()
    return token


def drill(group: Group, quiet: str, loud: str, count: int) -> int:
    asked(group.port, quiet, 50)
    alone = asked(group.port, quiet, SAMPLES)
    noise = subprocess.Popen([sys.executable, "-c", NOISE, str(group.port), loud, str(count)])
    try:
        threading.Event().wait(2)
        beside = asked(group.port, quiet, SAMPLES)
    finally:
        noise.kill()
        noise.wait()
    ratio = beside[1] / alone[1]
    for name, (p50, p95) in (("alone", alone), (f"beside {count} clients of another estate", beside)):
        print(f"a list of the neighbour's, {name}: p50 {1000 * p50:.1f} ms, p95 {1000 * p95:.1f} ms")
    print(f"{ratio:.2f} times")
    return int(ratio > RATIO)


def asked(port: int, token: str, count: int) -> tuple[float, float]:
    taken = []
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for _number in range(count):
        began = time.perf_counter()
        connection.request("GET", "/api/v1/estates/one/records?limit=50", headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        response.read()
        taken.append(time.perf_counter() - began)
        assert response.status == 200, f"the neighbour was answered {response.status}"
    connection.close()
    taken.sort()
    return taken[len(taken) // 2], taken[int(0.95 * len(taken))]


if __name__ == "__main__":
    sys.exit(main())

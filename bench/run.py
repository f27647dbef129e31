"""The benchmark: `python bench/run.py --rows 100000 [--half] [--json FILE] [--data DIR]`.

With `--data` the filled database is kept in a folder, and used again by the next run with the same options.

CPU is what counts, as milliseconds a request of the server's processes and of PostgreSQL's together, read from the
operating system before and after a round of requests over loopback with one kept connection. Of five rounds the lowest
counts (the middle one is kept too), since the load of others on the machine only adds; likewise of five starts. Before
each work a yardstick is measured too, a bare transaction that inserts a row and reads it back: how many of them a request
costs hardly depends on the minute, or the machine.
Throughput and latency are given for one client and for eight.
"""

import argparse
import compileall
import contextlib
import http.client
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from generate import ESTATES, estates, fill

import wuye
from wuye.config import Settings
from wuye.db.local import LocalPostgres
from wuye.estates.services import create_estate, disable, enable, system_actor
from wuye.identity.services import add_member, create_token, create_user, find_user
from wuye.identity.sessions import begin
from wuye.ids import uuid7
from wuye.installation import Installation

PORT = 18765
USER = "bench@test.example"


def cpu(processes):
    """Seconds that processes and their children have computed, to the nanosecond (their times come in ticks of 10 ms)."""
    total = 0
    for process in processes:
        for each in [process, *process.children(recursive=True)]:
            for task in Path(f"/proc/{each.pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):  # it ended meanwhile
                    total += int(task.read_text().split()[0])
    return total / 1e9


class Client:
    def __init__(self, token):
        self.connection = http.client.HTTPConnection("127.0.0.1", PORT)
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "If-Match": "*"}

    def send(self, method, path, body=None, key=None):
        headers = {**self.headers, **({"Idempotency-Key": key} if key else {})}
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = self.connection.getresponse()
        data = response.read()
        assert response.status < 300, (response.status, data)
        return json.loads(data)

    def page(self, path, cookie):
        self.connection.request("GET", path, headers={"Cookie": f"wuye={cookie}", "Accept-Encoding": "gzip"})
        response = self.connection.getresponse()
        data = response.read()
        assert response.status == 200, (response.status, data)


#: Every work is measured this many times, with the other works in between.
ROUNDS = 5


class Yardstick:
    """A bare transaction, by nothing but the driver, to compare requests with."""

    def __init__(self, url, postmaster):
        self.postmaster = postmaster
        self.connection = psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
        self.connection.execute("CREATE TEMPORARY TABLE yardstick (id uuid PRIMARY KEY, title text NOT NULL)")
        self.connection.commit()

    def measure(self, count=500):
        """Return the CPU ms that one takes just now."""
        before = cpu([self.postmaster]) + time.process_time()
        for _number in range(count):
            identity = uuid7()
            self.connection.execute("INSERT INTO yardstick VALUES (%s, %s)", (identity, "No. 1"))
            self.connection.execute("SELECT id, title FROM yardstick WHERE id = %s", (identity,)).fetchone()
            self.connection.commit()
        return (cpu([self.postmaster]) + time.process_time() - before) / count * 1000


def measure(processes, yardstick, token, steps, count):
    """Return for each step the CPU ms a request with one client, and throughput and latency with one and with eight.

    Other machines' load comes and goes in minutes and only adds: of some rounds over all steps, the lowest CPU counts.
    """
    used, times, compared = ({name: [] for name in steps} for _kind in range(3))
    for turn in range(ROUNDS):
        for name, step in steps.items():
            client = Client(token)
            for number in range(10):
                step(client, 1000 * turn + number)
            bare = yardstick.measure()
            before = cpu(processes)
            for number in range(10, 10 + count // ROUNDS):
                begin = time.perf_counter()
                step(client, 1000 * turn + number)
                times[name].append(time.perf_counter() - begin)
            used[name].append((cpu(processes) - before) / (count // ROUNDS) * 1000)
            compared[name].append(used[name][-1] / bare)
    results = {}
    for name, step in steps.items():
        results[name] = {
            "cpu_ms": round(min(used[name]), 2),
            "cpu_ms_middle": round(statistics.median(used[name]), 2),
            "times_yardstick": round(statistics.median(compared[name]), 1),
            "rps_1": round(len(times[name]) / sum(times[name])),
            "p50_ms_1": round(statistics.median(times[name]) * 1000, 1),
            "p95_ms_1": round(sorted(times[name])[int(len(times[name]) * 0.95)] * 1000, 1),
            **crowd(token, step, count // 4),
        }
    return results


def crowd(token, step, count):
    """Return throughput and latency of a step with eight clients at once."""
    times, threads = [], []

    def work(offset):
        mine = Client(token)
        for number in range(count):
            begin = time.perf_counter()
            step(mine, 10_000_000 * (offset + 1) + number)
            times.append(time.perf_counter() - begin)

    started = time.perf_counter()
    for offset in range(8):
        threads.append(threading.Thread(target=work, args=(offset,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - started
    return {
        "rps_8": round(len(times) / wall),
        "p95_ms_8": round(sorted(times)[int(len(times) * 0.95)] * 1000, 1),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--estates", type=int, default=ESTATES)
    parser.add_argument("--half", action="store_true", help="the measured estate owns half of all rows")
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--only", default="", help="measure only what has this in its name")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, help="where to keep the filled database")
    options = parser.parse_args()
    folder = options.data or Path(tempfile.mkdtemp(prefix="wuye-bench-"))
    server = LocalPostgres(folder / "postgres")
    place = Installation(Settings(data=folder, strict=True))
    serving = None
    try:
        token = prepare(place, folder, options)
        results = {
            "rows": options.rows,
            "estates": options.estates,
            "half": options.half,
            **installation_figures(place),
        }
        environment = {**os.environ, "WUYE_DATA": str(folder)}
        compileall.compile_path(quiet=2)  # as an installed package is
        compileall.compile_dir(Path(wuye.__file__).parent, quiet=2)
        serving, results["cold_start_s"] = start_often(token, environment)
        group = psutil.Process(serving.pid)
        with place.database.engine("owner").connect() as connection:
            backend = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        postmaster = psutil.Process(backend).parent()
        answering = [group, *group.children(recursive=True)]
        results["idle_pss_mb"] = round(sum(each.memory_full_info().pss for each in answering) / 1e6, 1)
        with place.database.session() as session:
            user = find_user(session, USER)
            cookie = begin(session, place.database.secret, place.clock, user, agent="bench")
        yardstick = Yardstick(place.database.url("owner"), postmaster)
        results["yardstick_ms"] = round(min(yardstick.measure() for _number in range(ROUNDS)), 2)
        processes = [psutil.Process(serving.pid), postmaster]
        results["requests"] = requests(token, cookie, processes, yardstick, options.requests, options.only)
    finally:
        if serving is not None:
            os.killpg(serving.pid, signal.SIGKILL)
        place.close()
        server.stop()
        if not options.data:
            server.remove()
            shutil.rmtree(folder)
    text = json.dumps(results, indent=2)
    if options.json:
        options.json.write_text(text)
    print(text)


def start_often(token, environment):
    """Return the server of the last of some starts, and the lowest of the seconds that they took."""
    starts, serving = [], None
    for _number in range(ROUNDS):
        if serving is not None:
            os.killpg(serving.pid, signal.SIGKILL)
            serving.wait()
        serving, took = start(token, environment)
        starts.append(took)
    return serving, round(min(starts), 2)


def start(token, environment):
    """Start a server, and return its process and the seconds until its first answer."""
    started = time.perf_counter()
    serving = subprocess.Popen(
        [sys.executable, "-m", "wuye", "serve", "--port", str(PORT)], env=environment, start_new_session=True
    )
    while True:
        try:
            Client(token).send("GET", "/healthz")
            return serving, time.perf_counter() - started
        except OSError:
            time.sleep(0.005)


def prepare(place, folder, options):
    """Return a manager's token for the first estate of a filled database, made now or by an earlier run."""
    made = folder / "bench.json"
    shape = {"rows": options.rows, "estates": options.estates, "half": options.half}
    if made.exists():
        place.upgrade()
        known = json.loads(made.read_text())
        token = known.pop("token")
        if known != shape:
            raise SystemExit(f"{folder} was filled otherwise: {known}")
        return token
    place.upgrade()
    infos = estates(place, min(options.estates, options.rows))
    fill(place, infos, options.rows, half_in_first=options.half)
    with place.database.session() as session:
        user = create_user(session, place.clock, email=USER)
        add_member(session, place.plugins.registry, infos[0], user, ["core.manager"])
        token = create_token(session, place.database.secret, place.clock, user, infos[0])
    made.write_text(json.dumps({**shape, "token": token}))
    return token


def installation_figures(place):
    """Return what an estate and a plugin cost: milliseconds, and bytes on disk of a further empty estate."""
    database = place.database

    def size():
        with database.engine("owner").connect() as connection:
            return connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar()

    created, switched = [], []
    before = size()
    for _number in range(20):
        begin = time.perf_counter()
        with database.session() as session:
            info = create_estate(session, place.clock, code=f"new-{uuid7()}", name="New")
            ctx = place.context(session, info, system_actor(place.plugins), frozenset())
            enable(ctx, place.plugins.names)
            ctx.seal()
        created.append(time.perf_counter() - begin)
        with place.system_context(info.code) as ctx:
            disable(ctx, "maintenance")
        begin = time.perf_counter()
        with place.system_context(info.code) as ctx:
            enable(ctx, ["maintenance"])
        switched.append(time.perf_counter() - begin)
    return {
        "new_estate_ms": round(statistics.median(created) * 1000, 1),
        "enable_ms": round(statistics.median(switched) * 1000, 1),
        "empty_estate_kb": round((size() - before) / 20 / 1000, 1),
    }


def the_middle(client, orders):
    """Return the cursor of a page half way through a list."""
    ends = [client.send("GET", f"{orders}?limit=1&sort={sort}")["items"][0] for sort in ("opened_at", "-opened_at")]
    oldest, newest = (datetime.fromisoformat(item["opened_at"]) for item in ends)
    day = (oldest + (newest - oldest) / 2).date()
    return client.send("GET", f"{orders}?limit=5&filter[opened_at]=..{day}")["after"]


def requests(token, cookie, processes, yardstick, count, only):
    base = "/api/v1/estates/bench-0"
    orders = f"{base}/maintenance/work-orders"
    client = Client(token)
    first = client.send("GET", f"{orders}?limit=50")["items"]
    middle = the_middle(client, orders)
    made = [
        client.send("POST", orders, {"title": "To submit", "order_type": "corrective"})["id"]
        for _n in range(10 * ROUNDS + count + 8 * (count // 4))
    ]
    pool = iter(made)
    run = uuid7()
    lock = threading.Lock()

    def submit(client, _number):
        with lock:
            identity = next(pool)
        client.send("POST", f"{orders}/{identity}/actions/submit", {})

    steps = {
        "list of 50, first page": lambda c, _n: c.send("GET", f"{orders}?limit=50"),
        "list of 50, by state": lambda c, _n: c.send("GET", f"{orders}?limit=50&filter[state]=verified"),
        "list of 50, far page": lambda c, _n: c.send("GET", f"{orders}?limit=50&after={middle}" if middle else orders),
        "all departments": lambda c, _n: c.send("GET", f"{base}/records?limit=50"),
        "search for a number": lambda c, _n: c.send("GET", f"{orders}?limit=50&q={first[0]['number']}"),
        "search for a word, 1 in 6": lambda c, _n: c.send("GET", f"{orders}?limit=50&q={quote('水龙头')}"),
        "search for nothing there": lambda c, _n: c.send("GET", f"{orders}?limit=50&q={quote('水异响')}"),
        "detail": lambda c, _n: c.send("GET", f"{orders}/{first[0]['id']}"),
        "page: list of 50": lambda c, _n: c.page("/e/bench-0/maintenance/work-orders", cookie),
        "page: detail beside its list": lambda c, _n: c.page(
            f"/e/bench-0/maintenance/work-orders/{first[0]['id']}", cookie
        ),
        "create": lambda c, n: c.send(
            "POST", orders, {"title": f"No. {n}", "order_type": "corrective"}, key=f"{run}-{n}"
        ),
        "state change": submit,
    }
    return measure(processes, yardstick, token, {name: step for name, step in steps.items() if only in name}, count)


if __name__ == "__main__":
    main()

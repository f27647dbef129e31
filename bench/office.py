"""Every page, as everybody who may see it, in a large estate: `python bench/office.py [--data DIR] [--only TEXT] [--json FILE]`.

It makes the estate of `bench/community.py` (with `--data` once), asks one server process for every address of
`bench/addresses.py` as each role, and tells the CPU milliseconds of the server's processes and PostgreSQL's together: of some
rounds the lowest, since others' load only adds. It ends with an error if a route that answers GET was shown to nobody, so
that no page can hide.
"""

import argparse
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import community
import psutil
from addresses import World, addresses
from sqlalchemy import select

from wuye.config import Settings
from wuye.context import Actor
from wuye.db.local import LocalPostgres
from wuye.files import services as files
from wuye.identity.invitations import invite
from wuye.identity.models import User
from wuye.identity.password_links import issue
from wuye.identity.services import add_member, create_user, find_user
from wuye.identity.sessions import begin
from wuye.ids import uuid7
from wuye.imports import runs
from wuye.installation import Installation
from wuye.pages.assets import assets
from wuye.pages.portal import code_of
from wuye.resources import query, service
from wuye.tasks import services as tasks
from wuye.tasks.models import Task
from wuye.web.app import create_app

PORT = int(os.environ.get("BENCH_PORT", "18767"))

#: Who looks: roles, and the department of the person behind (a resident has a home instead).
ROLES = {
    "manager": (("core.manager",), "office"),
    "agent": (("core.agent", "customer_service.agent"), "customer_service"),
    "technician": (("core.staff", "maintenance.technician"), "maintenance"),
    "guard": (("core.staff",), "security"),
    "auditor": (("core.auditor",), "environment"),
    "resident": (("core.resident",), None),
}

#: CPU ms that a page may take, and those that count history.
TARGET, TARGET_OF_HISTORY = 10, 20
OF_HISTORY = ("pages.overview", "view=chart", "view=pivot")

#: It tells that there is no worker, which the benchmark does without.
READY = "/readyz"

#: Besides, somebody who runs all estates, whoever looks after the installation, and who is nobody.
CHAIN, HOST, NOBODY = "manager of all", "host", "nobody"
ONLY_OF_CHAIN = ("pages.overview", "pages.estates", "pages.home", "api.estates", "pages.desk")


class Meter:
    """The CPU that some processes and all that they started have used, to the nanosecond."""

    def __init__(self, *roots):
        self.roots = roots

    def read(self):
        """Return milliseconds."""
        return sum(self._of(root) for root in self.roots) / 1e6

    def _of(self, process):
        """Return the nanoseconds of a process and of those that it started."""
        total = 0
        for task in Path(f"/proc/{process}/task").glob("*"):
            try:
                total += int((task / "schedstat").read_text().split()[0])
                total += sum(self._of(child) for child in (task / "children").read_text().split())
            except OSError:  # it ended meanwhile
                continue
        return total


class Client:
    """A browser with a session."""

    def __init__(self, cookie):
        self.connection = http.client.HTTPConnection("127.0.0.1", PORT)
        self.headers = {
            "Accept-Encoding": "gzip",
            "Accept-Language": "zh-CN",
            **({"Cookie": f"wuye={cookie}"} if cookie else {}),
        }

    def get(self, address):
        """Return the status of an answer, which is read to its end."""
        try:
            self.connection.request("GET", address, headers=self.headers)
            response = self.connection.getresponse()
        except http.client.RemoteDisconnected:  # the server closes connections that have been idle
            self.connection.close()
            self.connection.request("GET", address, headers=self.headers)
            response = self.connection.getresponse()
        response.read()
        return response.status


def cost(meter, client, address):
    """Return the CPU ms of an address, the lowest of three rounds; None if it is not shown to this client."""
    started = time.perf_counter()
    if client.get(address) >= 400 and address != READY:
        return None
    client.get(address)
    times = 1 if time.perf_counter() - started > 0.3 else 3
    found = []
    for _round in range(3):
        before = meter.read()
        for _number in range(times):
            client.get(address)
        time.sleep(0.002)  # what a server does after its answer is part of it
        found.append((meter.read() - before) / times)
    return round(min(found), 1)


def measure(world, urls, rules, meter, cookies, only):
    """Return endpoint → address → who → CPU ms."""
    clients = {name: Client(cookie) for name, cookie in cookies.items()}
    results = {}
    for rule in rules:
        for address in addresses(world, urls, rule):
            if only not in f"{rule.endpoint} {address}":
                continue
            for name, client in clients.items():
                if name == CHAIN and rule.endpoint not in ONLY_OF_CHAIN:
                    continue
                if (spent := cost(meter, client, address)) is not None:
                    results.setdefault(rule.endpoint, {}).setdefault(address, {})[name] = spent
    return results


def too_dear(results):
    """Return what is above its target, the dearest first: (CPU ms, who, address)."""
    found = []
    for endpoint, each in results.items():
        for address, by_role in each.items():
            of_history = any(mark in f"{endpoint} {address}" for mark in OF_HISTORY)
            most = TARGET_OF_HISTORY if of_history else TARGET
            found += [(spent, name, address) for name, spent in by_role.items() if spent > most]
    return sorted(found, reverse=True)


def accounts(place, infos, staff, owners):
    """Give each role its user, every other member of staff one too, and return who is who."""
    registry = place.plugins.registry
    with place.database.session() as session:
        for name, (roles, department) in ROLES.items():
            user = create_user(session, place.clock, email=f"{name}@bench.example", name=name)
            person = staff[department][0] if department else owners[0]
            add_member(session, registry, infos[0], user, list(roles), person)
        create_user(session, place.clock, email="host@bench.example", host_admin=True)
        chain = create_user(session, place.clock, email="chain@bench.example")
        for info in infos:
            add_member(session, registry, info, chain, ["core.manager"])
        behind = {staff[department][0] for _roles, department in ROLES.values() if department}
        for number, person in enumerate(p for people in staff.values() for p in people if p not in behind):
            user = create_user(session, place.clock, email=f"staff-{number}@bench.example")
            add_member(session, registry, infos[0], user, ["core.staff"], person)
        users = list(session.scalars(select(User.id).where(User.email.like("%@bench.example"))))
    community.tell(place, infos[0], users)
    (place.settings.data / "bench.json").write_text(json.dumps({"estate": infos[0].code, "resident": str(owners[0])}))


def sign_in(place):
    """Return a session for each of those who look."""
    with place.database.session() as session:
        names = {**{name: name for name in ROLES}, HOST: "host", CHAIN: "chain"}
        secret, clock = place.database.secret, place.clock
        return {
            NOBODY: None,
            **{
                shown: begin(
                    session, secret, clock, find_user(session, f"{name}@bench.example"), agent="bench", kept=True
                )
                for shown, name in names.items()
            },
        }


def look_around(place):
    """Return what there is to be shown, with a file, an import and an export that pages need."""
    made = json.loads((place.settings.data / "bench.json").read_text())
    with place.database.session() as session:
        manager = find_user(session, "manager@bench.example").id
    with place.system_context(made["estate"]) as ctx:
        ctx.actor = Actor(manager, None, "manager", ctx.actor.permissions)
        day = (ctx.now.date().replace(day=1)).isoformat()
        world = World(
            made["estate"], place.plugins.registry, day, asset=tuple(assets()["wuye.css"].url.split("/")[2:4])
        )
        for key, resource in world.registry.resources.items():
            world.rows[key] = _some(ctx, resource)
            for state in resource.flow.states if resource.flow else ():
                if found := query.run(
                    ctx, resource, query.parse(resource, {"filter[state]": [state], "limit": ["1"]})
                ).items:
                    world.by_state[key, state] = str(found[0]["id"])
            row = world.rows[key][0]
            owner = world.registry.resource_of_kind(row.get("kind", "")) or resource
            if service.may_comment(ctx, owner):
                file = files.attach(ctx, owner, row["id"], "note.txt", BytesIO(b"seen"))
                world.files[key] = str(row["id"]), str(file["id"])
            if resource.importable and resource.create:
                run = runs.begin(ctx, resource, "few.csv", BytesIO(b"number,name\n1,one\n"))
                world.imports[key] = str(run.id)
                run.rejected = 1
        world.export = _made(ctx, manager, "export_estate")
        world.task = _made(ctx, manager, "export_list", resource="core.people")
        world.invitation = invite(ctx, email=f"{uuid7()}@bench.example", roles=["core.staff"]).link
        user, hour = ctx.session.get_one(User, manager), timedelta(hours=1)
        world.password = issue(ctx.session, place.database.secret, place.clock, user, lifetime=hour)
        mine = world.registry.resources["customer_service.requests"]
        wanted = {"filter[requester]": [made["resident"]]}
        world.rows["mine"] = query.run(ctx, mine, query.parse(mine, wanted)).items
        secret, home = place.database.secret, world.rows["core.properties"][0]["id"]
        world.place_code = code_of(secret, ctx.estate.id, home)
        world.report_code = code_of(secret, ctx.estate.id, world.rows["mine"][0]["id"])
    return world


def _made(ctx, user, kind, **wanted):
    """Put a small file where those lie that a task has made, and return the task."""
    task = Task(id=uuid7(), user_id=user, kind=kind, state="done", wanted=wanted, file="bench", file_name="bench.csv", size=4,
                created_at=ctx.now, finished_at=ctx.now)  # fmt: skip
    ctx.session.add(task)
    (tasks.folder(ctx) / "bench").write_bytes(b"a,b\n")
    return str(task.id)


def _some(ctx, resource):
    """Return some rows of a resource with all their fields: the first of its usual order, and the last."""
    names = tuple(resource.attributes)
    usual = resource.sort[0]
    other = usual[1:] if usual.startswith("-") else f"-{usual}"
    return [row for sort in (usual, other)
            for row in query.run(ctx, resource, query.Query({}, None, sort, names, 1)).items]  # fmt: skip


def prepare(place, others):
    """Fill the database, unless an earlier run has."""
    place.upgrade()
    if not (place.settings.data / "bench.json").exists():
        infos, staff, owners = community.fill(place, others=others)
        accounts(place, infos, staff, owners)
        community.settle(place)


def serve(place):
    """Start a server, and return its process once it answers."""
    environment = {**os.environ, "WUYE_DATA": str(place.settings.data)}
    serving = subprocess.Popen(
        [sys.executable, "-m", "wuye", "serve", "--port", str(PORT)],
        env=environment, start_new_session=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    for _try in range(600):
        try:
            Client(None).get("/healthz")
        except OSError:
            time.sleep(0.05)
        else:
            return serving
    raise SystemExit("the server does not answer")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--estates", type=int, default=1000)
    parser.add_argument("--only", default="", help="measure only what has this in its endpoint or address")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, help="where to keep the filled database")
    options = parser.parse_args()
    folder = options.data or Path(tempfile.mkdtemp(prefix="wuye-office-"))
    place, serving = Installation(Settings(data=folder, strict=True)), None
    try:
        prepare(place, options.estates - 1)
        app = create_app(place)
        rules = sorted((r for r in app.url_map.iter_rules() if "GET" in r.methods), key=lambda rule: rule.rule)
        world, cookies = look_around(place), sign_in(place)
        with place.database.engine("owner").connect() as connection:
            backend = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        serving = serve(place)
        meter = Meter(serving.pid, psutil.Process(backend).ppid())
        results = measure(world, app.url_map.bind(""), rules, meter, cookies, options.only)
    finally:
        if serving is not None:
            os.killpg(serving.pid, signal.SIGKILL)
        place.close()
        if not options.data:
            LocalPostgres(folder / "postgres").remove()
            shutil.rmtree(folder)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    count = sum(len(by_role) for each in results.values() for by_role in each.values())
    dear = too_dear(results)
    for spent, name, address in dear:
        print(f"{spent:8.1f} ms  {name:14} {address}")
    print(f"{count} measured, {len(dear)} above their target")
    hidden = sorted({rule.endpoint for rule in rules} - results.keys())
    if hidden and not options.only:
        raise SystemExit(f"shown to nobody, and so not measured: {', '.join(hidden)}")


if __name__ == "__main__":
    main()

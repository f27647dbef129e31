"""Fills one estate as two years of a large community leave it: what `bench/office.py` measures pages in.

20,000 homes with their owners, 20 staff in five departments, each with an account, and 110,000 records with their history:
half of them requests, every second of which was handed over (a referral) and became a work order. 9 % are not done, whenever
they were opened. Beside it stand small estates, as on a host that serves many.
"""

import hashlib
import random
from contextlib import contextmanager
from datetime import timedelta

import orjson
from generate import estates
from sqlalchemy import select

from wuye.ids import uuid7
from wuye.people.models import Department
from wuye.records import search
from wuye.records.timeline import Entry

HOMES, RECORDS, DAYS, ASSETS, TOLD = 20_000, 110_000, 730, 500, 200
OPEN_SHARE = 0.09

#: Department → how many work there; the first of a department works in the next one too.
STAFF = {"customer_service": 5, "maintenance": 9, "security": 3, "environment": 2, "office": 1}

_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗"
_GIVEN = [
    "伟",
    "芳",
    "娜",
    "敏",
    "静",
    "丽",
    "强",
    "磊",
    "军",
    "洋",
    "勇",
    "艳",
    "杰",
    "涛",
    "明",
    "超",
    "秀兰",
    "霞",
    "平",
    "刚",
    "桂英",
    "建国",
    "雨",
    "子涵",
    "浩然",
    "欣怡",
    "梓轩",
    "思远",
    "晓东",
    "海燕",
]
_TITLES = (
    "厨房水龙头漏水", "楼道灯不亮", "电梯运行有异响", "门禁刷卡无反应", "卫生间地漏堵塞", "阳台渗水", "对讲机没有声音",
    "Pump makes a noise", "Light in the hall is out", "Door does not close", "楼上噪音扰民", "垃圾未及时清运",
)  # fmt: skip
_REQUEST = (("repair", "repair.leak"), ("repair", "repair"), ("complaint", "complaint"), ("inquiry", None))
_OPEN_REQUEST = (("new", "open"), ("accepted", "open"), ("in_progress", "active"), ("resolved", "waiting"))
_OPEN_ORDER = (
    ("draft", "open"), ("ready", "open"), ("assigned", "active"), ("in_progress", "active"), ("on_hold", "waiting"),
    ("done", "waiting"),
)  # fmt: skip
_OPEN_REFERRAL = (("offered", "open"), ("accepted", "active"), ("answered", "waiting"))
_PRIORITIES = ("normal",) * 14 + ("urgent",) * 3 + ("low",) * 2 + ("emergency",)


class Rows:
    """What is going to be written: rows by table and columns, and the chain of the estate's timeline."""

    def __init__(self, estate_id, now):
        self.estate_id, self.now = estate_id, now
        self.tables = {}
        self.entries = []

    def add(self, table, **values):
        values = {"estate_id": self.estate_id, **values}
        self.tables.setdefault((table, tuple(values)), []).append(tuple(values.values()))

    def tracked(self, table, at, **values):
        self.add(table, **values, version=1, created_at=at, updated_at=at)

    def found(self, kind, identity, *parts, name=None, masked=None):
        content = search.fold(" \n ".join(filter(None, parts)))
        content = content if name is None else search.named(content, name)
        kept = search.lines([masked])
        grams = search.grams_of(self.estate_id, kind, content, kept)
        self.add("core_search_entry", id=identity, kind=kind, grams=grams, content=content, masked=kept)

    def note(self, identity, thread, at, event, **data):
        self.entries.append(Entry(identity, thread, at, None, event, "all", data))

    def write(self, driver):
        self._chain()
        for (table, columns), rows in self.tables.items():
            with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

    def _chain(self):
        digest = b""
        for number, entry in enumerate(sorted(self.entries, key=lambda each: each.at), 1):
            body = entry.body()
            digest = hashlib.sha256(digest + body).digest()
            self.add("core_timeline", id=uuid7(), record_id=entry.record_id, thread_id=entry.thread_id, at=entry.at,
                     event=entry.event, audience=entry.audience, data=orjson.dumps(entry.data).decode(),
                     body=body.decode(), sequence=number, digest=digest)  # fmt: skip
        self.head = (len(self.entries), digest)


def fill(place, *, others):
    """Make the estates, fill the first one, and return it with the people of its staff by department."""
    infos = estates(place, 1 + others)
    with place.system_context(infos[0].code) as ctx:
        for code in STAFF.keys() - ctx.plugins:
            row = Department(id=uuid7(), code=code, name=code, created_at=ctx.now, updated_at=ctx.now)
            ctx.session.add(row)
        ctx.session.flush()
        departments = {row.code: row.id for row in ctx.session.scalars(select(Department))}
    chance = random.Random(1)
    rows = Rows(infos[0].id, place.clock.now())
    homes = _homes(rows)
    owners = _people(rows, homes, chance)
    staff = _staff(rows, departments, chance)
    assets = _assets(rows, homes, chance)
    counters = _work(rows, chance, list(zip(owners, homes, strict=True)), staff, assets)
    with _without_search_index(place), place.database.engine("ops").begin() as connection:
        driver = connection.connection.driver_connection
        for info in infos[1:]:
            _small(place, driver, info)
        rows.write(driver)
        driver.execute(
            "UPDATE core_timeline_head SET sequence = %s, digest = %s WHERE estate_id = %s", (*rows.head, infos[0].id)
        )
        for (kind, year), last in counters.items():
            driver.execute(
                "INSERT INTO core_counter (estate_id, id, kind, year, last) VALUES (%s, %s, %s, %s, %s)",
                (infos[0].id, uuid7(), kind, year, last),
            )
    return infos, staff, owners


@contextmanager
def _without_search_index(place):
    """Within the block, do without the index of search entries: made afterwards as a whole it takes a tenth of the time."""
    name = "ix_core_search_entry_grams"
    with place.database.engine("owner").begin() as connection:
        made = connection.exec_driver_sql(f"SELECT pg_get_indexdef('{name}'::regclass)").scalar()
        connection.exec_driver_sql(f"DROP INDEX {name}")
    yield
    with place.database.engine("owner").begin() as connection:
        connection.exec_driver_sql(made)


def settle(place):
    """Leave the tables as autovacuum would."""
    with place.database.engine("owner").connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def tell(place, info, users):
    """Give each account what it was told of, most of it seen."""
    now = place.clock.now()
    with place.database.session(info.id) as session:
        records = session.fetch(f"SELECT id, number, title FROM core_record LIMIT {TOLD}", {})
        session.connection().exec_driver_sql(
            "INSERT INTO core_notification (estate_id, id, user_id, record_id, kind, data, created_at, seen_at)"
            " VALUES (%s, %s, %s, %s, 'assigned', %s::jsonb, %s, %s)",
            [
                (info.id, uuid7(), user, record, orjson.dumps({"number": number, "title": title, "who": "—"}).decode(),
                 now - timedelta(hours=place_), now if place_ > 5 else None)
                for user in users for place_, (record, number, title) in enumerate(records)
            ],
        )  # fmt: skip


def _homes(rows):
    homes = []
    for building in range(1, HOMES // 400 + 1):
        above, name = uuid7(), f"{building}号楼"
        values = {"archived": False, "area_m2": None, "parent_id": None}
        rows.tracked(
            "core_property", rows.now, id=above, kind="building", code=str(building), name=name, label=name, **values
        )
        rows.found("core_property", above, str(building), name, name=name)
        for number in range(400):
            identity, door = uuid7(), f"{number // 20 + 1:02}{number % 20 + 1:02}"
            values = {"archived": False, "area_m2": 89.5, "parent_id": above}
            code = f"{building}-1-{door}"
            rows.tracked("core_property", rows.now, id=identity, kind="unit", code=code, name=door, label=f"{name} {door}",
                         **values)  # fmt: skip
            rows.found("core_property", identity, code, f"{name} {door}", name=door)
            homes.append(identity)
    return homes


def _person(rows, chance, number):
    identity, name, phone = uuid7(), chance.choice(_SURNAMES) + chance.choice(_GIVEN), f"139{number:08}"
    rows.tracked("core_person", rows.now, id=identity, name=name, phone=phone, archived=False)
    rows.found("core_person", identity, name, name=name, masked=phone)
    return identity


def _people(rows, homes, chance):
    owners = []
    since = (rows.now - timedelta(days=1000)).date()
    for number, home in enumerate(homes):
        owners.append(_person(rows, chance, number))
        rows.tracked("core_occupancy", rows.now, id=uuid7(), person_id=owners[-1], property_id=home, relation="owner",
                     since=since)  # fmt: skip
    return owners


def _staff(rows, departments, chance):
    staff = {code: [_person(rows, chance, HOMES + n) for n in range(most)] for code, most in STAFF.items()}
    codes = list(STAFF)
    posts = [(code, person) for code, people in staff.items() for person in people]
    posts += [(codes[(place + 1) % len(codes)], staff[code][0]) for place, code in enumerate(codes)]
    for code, person in posts:
        rows.tracked("core_staff", rows.now, id=uuid7(), person_id=person, department_id=departments[code], post=code,
                     on_duty=True)  # fmt: skip
    return staff


def _assets(rows, homes, chance):
    assets = []
    for number in range(ASSETS):
        assets.append(uuid7())
        rows.tracked("maintenance_asset", rows.now, id=assets[-1], code=f"LIFT-{number:04}", name=f"电梯 {number}",
                     asset_class="lift", place_id=chance.choice(homes), condition="in_service")  # fmt: skip
        rows.found("maintenance_asset", assets[-1], f"LIFT-{number:04}", f"电梯 {number}")
    return assets


def _work(rows, chance, living, staff, assets):
    """Add requests, referrals and work orders, and return the last number of each kind and year."""
    start = rows.now - timedelta(days=DAYS)
    seconds = sorted(chance.randrange(DAYS * 86400) for _number in range(RECORDS // 2))
    counters = {}
    for number, after in enumerate(seconds):
        at, done = start + timedelta(seconds=after), chance.random() > OPEN_SHARE
        owner, home = chance.choice(living)
        request = _Piece(rows, counters, chance, at, done, home, owner)
        request.open(
            "customer_service.request", "SR", _OPEN_REQUEST, "closed", chance.choice(staff["customer_service"])
        )
        request_kind, category = _REQUEST[number % len(_REQUEST)]
        rated = {"rating": chance.randrange(1, 6), "accepted_how": "requester", "resolved_at": request.closed}
        rows.add("customer_service_request", id=request.id, request_kind=request_kind, channel="phone", category=category,
                 reopens=0, urges=0, contact_phone="13900000000",
                 **(rated if done else dict.fromkeys(rated)))  # fmt: skip
        if number % 2:
            continue
        referral = _Piece(rows, counters, chance, at + timedelta(minutes=5), done, home, owner, request)
        order = _Piece(rows, counters, chance, at + timedelta(minutes=20), done, home, owner, request)
        referral.open("core.referral", "RF", _OPEN_REFERRAL, "closed", None)
        worker = chance.choice(staff["maintenance"]) if done or chance.random() > 0.2 else None
        order.open("maintenance.work_order", "WO", _OPEN_ORDER, "verified", worker)
        rows.add("core_referral", id=referral.id, origin_id=request.id, target_id=order.id, category="repair",
                 wanted="maintenance", bounces=0)  # fmt: skip
        held = "waiting_parts" if order.state == "on_hold" else None
        rows.add("maintenance_work_order", id=order.id, order_type="corrective", asset_id=chance.choice(assets), reworks=0,
                 hold_reason=held, done_at=order.closed)  # fmt: skip
    return counters


class _Piece:
    """One record: its header, search entry and history."""

    def __init__(self, rows, counters, chance, at, done, home, owner, origin=None):
        self.rows, self.counters, self.chance = rows, counters, chance
        self.id, self.at, self.home, self.owner = uuid7(), at, home, owner
        self.thread = origin.thread if origin else self.id
        self.title = origin.title if origin else chance.choice(_TITLES)
        self.closed = at + timedelta(hours=chance.randrange(1, 120)) if done else None

    def open(self, kind, prefix, unfinished, finished, assignee):
        self.state, phase = (finished, "done") if self.closed else self.chance.choice(unfinished)
        last = self.counters[kind, self.at.year] = self.counters.get((kind, self.at.year), 0) + 1
        number = f"{prefix}-{self.at.year}-{last:05}"
        department = "maintenance" if kind == "core.referral" else kind.partition(".")[0]
        self.rows.tracked(
            "core_record", self.at, id=self.id, kind=kind, number=number, title=self.title, state=self.state, phase=phase,
            priority=self.chance.choice(_PRIORITIES), department=department, place_id=self.home, requester_id=self.owner,
            assignee_id=assignee, due_at=self.at + timedelta(hours=72), opened_at=self.at, closed_at=self.closed,
            thread_id=self.thread, extras="{}",
        )  # fmt: skip
        self.rows.found(kind, self.id, number, self.title)
        self.rows.note(self.id, self.thread, self.at, "created", state=unfinished[0][0])
        if self.closed:
            half = self.at + (self.closed - self.at) / 2
            self.rows.note(self.id, self.thread, half, "start", **{"from": unfinished[0][0], "to": unfinished[-1][0]})
            self.rows.note(self.id, self.thread, self.closed, "close", **{"from": unfinished[-1][0], "to": self.state})


def _small(place, driver, info):
    """Give a small estate a few pieces of work, some of them late."""
    rows = Rows(info.id, place.clock.now())
    counters, chance = {}, random.Random(info.id.int)
    for day in range(10):
        at = rows.now - timedelta(days=3 * day)
        order = _Piece(rows, counters, chance, at, day % 2 == 0, None, None)
        order.open("maintenance.work_order", "WO", _OPEN_ORDER, "verified", None)
        rows.add("maintenance_work_order", id=order.id, order_type="corrective", reworks=0)
    rows.write(driver)
    driver.execute(
        "UPDATE core_timeline_head SET sequence = %s, digest = %s WHERE estate_id = %s", (*rows.head, info.id)
    )
    for (kind, year), last in counters.items():
        driver.execute("INSERT INTO core_counter (estate_id, id, kind, year, last) VALUES (%s, %s, %s, %s, %s)",
                       (info.id, uuid7(), kind, year, last))  # fmt: skip

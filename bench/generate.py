"""Fills a database with work orders spread over many estates, consistent with what the application writes."""

import hashlib
from datetime import timedelta

import orjson

from wuye.estates.services import create_estate, enable, system_actor
from wuye.ids import uuid7
from wuye.installation import Installation
from wuye.records import search
from wuye.records.timeline import Entry

KIND = "maintenance.work_order"
ESTATES = 1000
TITLES = (
    "厨房水龙头漏水",
    "楼道灯不亮",
    "电梯运行有异响",
    "门禁刷卡无反应",
    "Pump makes a noise",
    "Light in the hall is out",
)
STATES = (("draft", "open"), ("ready", "open"), ("verified", "done"), ("verified", "done"), ("verified", "done"))

_RECORD = (
    "estate_id, id, kind, number, title, text, state, phase, priority, department, opened_at, closed_at, thread_id,"
    " extras, version, created_at, updated_at"
)


def estates(place: Installation, count: int) -> list:
    made = []
    for number in range(count):
        with place.database.session() as session:
            info = create_estate(session, place.clock, code=f"bench-{number}", name=f"Bench {number}", locale="en")
            ctx = place.context(session, info, system_actor(place.plugins), frozenset())
            enable(ctx, place.plugins.names)
            ctx.seal()
            made.append(info)
    return made


def fill(place: Installation, infos: list, rows: int, *, half_in_first: bool = False) -> None:
    """Add `rows` work orders with number, timeline and search entry; half of them in the first estate if so wanted."""
    first = rows // 2 if half_in_first else rows // len(infos)
    rest = (rows - first) // max(len(infos) - 1, 1)
    with place.database.engine("ops").begin() as connection:
        driver = connection.connection.driver_connection
        for place_, info in enumerate(infos):
            _estate(place, driver, info, first if place_ == 0 else rest)
    with place.database.engine("owner").connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def _estate(place, driver, info, count):
    now = place.clock.now() - timedelta(seconds=count)
    year = now.year
    records, orders, entries, found = [], [], [], []
    digest = b""
    for number in range(1, count + 1):
        identity, at = uuid7(), now + timedelta(seconds=number)
        title = TITLES[number % len(TITLES)]
        state, phase = STATES[number % len(STATES)]
        name = f"WO-{year}-{number:05d}"
        records.append((info.id, identity, KIND, name, title, None, state, phase, "normal", "maintenance", at,
                        at if phase == "done" else None, identity, "{}", 1, at, at))  # fmt: skip
        orders.append((info.id, identity, "corrective", 0))
        entry = Entry(identity, identity, at, None, "created", "all", {"state": state})
        body = entry.body()
        digest = hashlib.sha256(digest + body).digest()
        entries.append((info.id, uuid7(), identity, identity, at, None, "created", "all",
                        orjson.dumps(entry.data).decode(), body.decode(), number, digest))  # fmt: skip
        content = search.fold(f"{name} \n {title}")
        found.append((info.id, identity, KIND, search.grams_of(info.id, KIND, content), content))
    with driver.cursor() as cursor:
        for table, columns, rows in (
            ("core_record", _RECORD, records),
            ("maintenance_work_order", "estate_id, id, order_type, reworks", orders),
            ("core_timeline", "estate_id, id, record_id, thread_id, at, actor_id, event, audience, data, body,"
             " sequence, digest", entries),
            ("core_search_entry", "estate_id, id, kind, grams, content", found),
        ):  # fmt: skip
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        cursor.execute("UPDATE core_timeline_head SET sequence = %s, digest = %s WHERE estate_id = %s",
                       (count, digest, info.id))  # fmt: skip
        cursor.execute("INSERT INTO core_counter (estate_id, id, kind, year, last) VALUES (%s, %s, %s, %s, %s)",
                       (info.id, uuid7(), KIND, year, count))  # fmt: skip

"""What is written: `python bench/wal.py --data DIR`, in the database that `bench/office.py --data DIR` has filled.

The write-ahead log in bytes for each create and each state change through the API, in one estate and over a thousand estates
that take turns, with full page writes and a checkpoint before each; how many of them were images of whole pages; and how many
updates of the header were HOT, that is wrote no index.
"""

import argparse
import json
import time
from datetime import timedelta
from pathlib import Path

import psycopg
from sqlalchemy import select

from wuye.config import Settings
from wuye.estates.models import Estate
from wuye.identity.services import create_token, find_user
from wuye.ids import uuid7
from wuye.installation import Installation, find_estate
from wuye.web.app import create_app

_SEEN = """
    SELECT w.wal_bytes, w.wal_fpi, s.n_tup_upd, s.n_tup_hot_upd
    FROM pg_stat_wal w, pg_stat_user_tables s WHERE s.relname = 'core_record'
"""


class Caller:
    """Sends requests of a manager of each estate, without a server in between."""

    def __init__(self, place, codes):
        self.client = create_app(place).test_client()
        self.tokens = {}
        with place.database.session() as session:
            user = find_user(session, "chain@bench.example")
            for code in codes:
                estate, hour = find_estate(session, code), timedelta(hours=1)
                self.tokens[code] = create_token(
                    session, place.database.secret, place.clock, user, estate, lifetime=hour
                )

    def create(self, code):
        body = {"title": "厨房水龙头漏水", "order_type": "corrective"}
        return self._send(code, f"/api/v1/estates/{code}/maintenance/work-orders", body)["id"]

    def submit(self, code, identity):
        self._send(code, f"/api/v1/estates/{code}/maintenance/work-orders/{identity}/actions/submit", {})

    def edit(self, code, identity):
        url = f"/api/v1/estates/{code}/maintenance/work-orders/{identity}"
        self._send(code, url, {"text": "Second floor, left"}, method="PATCH")

    def _send(self, code, url, body, method="POST"):
        headers = {"Authorization": f"Bearer {self.tokens[code]}", "If-Match": "*", "Idempotency-Key": str(uuid7())}
        answer = self.client.open(url, method=method, json=body, headers=headers)
        assert answer.status_code < 300, answer.get_data(as_text=True)
        return answer.get_json()


class Log:
    """The server's own account of what it has written."""

    def __init__(self, place):
        self.connection = psycopg.connect(place.local.superuser_url("wuye"), autocommit=True)

    def of(self, work, times):
        """Return what a piece of work wrote, each time on average, with a checkpoint before the first."""
        self.connection.execute("CHECKPOINT")
        before = self._read()
        work()
        written, images, updates, hot = (now - was for now, was in zip(self._read(), before, strict=True))
        return {
            "wal_kb": round(int(written) / times / 1000, 1),
            "page_images": round(images / times, 1),
            "hot_percent": round(100 * hot / updates) if updates else None,
        }

    def _read(self):
        time.sleep(1.1)  # the application's connections tell of their last work within a second
        return self.connection.execute(_SEEN).fetchone()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--times", type=int, default=1000)
    options = parser.parse_args()
    place = Installation(Settings(data=options.data, strict=True))
    with place.database.session() as session:
        codes = session.scalars(select(Estate.code).order_by(Estate.id)).all()[: options.times]
    caller, log = Caller(place, codes), Log(place)
    results = {}
    for where, turns in (("one estate", codes[:1] * options.times), (f"{len(codes)} estates taking turns", codes)):
        made = []
        steps = {
            "create": lambda turns=turns, made=made: made.extend((code, caller.create(code)) for code in turns),
            "state change": lambda made=made: [caller.submit(*each) for each in made],
            "edit": lambda made=made: [caller.edit(*each) for each in made],
        }
        for name, step in steps.items():
            results[f"{name}, {where}"] = log.of(step, len(turns))
    place.close()
    print(json.dumps(results, indent=1))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Counting what a step asks of the database."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from wuye.installation import Installation


@contextmanager
def counted(_place: Installation, monkeypatch: Any) -> Iterator[list[str]]:
    """Collect the statements that psycopg sends within the block, SQLAlchemy's and the direct ones alike.

    One that is sent with many rows counts once for each of them. Only those of the calling thread count: what others do
    meanwhile is not what the block costs.
    """
    sent: list[str] = []
    execute, executemany = psycopg.Cursor.execute, psycopg.Cursor.executemany
    mine = threading.get_ident()

    def record(cursor: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        if threading.get_ident() == mine:
            sent.append(str(query))
        return execute(cursor, query, *arguments, **options)

    def record_many(cursor: Any, query: Any, rows: Any, *arguments: Any, **options: Any) -> Any:
        rows = list(rows)
        if threading.get_ident() == mine:
            sent.extend([str(query)] * len(rows))
        return executemany(cursor, query, rows, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", record)
        patch.setattr(psycopg.Cursor, "executemany", record_many)
        yield sent

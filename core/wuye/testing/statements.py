"""Counting what a step asks of the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from wuye.installation import Installation


@contextmanager
def counted(_place: Installation, monkeypatch: Any) -> Iterator[list[str]]:
    """Collect the statements that psycopg sends within the block, SQLAlchemy's and the direct ones alike."""
    sent: list[str] = []
    execute = psycopg.Cursor.execute

    def record(cursor: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        sent.append(str(query))
        return execute(cursor, query, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", record)
        yield sent

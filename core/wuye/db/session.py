"""Sessions that are pinned to one estate, and refuse to answer for none."""

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction, UOWTransaction

from wuye.db.base import EstateScoped
from wuye.db.policy import sign_estate


class NoEstate(RuntimeError):
    """A scoped row was asked for or written by a session that belongs to no estate."""


class EstateSession(Session):
    """A session that belongs to one estate for life, once `pin` has said which.

    The estate is announced to the database at the beginning of *each transaction* (never for the connection:
    behind a transaction-mode pooler the next client would inherit it). Without a pin only global tables answer.
    Autoflush is off: what a step writes is written together at its end, so that the number counter and the
    timeline's head are locked for as short a time as possible.
    """

    def __init__(self, *args: Any, signing_key: bytes, estate_id: UUID | None = None, **options: Any) -> None:
        super().__init__(*args, **{**options, "expire_on_commit": False, "autoflush": False})
        self.signing_key = signing_key
        self._estate_id = estate_id
        self._cursor: psycopg.Cursor[Any] | None = None

    @property
    def estate_id(self) -> UUID:
        """The estate that this session belongs to.

        Raises:
            NoEstate: the session has not been pinned.
        """
        if self._estate_id is None:
            raise NoEstate("this session belongs to no estate: pin() it before touching scoped rows")
        return self._estate_id

    @property
    def is_pinned(self) -> bool:
        """Whether the session belongs to an estate already."""
        return self._estate_id is not None

    def signature(self, estate_id: UUID) -> str:
        """Return what announces an estate to the database."""
        return sign_estate(estate_id, self.signing_key)

    def pin(self, estate_id: UUID, *, announced: bool = False) -> None:
        """Make this session that estate's; `announced` if a statement has told the database already.

        Raises:
            RuntimeError: it belongs to another estate already.
        """
        if self._estate_id is not None and self._estate_id != estate_id:
            raise RuntimeError("one session, one estate: open another session for another estate")
        if self._estate_id is None:
            self._estate_id = estate_id
            if self.in_transaction() and not announced:
                self._announce(self.connection())

    def fetch(self, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run a statement that is text already, in this session's transaction, and return plain tuples.

        For the few statements that every request runs: going to the driver directly saves what it costs to build,
        cache and unpack a statement each time. Values come as the driver gives them (UUID, datetime, Decimal, list).

        Raises:
            DBAPIError: as any statement of SQLAlchemy's; a broken connection leaves the pool.
        """
        connection = self.connection()
        cursor = self._cursor_of(connection)
        try:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.rownumber is not None else []
        except psycopg.Error as error:
            broken = cursor.connection.closed
            if broken:
                connection.invalidate(error)
            raise DBAPIError.instance(
                sql, None, error, psycopg.Error, hide_parameters=True, connection_invalidated=broken
            ) from error

    def _cursor_of(self, connection: Connection) -> psycopg.Cursor[Any]:
        """Return the cursor of a connection, the same for all statements: making one costs a third of a short statement."""
        driver = cast(psycopg.Connection[Any], connection.connection.driver_connection)
        if self._cursor is None or self._cursor.connection is not driver:
            self._cursor = driver.cursor()
        return self._cursor

    def end_reading(self) -> None:
        """End a transaction that changed nothing, so that the driver keeps the statements that it has prepared.

        With a rollback it would forget them all, and the database plan each statement anew for every request. What
        is pending in this session is not written.
        """
        if self.in_transaction():
            cast(Any, self.connection().connection).commit()

    def end_refused(self) -> None:
        """End a transaction as `end_reading` does, if the database has noted no change in it; leave it else."""
        if not self.in_transaction():
            return
        cursor = self._cursor_of(self.connection())
        if cursor.connection.info.transaction_status != TransactionStatus.INTRANS:
            return  # a statement failed: there is nothing but a rollback
        [(unchanged,)] = cursor.execute("SELECT pg_current_xact_id_if_assigned() IS NULL").fetchall()
        if unchanged:
            self.end_reading()

    def _announce(self, connection: Connection) -> None:
        """Name the estate to the database for this transaction; on the raw cursor, which is the cheapest."""
        if self._estate_id is not None:
            signed = self.signature(self._estate_id)
            self._cursor_of(connection).execute("SELECT set_config('wuye.estate', %s, true)", (signed,))


@event.listens_for(EstateSession, "after_begin")
def _announce_estate(session: EstateSession, transaction: SessionTransaction, connection: Connection) -> None:
    if not transaction.nested:  # a savepoint is within what was announced, and undoes nothing of it
        session._announce(connection)


@event.listens_for(EstateSession, "do_orm_execute")
def _require_estate(state: ORMExecuteState) -> None:
    session = cast(EstateSession, state.session)
    if not session.is_pinned and any(issubclass(mapper.class_, EstateScoped) for mapper in state.all_mappers):
        raise NoEstate("a scoped table was asked for outside any estate")


@event.listens_for(EstateSession, "before_flush")
def _stamp_estate(session: EstateSession, _context: UOWTransaction, _instances: object) -> None:
    for row in session.new:
        if isinstance(row, EstateScoped):
            if row.estate_id is None:
                row.estate_id = session.estate_id
            elif row.estate_id != session.estate_id:
                raise PermissionError(f"{type(row).__name__} {row.id} belongs to another estate")

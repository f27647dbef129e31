"""Engines: one for each database role that this process needs, made when it is first asked for."""

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from uuid import UUID

import orjson
from sqlalchemy import URL, Engine, create_engine, event

from wuye.db.session import EstateSession
from wuye.errors import Misconfigured
from wuye.i18n import _

Role = Literal["owner", "app", "ops", "report"]


def role_password(secret: bytes, role: Role) -> str:
    """Return the database password of a role, derived from the installation's secret: nothing to store."""
    return hmac.new(secret, b"database role " + role.encode(), hashlib.sha256).hexdigest()[:40]


def signing_key(secret: bytes) -> bytes:
    """Return the key that signs the estate of a transaction."""
    return hmac.new(secret, b"estate signature", hashlib.sha256).digest()


def to_json(value: object) -> str:
    """Return a value as the text of a JSON column."""
    return orjson.dumps(value).decode()


class Database:
    """The database of one installation, seen through its roles.

    `url` says where it is (host, port, database name, options); user and password come from the role. Without `prepared`
    no statement is prepared on the server, which a pooler that gives each transaction another connection cannot keep.
    """

    def __init__(self, url: URL, secret: bytes, *, pool_size: int = 8, prepared: bool = True) -> None:
        self.location = url
        self.secret = secret
        self.signing_key = signing_key(secret)
        self.pool_size = pool_size
        self.prepared = prepared
        self._engines: dict[Role, Engine] = {}

    def url(self, role: Role = "app") -> URL:
        """Return the connection URL of a role, its password included."""
        return self.location.set(username=f"wuye_{role}", password=role_password(self.secret, role))

    def engine(self, role: Role = "app") -> Engine:
        """Return the engine of a role."""
        if role not in self._engines:
            engine = create_engine(self.url(role), **self.engine_options)
            if role == "app":
                event.listen(engine, "connect", refuse_powerful_roles)
            self._engines[role] = engine
        return self._engines[role]

    @property
    def engine_options(self) -> dict[str, Any]:
        """The options that every engine of the installation is made with."""
        return {
            "pool_size": self.pool_size,
            "max_overflow": 4,
            "pool_timeout": 5,
            "hide_parameters": True,  # what a statement was about is nobody's business in a log
            "json_serializer": to_json,
            "json_deserializer": orjson.loads,
            "connect_args": {
                "connect_timeout": 5,
                "application_name": "wuye",
                **({} if self.prepared else {"prepare_threshold": None}),
            },
        }

    @contextmanager
    def session(self, estate_id: UUID | None = None, role: Role = "app") -> Iterator[EstateSession]:
        """Open a session, commit at the end of the block, roll back if it raises."""
        with (
            EstateSession(self.engine(role), signing_key=self.signing_key, estate_id=estate_id) as session,
            session.begin(),
        ):
            yield session

    def dispose(self) -> None:
        """Close all connections (before a fork, at the end of a process)."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()


def refuse_powerful_roles(connection: Any, _record: object) -> None:
    """Refuse a login that row-level security would not bind.

    Raises:
        Misconfigured: the role is a superuser, bypasses row-level security or owns tables of ours.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolname, rolsuper OR rolbypassrls OR EXISTS (SELECT FROM pg_class c"
            " WHERE c.relowner = r.oid AND c.relname = 'core_estate')"
            " FROM pg_roles r WHERE rolname = current_user"
        )
        name, powerful = cursor.fetchone()
    connection.rollback()
    if powerful:
        raise Misconfigured(
            _(
                "The database role {role} could see every estate, so the server refuses to use it.",
                role=name,
            ),
            hint=_("Connect as wuye_app; `wuye upgrade` creates it."),
        )

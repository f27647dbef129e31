"""Row-level security: the last wall between estates, made together with each table.

The application role sees a scoped row only if the transaction carries a *signed* estate (see `sign`): SQL that
was smuggled in can set another estate's id, but not its signature, because the key is unreadable to it.
"""

import hashlib
import hmac
from functools import lru_cache
from uuid import UUID

from sqlalchemy import Connection, Table, event

#: Tables that belong to no estate. A new one must be named here; plugins may not have any.
GLOBAL_TABLES = frozenset(
    {
        "core_estate",
        "core_estate_plugin",
        "core_user",
        "core_membership",
        "core_api_token",
        "core_browser_session",
        "core_password_link",
        "core_recovery_code",
        "core_second_factor",
        "core_sign_in_failure",
    }
)

ROLES = ("wuye_owner", "wuye_app", "wuye_ops", "wuye_report")

#: An HMAC-SHA256 needs two hashes with the padded key; the built-in sha256() is enough for it.
FUNCTIONS = """
CREATE TABLE IF NOT EXISTS core_key (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    inner_pad bytea NOT NULL,
    outer_pad bytea NOT NULL
);
REVOKE ALL ON core_key FROM PUBLIC, wuye_app, wuye_ops, wuye_report;

CREATE OR REPLACE FUNCTION wuye_verified(setting text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    message text := split_part(setting, '.', 1);
    key core_key;
BEGIN
    IF setting IS NULL OR setting = '' THEN
        RETURN NULL;
    END IF;
    SELECT * INTO key FROM core_key;
    IF encode(sha256(key.outer_pad || sha256(key.inner_pad || convert_to(message, 'UTF8'))), 'hex')
            = split_part(setting, '.', 2) THEN
        RETURN message;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION wuye_estate() RETURNS uuid
LANGUAGE sql STABLE AS $$ SELECT wuye_verified(current_setting('wuye.estate', true))::uuid $$;

CREATE OR REPLACE FUNCTION wuye_estates() RETURNS uuid[]
LANGUAGE sql STABLE AS $$
    SELECT string_to_array(wuye_verified(current_setting('wuye.estates', true)), ',')::uuid[]
$$;
"""


def hmac_pads(key: bytes) -> tuple[bytes, bytes]:
    """Return the inner and outer padded keys of HMAC-SHA256 (RFC 2104) for `key`."""
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


@lru_cache(maxsize=16384)
def sign(message: str, key: bytes) -> str:
    """Return `<message>.<hmac>`, the form in which a transaction names its estate to the database."""
    return f"{message}.{hmac.new(key, message.encode(), hashlib.sha256).hexdigest()}"


def sign_estate(estate_id: UUID, key: bytes) -> str:
    """Return the signed setting for one estate."""
    return sign(str(estate_id), key)


def is_scoped(table: Table) -> bool:
    """Tell whether a table holds rows of estates that the database must keep apart."""
    return "estate_id" in table.columns and table.name not in GLOBAL_TABLES


@event.listens_for(Table, "after_create")
def _protect(table: Table, connection: Connection, **_options: object) -> None:
    """Give a new scoped table its policies; fires for create_all and for Alembic's op.create_table alike."""
    if connection.dialect.name != "postgresql" or not is_scoped(table):
        return
    name = connection.dialect.identifier_preparer.format_table(table)
    for statement in protection(
        name, append_only="append_only" in table.info, forced="owner_reads_all" not in table.info
    ):
        connection.exec_driver_sql(statement)


def size_for_planning(name: str) -> str:
    """Return the statement that has the planner take each estate for one with 1,000 rows, or for the largest if none has.

    It does not know the estate of a request, and would take it for one of middling size. Where most estates are small
    it then read all of a large one, while what is planned for a large one costs a small one nothing.
    """
    return f"ALTER TABLE {name} ALTER COLUMN estate_id SET (n_distinct = -0.001)"


def protection(name: str, *, append_only: bool = False, forced: bool = True) -> list[str]:
    """Return the statements that put a table behind the wall.

    `append_only` leaves the application no UPDATE and no DELETE. Without `forced` the owner is exempt, which is for
    the search index alone: its definer function has to use an index that row-level security would forbid.
    """
    statements = [
        size_for_planning(name),
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY",
        *([f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY"] if forced else []),
        f"CREATE POLICY estate ON {name} USING (estate_id = (SELECT wuye_estate()))"
        " WITH CHECK (estate_id = (SELECT wuye_estate()))",
        f"CREATE POLICY portfolio ON {name} FOR SELECT TO wuye_report"
        " USING (estate_id = ANY ((SELECT wuye_estates())::uuid[]))",
    ]
    if append_only:
        statements.append(f"REVOKE UPDATE, DELETE ON {name} FROM wuye_app")
        statements.append(
            f"REVOKE UPDATE ON {name} FROM wuye_ops"
        )  # which deletes the rows of an estate that goes as a whole
    return statements

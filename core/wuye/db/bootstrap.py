"""Roles, database, functions and grants: what must exist before the first migration."""

from sqlalchemy import URL, Connection, create_engine, text

from wuye.db.database import Database, Role, role_password, signing_key
from wuye.db.policy import FUNCTIONS, hmac_pads

_ATTRIBUTES: dict[Role, str] = {
    "owner": "NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE",
    "app": "NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE",
    # The scheduler, the mover and COPY imports work across estates; nothing that answers a request does.
    "ops": "NOSUPERUSER BYPASSRLS NOCREATEDB NOCREATEROLE",
    "report": "NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE",
}

#: What holds for all of a role's connections. It belongs to the role, since a pooler drops what a connection asks for:
#: times in UTC, and one plan a statement for all estates (see `wuye.db.policy.size_for_planning`).
_ALWAYS = {"timezone": "UTC", "plan_cache_mode": "force_generic_plan"}
_SETTINGS: dict[Role, dict[str, str]] = {
    "owner": _ALWAYS,
    "app": {**_ALWAYS, "statement_timeout": "15s"},
    "ops": _ALWAYS,
    "report": {**_ALWAYS, "statement_timeout": "60s"},
}

_GRANTS = """
GRANT USAGE ON SCHEMA public TO wuye_app, wuye_ops, wuye_report;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE wuye_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO wuye_app, wuye_ops;
ALTER DEFAULT PRIVILEGES FOR ROLE wuye_owner IN SCHEMA public GRANT SELECT ON TABLES TO wuye_report;
ALTER DEFAULT PRIVILEGES FOR ROLE wuye_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO wuye_app, wuye_ops;
"""


def create_roles(connection: Connection, secret: bytes) -> None:
    """Create the four roles, or set their attributes and passwords anew; needs a superuser."""
    for role, attributes in _ATTRIBUTES.items():
        name = f"wuye_{role}"
        exists = connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name})
        # A role statement takes no parameters; the password is hexadecimal by construction.
        connection.execute(
            text(
                f"{'ALTER' if exists else 'CREATE'} ROLE {name} LOGIN {attributes}"
                f" PASSWORD '{role_password(secret, role)}'"
            )
        )
        for setting, value in _SETTINGS[role].items():
            connection.execute(text(f"ALTER ROLE {name} SET {setting} = '{value}'"))


def create_database(superuser: URL, database: Database) -> None:
    """Make roles, database, grants and functions; may be repeated at any time.

    `superuser` is the URL of a role that may create roles and databases (its database is only the door).
    """
    name = database.location.database
    door = create_engine(superuser, isolation_level="AUTOCOMMIT")
    with door.connect() as connection:
        create_roles(connection, database.secret)
        if not connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}):
            connection.execute(text(f'CREATE DATABASE "{name}" OWNER wuye_owner TEMPLATE template0 ENCODING UTF8'))
    door.dispose()
    inside = create_engine(superuser.set(database=name))
    with inside.begin() as connection:
        connection.execute(text("ALTER SCHEMA public OWNER TO wuye_owner"))
    inside.dispose()
    with database.engine("owner").begin() as connection:
        prepare_schema(connection, database)


def prepare_schema(connection: Connection, database: Database) -> None:
    """Create what the policies call, and the default grants; as the owner."""
    connection.exec_driver_sql(_GRANTS)
    connection.exec_driver_sql(FUNCTIONS)
    inner, outer = hmac_pads(signing_key(database.secret))
    connection.execute(
        text(
            "INSERT INTO core_key (inner_pad, outer_pad) VALUES (:inner, :outer)"
            " ON CONFLICT (singleton) DO UPDATE SET inner_pad = :inner, outer_pad = :outer"
        ),
        {"inner": inner, "outer": outer},
    )

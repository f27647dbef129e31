"""The queue's own tables, made by the owner when the installation is upgraded."""

from importlib import resources

from procrastinate.schema import SchemaManager
from sqlalchemy import Connection, text


def upgrade(connection: Connection) -> None:
    """Create procrastinate's tables, or apply its migrations since the last one that was applied."""
    present = connection.scalar(text("SELECT to_regclass('procrastinate_jobs') IS NOT NULL"))
    steps = sorted(
        (item for item in resources.files("procrastinate.sql.migrations").iterdir() if item.name.endswith(".sql")),
        key=lambda item: item.name,
    )
    newest = steps[-1].name
    if present:
        applied = connection.scalar(text("SELECT obj_description('procrastinate_jobs'::regclass)")) or ""
        for step in steps:
            if step.name > applied:
                _run(connection, step.read_text("utf-8"))
    else:
        _run(connection, SchemaManager.get_schema())
    connection.execute(text(f"COMMENT ON TABLE procrastinate_jobs IS '{newest}'"))
    connection.commit()


def _run(connection: Connection, sql: str) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None, "a connection that is in use has a driver's one"
    driver.execute(sql)

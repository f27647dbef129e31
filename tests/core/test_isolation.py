"""The wall between estates: proved for every mapped table, by the application's own role, through ORM and raw SQL."""

import uuid

import psycopg
import pytest
from sqlalchemy import UniqueConstraint, create_engine, insert, select, text, update
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.orm import Session

from wuye.db.base import Base
from wuye.db.database import refuse_powerful_roles
from wuye.db.policy import GLOBAL_TABLES, is_scoped, sign_estate
from wuye.db.session import EstateSession, NoEstate
from wuye.errors import Misconfigured
from wuye.people.models import Person
from wuye.testing.rows import add_row, sample
from wuye_maintenance.models import Asset


def tables():
    import wuye.installation  # noqa: F401
    import wuye_customer_service.models  # noqa: F401 (their tables belong to the metadata)
    import wuye_maintenance.models  # noqa: F401

    return [pytest.param(table, id=table.name) for table in Base.metadata.sorted_tables]


SCOPED = [param for param in tables() if is_scoped(param.values[0])]
APPEND_ONLY = {"core_timeline"}


@pytest.fixture(scope="module")
def two(installation):
    """Two estates, made once: their ids, and a row of every table in each."""
    from wuye.estates.services import create_estate

    ids = []
    for _number in range(2):
        with installation.database.session() as session:
            code = f"iso-{uuid.uuid4().hex[:10]}"
            ids.append(create_estate(session, installation.clock, code=code, name="Isolation").id)
    rows = []
    for estate_id in ids:
        with installation.database.engine("ops").begin() as connection:
            # A day's figures last: a record that comes later makes them be forgotten.
            ordered = sorted((p.values[0] for p in SCOPED), key=lambda table: table.name == "core_day_figures")
            rows.append({table.name: _row(connection, table, estate_id) for table in ordered})
    return ids, rows


def _row(connection, table, estate_id):
    existing = connection.scalar(select(table.c.id).where(table.c.estate_id == estate_id).limit(1))
    return existing or add_row(connection, table, estate_id)


@pytest.fixture
def mine(installation, two):
    """A session of the first estate."""
    with installation.database.session(two[0][0]) as session:
        yield session
        session.rollback()


@pytest.mark.parametrize("table", tables())
def test_every_table_is_behind_the_wall_or_on_the_list(installation, table):
    with installation.database.engine("owner").connect() as connection:
        row = connection.execute(
            text("SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname = :name"),
            {"name": table.name},
        ).one()
    if table.name in GLOBAL_TABLES:
        assert tuple(row) == (False, False)
    else:
        assert is_scoped(table)
        assert tuple(row) == (True, "owner_reads_all" not in table.info)


@pytest.mark.parametrize("table", SCOPED)
def test_keys_carry_the_estate(table):
    assert [column.name for column in table.primary_key] == ["estate_id", "id"]
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            assert next(iter(constraint.columns)).name == "estate_id", constraint.name
    for index in table.indexes:
        assert next(iter(index.columns)).name == "estate_id" or "grams" in index.columns, index.name
    for constraint in table.foreign_key_constraints:
        if is_scoped(constraint.referred_table):
            assert constraint.column_keys[0] == "estate_id"
            assert len(constraint.column_keys) == 2


@pytest.mark.parametrize("table", SCOPED)
def test_another_estates_rows_can_neither_be_read_nor_changed(mine, two, table):
    (_own, other), (own_rows, other_rows) = two
    count = "SELECT count(*) FROM {} WHERE id = :id".format(table.name)  # noqa: S608, UP032 (a table's name)
    assert mine.scalar(text(count), {"id": own_rows[table.name]}) == 1
    assert mine.scalar(text(count), {"id": other_rows[table.name]}) == 0
    foreign = table.c.id == other_rows[table.name]
    if table.name not in APPEND_ONLY:
        assert mine.execute(update(table).where(foreign).values(estate_id=table.c.estate_id)).rowcount == 0
        assert mine.execute(table.delete().where(foreign)).rowcount == 0
        with pytest.raises(ProgrammingError, match="row-level security"), mine.begin_nested():
            mine.execute(update(table).where(table.c.id == own_rows[table.name]).values(estate_id=other))
    values = {c.name: sample(table, c) for c in table.columns if not c.nullable}
    with pytest.raises(ProgrammingError, match="row-level security"), mine.begin_nested():
        mine.execute(insert(table).values({**values, "estate_id": other, "id": uuid.uuid4()}))


@pytest.mark.parametrize("table", SCOPED)
def test_another_estates_rows_cannot_be_referred_to(mine, two, table):
    (_own, _other), (own_rows, other_rows) = two
    if table.name in APPEND_ONLY:
        pytest.skip("append-only: the application changes no row")
    for constraint in table.foreign_key_constraints:
        column = constraint.column_keys[-1]
        if len(constraint.column_keys) != 2 or column == "id":
            continue
        target = other_rows[constraint.referred_table.name]
        with pytest.raises(DBAPIError, match="foreign key"), mine.begin_nested():
            mine.execute(update(table).where(table.c.id == own_rows[table.name]).values({column: target}))
        ours = own_rows[constraint.referred_table.name]
        changed = mine.execute(update(table).where(table.c.id == own_rows[table.name]).values({column: ours}))
        assert changed.rowcount == 1


@pytest.mark.parametrize("setting", [None, "", "unsigned", "{other}", "{other}.0000", "{own}.{signature_of_other}"])
def test_only_a_signed_estate_opens_the_wall(installation, two, setting):
    (own, other), _rows = two
    key = installation.database.signing_key
    signature = sign_estate(other, key).partition(".")[2]
    with installation.database.engine("app").connect() as connection:
        if setting is not None:
            value = setting.format(own=own, other=other, signature_of_other=signature)
            connection.execute(text("SELECT set_config('wuye.estate', :value, true)"), {"value": value})
        for param in SCOPED:
            assert connection.scalar(select(param.values[0].c.id).limit(1)) is None
    with installation.database.engine("app").connect() as connection:
        connection.execute(text("SELECT set_config('wuye.estate', :value, true)"), {"value": sign_estate(other, key)})
        assert connection.scalar(text("SELECT count(*) FROM core_person")) > 0
        with pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text("SELECT * FROM core_key"))


def test_a_session_without_an_estate_refuses_to_answer(installation):
    with installation.database.session() as session:
        with pytest.raises(NoEstate):
            session.scalars(select(Person)).all()
        session.add(Person(name="nobody", created_at=installation.clock.now(), updated_at=installation.clock.now()))
        with pytest.raises(NoEstate):
            session.flush()
        session.rollback()


def test_one_session_serves_one_estate(installation, two):
    own, other = two[0]
    with installation.database.session(own) as session:
        session.scalars(select(Person)).all()
        with pytest.raises(RuntimeError, match="one session, one estate"):
            session.pin(other)
        now = installation.clock.now()
        session.add(Asset(estate_id=other, code="x", name="x", asset_class="x", created_at=now, updated_at=now))
        with pytest.raises(PermissionError):
            session.flush()
        session.rollback()


def test_the_estate_ends_with_the_transaction(installation, two):
    database = installation.database
    engine = create_engine(database.url("app"), pool_size=1, max_overflow=0)
    with EstateSession(engine, signing_key=database.signing_key, estate_id=two[0][0]) as session:
        assert session.scalar(text("SELECT count(*) FROM core_person")) > 0
        pid = session.scalar(text("SELECT pg_backend_pid()"))
        session.commit()
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) == pid, "the same connection, from the pool"
        assert connection.scalar(text("SELECT count(*) FROM core_person")) == 0
    engine.dispose()


def test_a_savepoint_keeps_the_estate_and_a_prepared_statement_follows_it(installation, two):
    for round_ in range(12):
        with installation.database.session(two[0][round_ % 2]) as session:
            with session.begin_nested() as savepoint:
                savepoint.rollback()
            assert session.scalars(text("SELECT DISTINCT estate_id FROM core_person")).all() == [two[0][round_ % 2]]


def test_copy_obeys_the_wall_and_truncate_is_refused(installation, two):
    address = installation.database.url("app").set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        setting = sign_estate(two[0][0], installation.database.signing_key)
        connection.execute("SELECT set_config('wuye.estate', %s, true)", (setting,))
        with connection.cursor().copy("COPY (SELECT estate_id::text FROM core_person) TO STDOUT") as copy:
            assert {row[0] for row in copy.rows()} == {str(two[0][0])}
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("TRUNCATE core_person")


def test_the_timeline_is_append_only(installation, two):
    for statement in ("UPDATE core_timeline SET event = 'x'", "DELETE FROM core_timeline"):
        with installation.database.session(two[0][0]) as session:
            with pytest.raises(ProgrammingError, match="permission denied"):
                session.execute(text(statement))
            session.rollback()


def test_a_powerful_role_is_refused_at_connect(installation):
    local = installation.local
    with psycopg.connect(local.superuser_url("wuye")) as connection, pytest.raises(Misconfigured):
        refuse_powerful_roles(connection, None)
    for role in ("ops", "owner"):
        url = installation.database.url(role).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url) as connection, pytest.raises(Misconfigured):
            refuse_powerful_roles(connection, None)


def test_a_portfolio_reads_the_estates_that_were_signed_and_writes_nothing(installation, two):
    engine = create_engine(installation.database.url("report"))
    value = sign_estate(two[0][1], installation.database.signing_key)
    with Session(engine) as session:
        assert session.scalar(text("SELECT count(*) FROM core_person")) == 0
        session.execute(text("SELECT set_config('wuye.estates', :value, true)"), {"value": value})
        assert session.scalars(text("SELECT DISTINCT estate_id FROM core_person")).all() == [two[0][1]]
        with pytest.raises(ProgrammingError, match="permission denied"):
            session.execute(text("DELETE FROM core_person"))
    engine.dispose()


@pytest.mark.parametrize("role", ["owner", "app", "ops", "report"])
def test_what_a_pooler_would_drop_belongs_to_the_role(installation, role):
    with installation.database.engine(role).connect() as connection:
        shown = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in ("timezone", "plan_cache_mode")]
    assert shown == ["UTC", "force_generic_plan"]

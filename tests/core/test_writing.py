"""A new record that is written alone is the same as one that the session writes with others."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import event, inspect, select
from sqlalchemy.exc import IntegrityError

from wuye.api import open_record
from wuye.people.models import Person
from wuye.records.models import Record
from wuye.records.writing import write_alone
from wuye_maintenance.models import WorkOrder


def order(ctx, **values):
    given = {"title": "厨房漏水", "order_type": "corrective", "cost_limit": Decimal("12.34"), "due_at": ctx.now}
    return open_record(ctx, WorkOrder, {**given, "extras": {"seen": ctx.now, "by": uuid4()}, **values})


def columns(session, row):
    session.expire(row)
    return {each.key: getattr(row, each.key) for each in inspect(WorkOrder).column_attrs}


def test_written_alone_or_with_others_it_reads_back_the_same(estate):
    shared = {"thread_id": uuid4(), "text": "a\n'%s' %(b)s \\", "extras": {"什么": [1, None]}}
    with estate.context() as ctx:
        alone = order(ctx, **shared)
        assert write_alone(ctx.session)
        together = order(ctx, **shared)
        ctx.session.add(Person(id=uuid4(), name="王", created_at=ctx.now, updated_at=ctx.now))
        assert not write_alone(ctx.session)
        ctx.seal()
        one, other = columns(ctx.session, alone), columns(ctx.session, together)
    own = {"id", "number"}
    assert {key: one[key] for key in one.keys() - own} == {key: other[key] for key in other.keys() - own}
    assert one["cost_limit"] == Decimal("12.34")
    assert one["extras"] == {"什么": [1, None]}
    assert [int(row["number"][-5:]) for row in (one, other)] == [1, 2]


def test_it_is_known_to_the_session_and_can_be_changed_at_once(estate):
    with estate.context() as ctx:
        row = order(ctx)
        ctx.seal()
        told = []
        event.listen(ctx.session, "do_orm_execute", told.append)
        assert (row.version, row.reworks, row.remedy, row.estate_id) == (1, 0, None, ctx.estate.id)
        assert told == []
        assert ctx.session.get(WorkOrder, (ctx.estate.id, row.id)) is row
        row.title, row.cause = "another", "rust"
        ctx.seal()
        assert row.version == 2
        identity = row.id
    with estate.context() as ctx:
        row = ctx.session.scalars(select(WorkOrder).where(WorkOrder.id == identity)).one()
        assert (row.title, row.cause, row.version) == ("another", "rust", 2)


def test_a_savepoint_that_is_left_takes_it_along(estate):
    with estate.context() as ctx:
        with pytest.raises(RuntimeError), ctx.savepoint():
            order(ctx)
            ctx.seal()
            raise RuntimeError
        kept = order(ctx)
        ctx.seal()
        assert ctx.session.scalars(select(Record.id)).all() == [kept.id]
        assert kept.number.endswith("-00001")


@pytest.mark.parametrize("wrong", [{"place_id": uuid4()}, {"order_type": "nonsense"}, {"asset_id": uuid4()}])
def test_what_the_database_refuses_leaves_nothing(estate, wrong):
    with estate.context() as ctx:
        with pytest.raises(IntegrityError), ctx.savepoint():
            order(ctx, **wrong)
            ctx.seal()
        assert ctx.session.scalars(select(Record)).all() == []
        assert not ctx.session.new


def test_another_estates_record_is_refused(estate):
    with estate.context() as ctx:
        order(ctx, due_at=ctx.now + timedelta(days=1)).estate_id = uuid4()
        with pytest.raises(PermissionError):
            write_alone(ctx.session)
        ctx.session.expunge_all()
        ctx.discard()

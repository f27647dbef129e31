"""Figures of days: the same kept or counted, forgotten when their day changes, and made for all estates at once."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from wuye.api import open_record
from wuye.records import figures
from wuye.records.models import DayFigures, Record
from wuye.testing import TestEstate
from wuye_maintenance.models import WorkOrder

KIND = WorkOrder.record_kind()


@pytest.fixture
def past(estate: TestEstate):
    """An estate with work of three days ago: two pieces done in time, one late, one open."""
    with estate.context() as ctx:
        at = ctx.now - timedelta(days=3)
        for hours, due in ((1, 2), (3, 4), (5, 4), (None, 4)):
            values = {"title": "x", "order_type": "corrective", "opened_at": at, "due_at": at + timedelta(hours=due)}
            record = open_record(ctx, WorkOrder, values)
            if hours is not None:
                record.state, record.phase, record.closed_at = "verified", "done", at + timedelta(hours=hours)
        ctx.seal()
    return estate


def month(estate):
    with estate.context() as ctx:
        today = ctx.now.astimezone(ctx.estate.tzinfo).date()
        found = figures.of_days(ctx, today - timedelta(days=29), today, [KIND])
        kept = ctx.session.scalars(select(DayFigures.day)).all()
    return found, kept


def test_a_day_is_counted_once_and_then_read(past, monkeypatch):
    first, kept = month(past)
    assert (sum(first.opened.values()), sum(first.closed.values())) == (4, 3)
    assert (first.promised, first.kept, first.median_hours) == (3, 2, 3)
    assert sum(first.arrivals.values()) == 4
    assert 1 <= len(set(kept)) <= 2, "the days of opening and of closing, which midnight may part"
    monkeypatch.setattr(
        figures,
        "_COUNTED",
        f"SELECT * FROM ({figures._COUNTED}) AS x WHERE day NOT IN (SELECT day FROM core_day_figures)",
    )
    assert month(past) == (first, kept)


def test_figures_of_other_kinds_and_of_core_are_left_out(past):
    with past.context() as ctx:
        today = ctx.now.astimezone(ctx.estate.tzinfo).date()
        assert not figures.of_days(ctx, today - timedelta(days=9), today, ["customer_service.request"]).opened.total()


@pytest.mark.parametrize("change", ["reopened", "due", "imported", "deleted", "moved"])
def test_whatever_changes_a_day_that_is_over_makes_it_be_counted_again(past, change):
    before, _kept = month(past)
    with past.context() as ctx:
        done = ctx.session.scalars(
            select(WorkOrder).where(WorkOrder.phase == "done").order_by(WorkOrder.closed_at)
        ).first()
        if change == "reopened":
            done.state, done.phase, done.closed_at = "rework", "active", None
        elif change == "due":
            done.due_at = done.opened_at
        elif change == "moved":
            done.opened_at -= timedelta(days=2)
        elif change == "deleted":
            ctx.session.delete(done)
        else:
            values = {"title": "old", "order_type": "corrective", "opened_at": done.opened_at}
            open_record(ctx, WorkOrder, values, event="imported")
        ctx.seal()
    after, _kept = month(past)
    assert after != before
    with past.context() as ctx:
        rows = ctx.session.execute(select(Record.closed_at, Record.due_at).where(Record.closed_at.is_not(None))).all()
        assert (sum(after.closed.values()), after.kept) == (len(rows), sum(closed <= due for closed, due in rows))
        assert sum(after.opened.values()) == len(ctx.session.scalars(select(Record.id)).all())


def test_today_is_counted_each_time_and_an_ordinary_step_forgets_nothing(past):
    before, kept = month(past)
    with past.context() as ctx:
        open_record(ctx, WorkOrder, {"title": "now", "order_type": "corrective"})
        ctx.seal()
    with past.context() as ctx:
        order = ctx.session.scalars(select(WorkOrder).where(WorkOrder.title == "now")).one()
        order.state, order.phase, order.closed_at = "verified", "done", ctx.now
        ctx.seal()
    after, still = month(past)
    assert sum(after.opened.values()) == sum(before.opened.values()) + 1
    assert sum(after.closed.values()) == sum(before.closed.values()) + 1
    assert set(kept) <= set(still)


def test_the_last_day_of_all_estates_is_kept_in_one_go_and_idle_estates_get_nothing(installation, make_estate):
    busy, idle = make_estate(), make_estate()
    with busy.context() as ctx:
        yesterday = ctx.now - timedelta(days=1)
        open_record(ctx, WorkOrder, {"title": "x", "order_type": "corrective", "opened_at": yesterday})
        ctx.seal()
        later = ctx.now + figures.SETTLED
    for _twice in range(2):
        with installation.database.session(role="ops") as session:
            figures.keep_all(session, later)
    for estate, rows in ((busy, 1), (idle, 0)):
        with estate.context() as ctx:
            assert len(ctx.session.scalars(select(DayFigures)).all()) == rows

"""Walks through a flow: any sequence of actions, the possible and the impossible, with what each must leave behind."""

from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from wuye.context import Context
from wuye.errors import Problem
from wuye.records import services
from wuye.records.flow import SYSTEM, Flow, Transition
from wuye.records.models import Record, Timeline
from wuye.resources.declaration import Resource
from wuye.resources.schemas import input_schema
from wuye.testing.estate import TestEstate
from wuye.testing.inputs import minimal
from wuye.testing.samples import make_one, references

#: Walks through each flow, and the most steps of one: enough that each transition of our longest flow is taken.
_WALKS = 12
_STEPS = 24


def walk_everywhere(estate: TestEstate, item: Resource) -> None:
    """Let hypothesis look for a sequence of actions that breaks a promise of the flow, and shrink what it finds."""
    flow = item.flow
    assert flow is not None, f"{item.key} has no flow to walk through"
    targets = references(estate)
    actions = [step for step in flow.transitions.values() if step.permission != SYSTEM]

    @settings(max_examples=_WALKS, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def walk(data: st.DataObject) -> None:
        identity = make_one(estate, item)
        state = flow.initial.name
        for _number in range(data.draw(st.integers(1, _STEPS), label="steps")):
            possible = [step for step in flow.from_state(state) if step.permission != SYSTEM]
            # Three times of four something that the state allows, so that walks get far; else anything at all.
            far: int = data.draw(st.integers(0, 3))
            action: Transition = data.draw(st.sampled_from(possible if possible and far else actions), label="action")
            body = minimal(input_schema(action), targets, optional=("category",))
            state = _step(estate, item, flow, identity, action, body)

    walk()


def _step(
    estate: TestEstate, item: Resource, flow: Flow, identity: UUID, action: Transition, body: dict[str, Any]
) -> str:
    """Take an action, check what the flow promises whether it succeeds or is refused, and return the state."""
    with estate.context() as ctx:
        record = _record(ctx, item, identity)
        before, entries = record.state, _entries(ctx, identity)
        try:
            services.perform(ctx, record, action.name, body)
            ctx.seal()
        except Problem:
            ctx.session.rollback()
            ctx.discard()
            taken = 0
        else:
            taken = 1
    with estate.context() as ctx:
        record = _record(ctx, item, identity)
        assert record.state in flow.states
        assert record.phase == flow.states[record.state].phase
        assert (record.closed_at is not None) == (record.phase == "done")
        of_record = select(Timeline).where(Timeline.record_id == identity).order_by(Timeline.sequence)
        news = ctx.session.scalars(of_record).all()[entries:]
        assert [entry.event for entry in news].count(action.name) == taken
        if taken:
            step = next(entry for entry in news if entry.event == action.name)
            assert before in action.sources
            assert step.data["to"] == (action.target or before)
        else:
            assert not news
            assert record.state == before
        return record.state


def _record(ctx: Context, item: Resource, identity: UUID) -> Record:
    found: Record = ctx.session.get_one(item.model, (ctx.estate.id, identity))
    return found


def _entries(ctx: Context, identity: UUID) -> int:
    return ctx.session.scalar(select(func.count()).where(Timeline.record_id == identity)) or 0

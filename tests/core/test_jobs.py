"""Jobs: queued with their transaction, run in their estate, taken up again after a crash."""

import contextlib
from datetime import timedelta

import pytest
from sqlalchemy import text

from wuye.jobs import worker
from wuye.jobs.queue import enqueue
from wuye.records.models import IdempotencyKey


def queued(estate):
    with estate.place.database.session() as session:
        wanted = text("SELECT count(*) FROM procrastinate_jobs WHERE args->>'estate' = :code AND status = 'todo'")
        return session.scalar(wanted, {"code": estate.code})


def test_a_job_is_queued_with_its_transaction_or_not_at_all(estate):
    with contextlib.suppress(ZeroDivisionError), estate.context() as ctx:
        enqueue(ctx, "core.purge_idempotency_keys")
        raise ZeroDivisionError
    assert queued(estate) == 0
    with estate.context() as ctx:
        enqueue(ctx, "core.purge_idempotency_keys")
    assert queued(estate) == 1
    with estate.context() as ctx, pytest.raises(KeyError):
        enqueue(ctx, "core.no_such_job")


def test_the_worker_does_what_is_queued(estate, work_off):
    with estate.context() as ctx:
        for hours in (1, 30):
            ctx.session.add(
                IdempotencyKey(
                    user_id=estate.info.id,
                    key=f"{hours}",
                    request_digest="x",
                    created_at=ctx.now - timedelta(hours=hours),
                )
            )
        enqueue(ctx, "core.purge_idempotency_keys")
    work_off()
    assert queued(estate) == 0
    with estate.context() as ctx:
        assert ctx.session.scalars(text("SELECT key FROM core_idempotency_key")).all() == ["1"]


def test_silence_is_acceptance_after_seven_days_and_three_for_a_complaint(estate):
    resident, agent = estate.login("core.resident"), estate.login("customer_service.agent")
    made = {}
    for kind in ("inquiry", "complaint"):
        request = resident.create("requests", title=kind, request_kind=kind)
        made[kind] = agent.act("requests", request, "answer", resolution="Done")
    job = estate.place.plugins.registry.jobs["customer_service.silent_acceptance"]
    for days, states in [(2, ("resolved", "resolved")), (4, ("resolved", "accepted_by_requester"))]:
        with estate.context() as ctx:
            ctx.now += timedelta(days=days)
            job(ctx)
        found = {kind: resident.get("requests", request) for kind, request in made.items()}
        assert tuple(found[kind]["state"] for kind in ("inquiry", "complaint")) == states
    assert found["complaint"]["accepted_how"] == "silent"


def test_the_job_of_a_disabled_plugin_does_nothing(make_estate):
    estate = make_estate(())
    called = []
    job = estate.place.plugins.registry.jobs["customer_service.silent_acceptance"]
    with estate.context() as ctx, pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "run", called.append)
        job(ctx)
    assert called == []


def test_a_periodic_job_is_queued_for_the_estates_that_have_something_to_do_and_for_no_other(make_estate):
    busy, idle = make_estate(), make_estate()
    place = busy.place
    with busy.context() as ctx:
        at = ctx.now - timedelta(hours=30)
        ctx.session.add(IdempotencyKey(user_id=busy.info.id, key="old", request_digest="x", created_at=at))
    resident, agent = busy.login("core.resident"), busy.login("customer_service.agent")
    request = resident.create("requests", title="x", request_kind="inquiry")
    agent.act("requests", request, "answer", resolution="Done")
    for name in ("core.purge_idempotency_keys", "customer_service.silent_acceptance"):
        codes = worker.estates_with(place, place.plugins.registry.jobs[name])
        assert busy.code in codes and idle.code not in codes, name
    for job in place.plugins.registry.jobs.values():
        if job.cron and job.due is None:
            assert idle.code in worker.estates_with(place, job)


def test_every_job_says_what_is_due_in_a_form_that_can_be_asked(installation):
    for job in installation.plugins.registry.jobs.values():
        if job.due is not None:
            assert isinstance(worker.estates_with(installation, job), list), job.name

"""The work of an import: its rows rehearsed or written, by a job or while the sender waits.

Each batch is committed together with its account, so a process that dies costs nothing: whoever takes the job up again
goes on after the last batch. Logs say which import failed and where, never what was in the file.
"""

import traceback
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from wuye.context import Actor, Context
from wuye.errors import Forbidden, NotFound, Problem
from wuye.i18n import _, use_locale
from wuye.identity.actors import actor_of
from wuye.ids import uuid7
from wuye.imports import runs
from wuye.imports.contents import UnreadableFile
from wuye.imports.engine import execute
from wuye.imports.mapping import Mapping, MappingError
from wuye.imports.models import ImportRejection, ImportRun
from wuye.imports.plans import Plan, importer_of, plan
from wuye.imports.report import Preview, Report

log = structlog.get_logger("wuye.imports")


def proceed(ctx: Context, run: str) -> None:
    """Rehearse or write an import, whichever it waits for; it ends as checked, done or failed.

    Raises:
        OperationalError: the database went away; to be tried again.
    """
    with ctx.apart() as step:
        row = step.session.scalar(select(ImportRun).where(ImportRun.id == UUID(run)))
    if row is None or row.state not in ("checking", "writing"):
        return
    with use_locale(row.locale):
        try:
            _work(ctx, row)
        except (Problem, UnreadableFile, MappingError) as error:
            _end(ctx, row, "failed", {**row.report, "problem": str(error)})
        except OperationalError:
            raise
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{last.filename}:{last.lineno}"
            log.error("import failed", run=run, estate=ctx.estate.code, error=type(error).__name__, where=where)
            said = _("Something went wrong on our side. The log knows more under “{id}”.", id=run)
            _end(ctx, row, "failed", {**row.report, "problem": str(said)})


def _work(ctx: Context, row: ImportRun) -> None:
    resource = ctx.loaded.registry.resources.get(row.resource)
    if resource is None or resource.plugin not in ctx.plugins:
        raise NotFound(_("What this was imported into is disabled here."))
    table = runs.read(ctx, row)
    mapping = Mapping.from_toml(str(row.mapping), importer_of(resource).targets)
    with ctx.apart() as step:
        actor = actor_of(step, row.user_id)
        if actor is None:
            raise Forbidden(_("Who began this import may not do it any more: {names}.", names=runs.IMPORT))
        if lacking := [name for name in runs.needed(ctx, resource, mapping) if name not in actor.permissions]:
            raise Forbidden(_("Who began this import may not do it any more: {names}.", names=", ".join(lacking)))
    made = plan(resource, table, mapping, row.name, dry_run=row.state == "checking")
    if made.dry_run:
        _rehearse(ctx, row, actor, made)
    else:
        _write(ctx, row, actor, made)


def _rehearse(ctx: Context, row: ImportRun, actor: Actor, made: Plan) -> None:
    def written(_step: Context, _report: Report, done: int) -> None:
        with ctx.apart() as own:
            _set(own.session, row, done=done)

    report = execute(partial(ctx.apart, actor, quiet=True), made, written)
    notes = [str(note) for note in made.mapping.notes]
    if made.identities:
        text = _(
            "{count} rows have no external id; they are known again by their content: one that changes is new.",
            count=len(made.identities),
        )
        notes.append(str(text))
    shown = {
        "notes": notes,
        "unused": list(made.mapping.unused(made.table.columns)),
        "previews": [_previewed(ctx, each) for each in report.previews],
        "warnings": [each.as_dict() for each in report.warnings[:20]],
        "made": dict(report.made),
    }
    with ctx.apart() as own:
        own.session.execute(delete(ImportRejection).where(ImportRejection.run_id == row.id))
        _account(own.session, row, report, len(made.table.rows))
    _end(ctx, row, "checked", shown)


def _write(ctx: Context, row: ImportRun, actor: Actor, made: Plan) -> None:
    def written(step: Context, report: Report, done: int) -> None:
        _account(step.session, row, report, done)

    execute(partial(ctx.apart, actor, quiet=True), made, written, start=row.done)
    _end(ctx, row, "done", row.report)


def _account(session: Session, row: ImportRun, report: Report, done: int) -> None:
    """Add what became of some rows to the account of their import."""
    _set(
        session,
        row,
        done=done,
        created=ImportRun.created + report.created,
        updated=ImportRun.updated + report.updated,
        unchanged=ImportRun.unchanged + report.unchanged,
        rejected=ImportRun.rejected + len(report.rejected),
    )
    refused = [each.as_dict() for each in report.rejected]
    session.add_all(
        ImportRejection(id=uuid7(), run_id=row.id, row=each["row"], columns=each["column"], reason=each["reason"])
        for each in refused
    )
    session.flush()


def _end(ctx: Context, row: ImportRun, state: str, report: dict[str, Any]) -> None:
    kept = runs.KEEP_DRAFT if state == "checked" else runs.KEEP_ENDED
    with ctx.apart() as own:
        _set(own.session, row, state=state, report=report, updated_at=own.now, expires_at=own.now + kept)


def _set(session: Session, row: ImportRun, **values: Any) -> None:
    session.execute(
        update(ImportRun).where(ImportRun.id == row.id).values(**values).execution_options(synchronize_session=False)
    )


def _previewed(ctx: Context, row: Preview) -> dict[str, Any]:
    values = {name: _shown(ctx, value) for name, value in row.values.items()}
    return {"row": row.row, "outcome": row.outcome, "values": values}


def _shown(ctx: Context, value: Any) -> str:
    if not isinstance(value, datetime):
        return str(value)
    return f"{value.astimezone(ctx.estate.tzinfo):%Y-%m-%d %H:%M}".removesuffix(" 00:00")

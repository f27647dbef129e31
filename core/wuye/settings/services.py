"""Reading and changing what an estate has decided about its plugins. No HTTP here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

import structlog
from marshmallow import ValidationError
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from wuye.errors import PreconditionRequired, Stale
from wuye.i18n import _
from wuye.ids import uuid7
from wuye.resources.declaration import plain
from wuye.resources.schemas import load_with
from wuye.settings.declaration import Settings
from wuye.settings.models import PluginSettings

if TYPE_CHECKING:
    from wuye.context import Context

log = structlog.get_logger("wuye.settings")

S = TypeVar("S")

#: How many changes a page shows.
_HISTORY = 20


@dataclass
class Cache:
    """What a step has read: the estate's rows, all in one statement, and the objects made of them."""

    rows: dict[str, tuple[int, Mapping[str, Any]]] | None = None
    made: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a plugin's settings: when, by whom, and what it was before and after."""

    at: datetime
    who: str
    changes: Mapping[str, tuple[Any, Any]]


def read(ctx: "Context", values: type[S]) -> S:
    """Return an estate's settings as an object of the declared class; one statement for all plugins of a step.

    A stored value that the declaration does not accept (any more) counts as not chosen, and is logged.

    Raises:
        KeyError: no loaded plugin declares this class.
    """
    declared = next((each for each in ctx.loaded.registry.settings.values() if each.values is values), None)
    if declared is None:
        raise KeyError(values.__name__)
    made = ctx.decided.made
    if declared.plugin not in made:
        made[declared.plugin] = values(**_valid(declared, _row(ctx, declared)[1]))
    return cast(S, made[declared.plugin])


def _row(ctx: "Context", declared: Settings) -> tuple[int, Mapping[str, Any]]:
    if ctx.decided.rows is None:
        found = ctx.session.fetch("SELECT plugin, version, chosen FROM core_plugin_settings", {})
        ctx.decided.rows = {plugin: (version, chosen) for plugin, version, chosen in found}
    return ctx.decided.rows.get(declared.plugin, (0, {}))


def _valid(declared: Settings, chosen: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in chosen.items() if name in declared.items}
    try:
        return cast(dict[str, Any], declared.schema.load(known, partial=True))
    except ValidationError as error:
        wrong = set(cast(dict[str, Any], error.messages))
        log.warning("stored settings are not valid", plugin=declared.plugin, settings=sorted(wrong))
        return _valid(declared, {name: value for name, value in known.items() if name not in wrong})


def shown(ctx: "Context", declared: Settings) -> dict[str, Any]:
    """Return a plugin's settings as the API shows them: the version, the values, and what each of them means."""
    version, _chosen = _row(ctx, declared)
    defaults = declared.schema.dump(declared.defaults)
    return {
        "plugin": declared.plugin,
        "version": version,
        "values": declared.schema.dump(read(ctx, declared.values)),
        "settings": [
            {"name": name, "label": str(item.label), "help": str(item.help), "default": defaults[name]}
            for name, item in declared.items.items()
        ],
    }


def change(ctx: "Context", declared: Settings, data: object, version: int | None) -> None:
    """Change some settings of a plugin; who changed what stands on the estate's timeline.

    `version` is the one that the caller has read; 0 before anything was ever changed.

    Raises:
        Forbidden: the actor may not. Invalid: a value is not accepted, then none is taken.
        PreconditionRequired: no version was given. Stale: somebody was faster.
    """
    ctx.require(declared.permission)
    given = load_with(declared.schema, data, partial=True)
    if version is None:
        raise PreconditionRequired(
            _("Send the version that you have read in the header If-Match."),
            hint=_("It came as ETag with the thing."),
        )
    row = ctx.session.scalar(select(PluginSettings).where(PluginSettings.plugin == declared.plugin).with_for_update())
    if version != (row.version if row else 0):
        raise _stale()
    before = _valid(declared, row.chosen if row else {})
    old = {**declared.defaults, **before}
    changes = {name: [plain(old[name]), plain(value)] for name, value in given.items() if old[name] != value}
    if not changes:
        return
    if row is None:
        row = PluginSettings(
            id=uuid7(), plugin=declared.plugin, chosen={}, created_at=ctx.now, created_by=ctx.actor.user_id
        )
        ctx.session.add(row)
    row.chosen = {**row.chosen, **cast(dict[str, Any], plain(declared.schema.dump({**before, **given})))}
    row.updated_at = ctx.now
    ctx.note(row.id, row.id, "settings_changed", {"plugin": declared.plugin, "changes": changes}, "staff")
    try:
        ctx.seal()
    except IntegrityError as error:  # somebody else made the first row in this very moment
        raise _stale() from error
    ctx.forget_settings()


def _stale() -> Stale:
    return Stale(_("Somebody changed it in the meantime: read it again, then repeat your change."))


def history(ctx: "Context", declared: Settings) -> list[Change]:
    """Return the last changes of a plugin's settings, the newest first."""
    from wuye.identity.models import User  # here: it knows the context's own imports
    from wuye.records.models import Timeline

    table = Timeline.__table__.c
    thread = select(PluginSettings.id).where(PluginSettings.plugin == declared.plugin).scalar_subquery()
    statement = (
        select(table.at, User.name, table.data)
        .outerjoin(User, User.id == table.actor_id)
        .where(table.thread_id == thread, table.event == "settings_changed")
        .order_by(table.sequence.desc())
        .limit(_HISTORY)
    )
    rows = ctx.session.connection().execute(statement)
    return [Change(at, who or "", data["changes"]) for at, who, data in rows]

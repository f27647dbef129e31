"""Creating estates, and enabling and disabling plugins in them. All of it is rows: no restart, no migration."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from wuye.clock import Clock
from wuye.context import Actor, Context, EstateInfo
from wuye.contracts import DEFAULT_ROUTES
from wuye.db.session import EstateSession
from wuye.errors import Conflict, FieldError, Invalid, NotFound
from wuye.estates.models import Estate, EstatePlugin
from wuye.i18n import LOCALES, _
from wuye.ids import uuid7
from wuye.people.models import Department
from wuye.plugins.loader import Plugins
from wuye.records.timeline import start_chain
from wuye.referrals.models import Route
from wuye.referrals.services import offer_waiting, take_off

_CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_BAD_CODE = _("Use 1 to 40 of a-z, 0-9 and -.")


def check_code(code: str) -> str:
    """Return a code that an estate may have.

    Raises:
        Invalid: it may not.
    """
    if not _CODE.fullmatch(code):
        raise Invalid(_("An estate cannot have this code."), errors=[FieldError("code", _BAD_CODE)])
    return code


def create_estate(
    session: EstateSession,
    clock: Clock,
    *,
    code: str,
    name: str,
    organisation: str = "",
    zone: str = "Asia/Shanghai",
    locale: str = "zh_Hans",
) -> EstateInfo:
    """Create an estate with the head of its timeline and its first routing table; pins the session to it.

    Raises:
        Invalid: code, zone or locale cannot be used. Conflict: the code is taken.
    """
    errors = []
    if not _CODE.fullmatch(code):
        errors.append(FieldError("code", _BAD_CODE))
    if not name.strip():
        errors.append(FieldError("name", _("This may not be empty.")))
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        errors.append(FieldError("zone", _("This is no IANA time zone like Asia/Shanghai.")))
    if locale not in LOCALES:
        errors.append(FieldError("locale", _("Use one of: {choices}.", choices=", ".join(LOCALES))))
    if errors:
        raise Invalid(_("The estate cannot be created."), errors=errors)
    if session.scalar(select(Estate.id).where(Estate.code == code)):
        raise Conflict(_("There is an estate “{code}” already.", code=code))
    now = clock.now()
    estate = Estate(
        id=uuid7(), code=code, name=name, organisation=organisation, zone=zone, locale=locale, state="active",
        created_at=now,
    )  # fmt: skip
    session.add(estate)
    session.flush()
    session.pin(estate.id)
    start_chain(session)
    for category, department in DEFAULT_ROUTES.items():
        session.add(Route(category=category, department=department, created_at=now, updated_at=now))
    session.flush()
    return EstateInfo(estate.id, code, name, zone, locale)


def system_actor(plugins: Plugins, name: str = "wuye") -> Actor:
    """Return the program itself as an actor, with every permission."""
    return Actor(None, None, name, frozenset(plugins.registry.permissions))


def enabled_plugins(session: EstateSession, estate_id: UUID) -> frozenset[str]:
    """Return what an estate has enabled, installed or not."""
    rows = select(EstatePlugin.plugin).where(EstatePlugin.estate_id == estate_id, EstatePlugin.enabled)
    return frozenset(session.scalars(rows))


def enable(ctx: Context, names: Iterable[str]) -> dict[str, int]:
    """Enable plugins for an estate, with what they require; return how many waiting referrals each is offered now.

    Raises:
        NotFound: one is not installed.
    """
    offered: dict[str, int] = {}
    for name in names:
        plugin = ctx.loaded.loaded.get(name)
        if plugin is None or name == "core":
            raise NotFound(_("There is no plugin “{name}” here.", name=name), installed=list(ctx.loaded.names))
        if plugin.manifest.requires:
            offered |= enable(ctx, [other for other in plugin.manifest.requires if other not in ctx.plugins])
        _switch(ctx, name, enabled=True)
        ctx.plugins |= {name}
        _add_department(ctx, name, plugin.manifest.label)
        ctx.call("on_enable", only=name)
        offered[name] = offer_waiting(ctx, name)
    return offered


@dataclass(frozen=True, slots=True)
class OpenWork:
    """What is still under way in a plugin: a count by record kind."""

    kind: str
    count: int

    @property
    def plugin(self) -> str:
        """The plugin whose kind it is."""
        return self.kind.partition(".")[0]


def open_work(ctx: Context) -> list[OpenWork]:
    """Return the open records of all plugins, by kind."""
    return [OpenWork(kind, count) for kind, count in ctx.session.fetch(_OPEN_WORK, {})]


#: Text already, so that the database knows the index of what is open by these words, and reads nothing else.
_OPEN_WORK = "SELECT kind, count(*) FROM core_record WHERE phase <> 'done' GROUP BY kind ORDER BY kind"


def disable(ctx: Context, name: str, *, force: bool = False) -> list[OpenWork]:
    """Disable a plugin: its routes, hooks and jobs fall silent in every process at once, its data stays.

    Raises:
        NotFound: it is not enabled. Conflict: others require it, or work is open and `force` is not given.
    """
    if name not in enabled_plugins(ctx.session, ctx.estate.id):
        raise NotFound(_("The plugin “{name}” is not enabled here.", name=name))
    dependants = [
        other for other in ctx.plugins if other != "core" and name in ctx.loaded.loaded[other].manifest.requires
    ]
    if dependants:
        raise Conflict(_("{names} require it: disable them first.", names=", ".join(dependants)))
    work = [each for each in open_work(ctx) if each.plugin == name]
    if work and not force:
        raise Conflict(
            _(
                "Work is still open: {list}.",
                list=", ".join(f"{item.count} × {item.kind}" for item in work),
            ),
            hint=_("Finish it first, or repeat this with --force: the work stays as it is until you enable it again."),
            open=[{"kind": item.kind, "count": item.count} for item in work],
        )
    if name in ctx.plugins:
        ctx.call("on_disable", only=name)
    take_off(ctx, name)
    _switch(ctx, name, enabled=False)
    ctx.plugins -= {name}
    return work


def _switch(ctx: Context, name: str, *, enabled: bool) -> None:
    statement = insert(EstatePlugin).values(estate_id=ctx.estate.id, plugin=name, enabled=enabled, changed_at=ctx.now)
    ctx.session.execute(
        statement.on_conflict_do_update(
            index_elements=["estate_id", "plugin"], set_={"enabled": enabled, "changed_at": ctx.now}
        )
    )


def _add_department(ctx: Context, code: str, name: str) -> None:
    """Give the estate the department that a plugin is for, unless it has it."""
    row = {"estate_id": ctx.estate.id, "id": uuid7(), "code": code, "name": name, "plugin": code, "version": 1}
    statement = insert(Department).values(**row, created_at=ctx.now, updated_at=ctx.now)
    ctx.session.execute(statement.on_conflict_do_nothing(index_elements=["estate_id", "code"]))

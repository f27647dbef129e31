"""Preparing the demo: once; after that it is only looked up."""

import base64
import hashlib
import hmac
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from wuye.clock import ManualClock
from wuye.context import Context
from wuye.demo.people import populate
from wuye.demo.places import build
from wuye.demo.stage import Stage, first_midnight
from wuye.estates.models import Estate
from wuye.estates.services import create_estate, enable, system_actor
from wuye.identity.models import User
from wuye.identity.services import add_member, create_user
from wuye.installation import Installation
from wuye.records.services import perform
from wuye.referrals.models import OFFICE, Referral

CODE = "demo"
_SEED = 20260301
_DAYS = 30

#: Address → (what they are, roles, post of the person behind; None: a resident; "": nobody in the estate).
_USERS: dict[str, tuple[str, tuple[str, ...], str | None]] = {
    "manager": ("物业经理 manager", ("core.manager",), "经理"),
    "agent": ("客服 service desk", ("core.agent", "customer_service.agent"), "客服"),
    "technician": ("维修技工 technician", ("core.staff", "maintenance.technician"), "维修技工"),
    "guard": ("保安 guard", ("core.staff",), "保安"),
    "cleaner": ("保洁 cleaner", ("core.staff",), "保洁"),
    "inspector": ("督导 inspector", ("core.supervisor",), "督导"),
    "resident": ("业主 resident", ("core.resident",), None),
    "admin": ("托管商 host admin", (), ""),
}


@dataclass(frozen=True)
class DemoUser:
    """Somebody who can sign in to the demo."""

    email: str
    label: str
    password: str


@dataclass(frozen=True)
class DemoSummary:
    """What `prepare` found or made."""

    created: bool
    estate: str
    users: tuple[DemoUser, ...]


def demo_users(place: Installation) -> tuple[DemoUser, ...]:
    """Return who can sign in to the demo."""
    return tuple(
        DemoUser(f"{name}@demo.example", label, _password(place, name))
        for name, (label, _roles, _post) in _USERS.items()
    )


def prepare(place: Installation) -> DemoSummary:
    """Bring the tables up to date, and make the demo estate unless it is there; all of it or nothing."""
    place.upgrade()
    users = demo_users(place)
    with place.database.session() as session:
        if session.scalar(select(Estate.id).where(Estate.code == CODE)):
            return DemoSummary(created=False, estate=CODE, users=users)
    with place.database.session() as session:
        clock = ManualClock(place.clock.now() - timedelta(days=_DAYS))
        info = create_estate(
            session, clock, code=CODE, name="望江花园", organisation="望江物业服务有限公司", zone="Asia/Shanghai"
        )
        ctx = place.context(session, info, system_actor(place.plugins), frozenset())
        ctx.now = clock.now()
        enable(ctx, place.plugins.names)
        ctx.seal()
        for user in users:
            label, _roles, post = _USERS[user.email.partition("@")[0]]
            create_user(
                session, clock, email=user.email, name=label, password=user.password, demo=True, host_admin=post == ""
            )
        furnish(ctx, place.clock.now())
    return DemoSummary(created=True, estate=CODE, users=users)


def furnish(ctx: Context, now: datetime) -> None:
    """Give an estate homes, people and the work of the month before `now`, in the departments that it has enabled.

    The demo's users, where there are any, become members of it.
    """
    ctx.now = now - timedelta(days=_DAYS)
    chance = random.Random(_SEED)
    homes, shared = build(ctx)
    cast = populate(ctx, homes, chance)
    ctx.seal()
    for user in ctx.session.scalars(select(User).where(User.demo).order_by(User.email)).all():
        _label, roles, post = _USERS.get((user.email or "").partition("@")[0], ("", (), ""))
        if post != "":
            person = cast.staff[post][0] if post else cast.residents[0][0]
            add_member(ctx.session, ctx.loaded.registry, ctx.estate, user, roles, person.id)
    stage = Stage(ctx, chance, homes, shared, cast, first_midnight(ctx, now, _DAYS))
    for day in stage.days(_DAYS):
        ctx.call("load_demo", stage=day)
        _coordinate(day)


_OUTCOMES = (
    "已安排保洁现场清理",
    "已联系车主挪车, 通道恢复畅通",
    "已上门劝阻, 双方同意错峰施工",
    "已清理楼道并张贴提示",
)


def _coordinate(stage: Stage) -> None:
    """Have the manager settle by hand what no department takes; some of it stays on the board for a day or two."""
    ctx = stage.ctx
    waiting = select(Referral).where(Referral.department == OFFICE, Referral.state == "offered")
    manager = stage.staff("经理")
    for referral in ctx.session.scalars(waiting.where(Referral.opened_at < stage.midnight)).all():
        if stage.chance.random() < 0.8:
            acting = stage.acting(manager, ("core.manager",), max(stage.at(10), referral.updated_at))
            perform(acting, referral, "handle", {"outcome": stage.chance.choice(_OUTCOMES)})
            acting.seal()


def _password(place: Installation, name: str) -> str:
    """Return a demo user's password: derived from the installation's secret, so that no two installations share it."""
    digest = hmac.new(place.settings.secret(), f"demo password {name}".encode(), hashlib.sha256).digest()
    return "-".join(base64.b32encode(digest[i : i + 5]).decode().lower()[:5] for i in (0, 5, 10))

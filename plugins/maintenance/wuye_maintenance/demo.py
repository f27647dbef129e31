"""A day in the workshop of the demo estate."""

from datetime import datetime, timedelta

from sqlalchemy import func, select

from wuye.api import Person, Record, Referral, Stage, perform
from wuye_maintenance.models import Asset, WorkOrder

CHIEF = ("core.staff", "core.supervisor", "maintenance.dispatcher")
TECHNICIAN = ("core.staff", "maintenance.technician")

#: What was done, and what it took.
REMEDIES: tuple[tuple[str, tuple[dict[str, str], ...]], ...] = (
    ("更换密封圈, 试水正常", ({"item": "密封圈 DN15", "quantity": "2", "measure_unit": "个"},)),
    ("更换开关面板", ({"item": "单联开关面板", "quantity": "1", "measure_unit": "个"},)),
    ("疏通后排水正常", ()),
    ("更换灯管", ({"item": "LED 灯管 T8", "quantity": "1", "measure_unit": "支"},)),
    ("调整门机皮带", ()),
    (
        "重新接线并测试",
        (
            {"item": "铜芯线 2.5 mm²", "quantity": "3.5", "measure_unit": "米"},
            {"item": "接线端子", "quantity": "4", "measure_unit": "个"},
        ),
    ),
)
CAUSES = ("老化磨损", "堵塞", "接触不良", "使用不当", "部件松动")
CLASSES = {"电梯机房": ("电梯", 2), "地下水泵房": ("水泵", 4), "配电房": ("变压器", 2), "地下车库": ("排烟风机", 3)}


def live_day(stage: Stage) -> None:
    """Take over what was offered, then work on what is assigned; some of it stays for tomorrow."""
    session = stage.ctx.session
    if not session.scalar(select(func.count()).select_from(Asset)):
        _add_assets(stage)
    offered = select(Referral).where(Referral.department == "maintenance", Referral.state == "offered")
    for referral in session.scalars(offered).all():
        at = referral.opened_at + timedelta(minutes=stage.chance.randrange(3, 15))
        _step(stage, stage.staff("工程主管"), CHIEF, at, referral, "accept")
    for order in session.scalars(select(WorkOrder).where(WorkOrder.phase != "done", WorkOrder.state != "done")).all():
        _work_on(stage, order)


def _work_on(stage: Stage, order: WorkOrder) -> None:
    if order.state == "ready":
        first = stage.cast.staff["维修技工"][0]
        technician = first if stage.left <= 2 and stage.chance.random() < 0.6 else stage.staff("维修技工")
        chief = stage.staff("工程主管")
        at = order.updated_at + timedelta(minutes=stage.chance.randrange(2, 20))
        _step(stage, chief, CHIEF, at, order, "assign", assignee=str(technician.id))
    person = stage.ctx.session.get(Person, (stage.ctx.estate.id, order.assignee_id))
    unfinished = {0: 1.0, 1: 0.6, 2: 0.4}.get(stage.left, 0.12)
    if person is None or (order.priority != "emergency" and stage.chance.random() < unfinished):
        return
    at = order.updated_at + timedelta(minutes=stage.chance.randrange(3, 40))
    if at < stage.midnight:  # it rested over night
        at = stage.at(8)
    for action in _remaining(order.state, stage):
        at += timedelta(minutes=stage.chance.randrange(4, 25))
        data: dict[str, object] = {}
        if action == "hold":
            data = {"hold_reason": "waiting_parts"}
        if action == "finish":
            remedy, materials = stage.chance.choice(REMEDIES)
            data = {"remedy": remedy, "cause": stage.chance.choice(CAUSES), "materials": materials}
        _step(stage, person, TECHNICIAN, at, order, action, **data)


def _remaining(state: str, stage: Stage) -> tuple[str, ...]:
    """Return the steps that lead from a state to the end; now and then parts are missing, and it rests."""
    ending: tuple[str, ...] = ("hold",) if stage.chance.random() < 0.06 else ("finish",)
    steps = {
        "assigned": ("take", "depart", "arrive", "start"),
        "accepted": ("depart", "arrive", "start"),
        "rework": ("start",),
        "on_hold": ("resume",),
        "in_progress": (),
    }
    return (*steps.get(state, ()), *ending) if state in steps else ()


def _add_assets(stage: Stage) -> None:
    ctx = stage.ctx
    for place in stage.shared:
        name, count = CLASSES.get(place.name, ("", 0))
        for number in range(1, count + 1):
            ctx.session.add(
                Asset(
                    code=f"{place.code}-{number}",
                    name=f"{name} {number}",
                    asset_class=name,
                    place_id=place.id,
                    maker="上海三菱" if name == "电梯" else None,
                    created_at=stage.midnight,
                    updated_at=stage.midnight,
                )
            )
    ctx.session.flush()


def _step(
    stage: Stage, person: Person, roles: tuple[str, ...], at: datetime, record: Record, action: str, **data: object
) -> None:
    ctx = stage.acting(person, roles, at)
    perform(ctx, record, action, data)
    ctx.seal()

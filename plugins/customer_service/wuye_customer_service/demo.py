"""A day at the service desk of the demo estate."""

from datetime import datetime, timedelta

from sqlalchemy import select

from wuye.api import Person, Stage, perform
from wuye_customer_service.models import Request
from wuye_customer_service.services import create_request

AGENT = ("core.agent", "customer_service.agent")
RESIDENT = ("core.resident",)

#: Kind, title, category (None: answered at once), priority, the answer if there is one.
SCRIPTS: tuple[tuple[str, str, str | None, str, str], ...] = (
    ("repair", "厨房水龙头漏水", "repair.plumbing", "normal", ""),
    ("repair", "卫生间地漏返水", "repair.plumbing", "urgent", ""),
    ("repair", "客厅插座没有电", "repair.electric", "normal", ""),
    ("repair", "楼道灯不亮", "repair.lighting", "low", ""),
    ("repair", "电梯运行有异响", "repair.elevator", "urgent", ""),
    ("repair", "有人被困在电梯里", "repair.elevator", "emergency", ""),
    ("repair", "单元门禁刷卡无反应", "repair.door", "normal", ""),
    ("repair", "暖气不热", "repair.heating", "normal", ""),
    ("complaint", "楼上深夜装修噪音", "security.noise", "normal", ""),
    ("complaint", "消防通道被车辆占用", "security.parking", "urgent", ""),
    ("complaint", "垃圾桶旁有异味", "environment.waste", "normal", ""),
    ("complaint", "楼梯间堆放杂物", "environment.sanitation", "normal", ""),
    ("suggestion", "希望在东门增加快递柜", "office.proposal", "low", ""),
    ("inquiry", "地下车位怎么办理租用", None, "normal", "请携带行驶证到客服中心登记, 每月 300 元。"),
    ("inquiry", "物业费可以线上缴纳吗", None, "low", "可以, 在业主端“账单”中缴纳。"),
    ("inquiry", "装修需要办什么手续", None, "normal", "先到客服中心提交装修申请和图纸, 三个工作日内答复。"),
    ("help", "老人不会用门禁, 请上门帮忙", None, "normal", "客服已上门协助设置。"),
    ("praise", "感谢保安师傅帮忙搬东西", None, "low", "谢谢您的表扬, 已转告本人。"),
)
#: When people report, most often before and after work.
HOURS = (7, 8, 8, 9, 9, 10, 10, 11, 13, 14, 15, 16, 17, 18, 18, 19, 19, 20, 21)
CHANNELS = ("phone", "app", "wechat", "counter", "web")


def live_day(stage: Stage) -> None:
    """Answer for what was done since yesterday, then take what comes in today."""
    for request in stage.ctx.session.scalars(select(Request).where(Request.state == "resolved")).all():
        _answer_for(stage, request)
    waiting = select(Request).where(Request.state == "new", Request.opened_at < stage.midnight)
    for request in stage.ctx.session.scalars(waiting).all():
        answer = "已电话回复并登记跟进。"
        _step(stage, stage.staff("客服"), AGENT, stage.at(9), request, "answer", resolution=answer)
    for _number in range(stage.chance.randint(4, 6)):
        _take_in(stage)


def _take_in(stage: Stage) -> None:
    kind, title, category, priority, answer = stage.chance.choice(SCRIPTS)
    person, home = stage.chance.choice(stage.cast.residents)
    at = stage.at(stage.chance.choice(HOURS))
    ctx = stage.acting(person, RESIDENT, at)
    request = create_request(
        ctx,
        {
            "title": title,
            "request_kind": kind,
            "priority": priority,
            "place_id": home.id,
            "channel": stage.chance.choice(CHANNELS),
            "contact_phone": person.phone,
            "due_at": at + timedelta(hours={"emergency": 1, "urgent": 4, "normal": 24, "low": 72}[priority]),
        },
    )
    ctx.seal()
    agent = stage.staff("客服")
    if answer:
        _step(stage, agent, AGENT, at + timedelta(minutes=9), request, "answer", resolution=answer)
    elif category and stage.chance.random() < 0.95:
        promise = {"promise": "今天内上门", "category": category}
        _step(stage, agent, AGENT, at + timedelta(minutes=6), request, "accept", **promise)
        _step(stage, agent, AGENT, at + timedelta(minutes=8), request, "dispatch")


def _answer_for(stage: Stage, request: Request) -> None:
    """Have the requester accept, refuse or say nothing; the desk closes and asks for a rating."""
    resident = stage.ctx.session.get(Person, (stage.ctx.estate.id, request.requester_id))
    if resident is None or stage.chance.random() < 0.1:
        return
    at = stage.at(7)
    if request.reopens == 0 and stage.chance.random() < 0.08:
        _step(stage, resident, RESIDENT, at, request, "refuse", reason="还是没有修好")
        return
    _step(stage, resident, RESIDENT, at, request, "confirm")
    if stage.chance.random() < 0.6:
        rating = stage.chance.choice((5, 5, 5, 4, 4, 3, 2))
        _step(stage, resident, RESIDENT, at + timedelta(minutes=1), request, "rate", rating=rating)
    _step(stage, stage.staff("客服"), AGENT, at + timedelta(minutes=40), request, "close")


def _step(
    stage: Stage, person: Person, roles: tuple[str, ...], at: datetime, request: Request, action: str, **data: object
) -> None:
    ctx = stage.acting(person, roles, at)
    perform(ctx, request, action, data)
    ctx.seal()

"""Who lives and works in the demo estate. Names are made up of common ones; telephone numbers are not in service."""

import random
from dataclasses import dataclass

from sqlalchemy import select

from wuye.context import Context
from wuye.ids import uuid7
from wuye.people.models import Department, Occupancy, Person, Staff
from wuye.properties.models import Property
from wuye.records import search

_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗"
_GIVEN = "伟 芳 娜 敏 静 丽 强 磊 军 洋 勇 艳 杰 涛 明 超 秀兰 霞 平 刚 桂英 建国 雨 子涵 浩然 欣怡 梓轩 思远 晓东 海燕"

#: Department code → (its name, posts with the number of people in each).
STAFF = {
    "customer_service": ("客户服务部", {"客服": 3}),
    "maintenance": ("工程维修部", {"维修技工": 4, "工程主管": 1}),
    "security": ("安全管理部", {"保安": 4}),
    "environment": ("环境管理部", {"保洁": 3, "绿化": 1}),
    "office": ("物业管理处", {"督导": 1, "经理": 1}),
}


@dataclass
class Cast:
    """The people of the demo: residents with their homes, and staff by post."""

    residents: list[tuple[Person, Property]]
    staff: dict[str, list[Person]]


def populate(ctx: Context, homes: list[Property], chance: random.Random) -> Cast:
    """Fill homes with people, and departments with staff."""
    living: list[tuple[Person, Property, str]] = []
    for home in homes:
        living.append((_person(ctx, chance), home, "owner"))
        for _number in range(chance.choice((0, 0, 1, 1, 2))):
            living.append((_person(ctx, chance), home, chance.choice(("tenant", "member"))))
    by_post = {
        post: [_person(ctx, chance) for _number in range(count)]
        for _name, posts in STAFF.values()
        for post, count in posts.items()
    }
    ctx.session.flush()  # what follows refers to them
    for person, home, relation in living:
        _occupancy(ctx, person, home, relation, chance)
    _employ(ctx, by_post)
    return Cast([(person, home) for person, home, _relation in living], by_post)


def _employ(ctx: Context, by_post: dict[str, list[Person]]) -> None:
    known = {row.code: row for row in ctx.session.scalars(select(Department))}
    for code, (name, posts) in STAFF.items():
        department = known.get(code) or Department(id=uuid7(), code=code, created_at=ctx.now, updated_at=ctx.now)
        department.name = name
        ctx.session.add(department)
        ctx.session.flush()
        posted = [(post, person) for post in posts for person in by_post[post]]
        for number, (post, person) in enumerate(posted, 1):
            ctx.session.add(
                Staff(
                    person_id=person.id,
                    department_id=department.id,
                    post=post,
                    employee_number=f"{code[:1].upper()}{number:03d}",
                    on_duty="主管" not in post,
                    created_at=ctx.now,
                    updated_at=ctx.now,
                )
            )


def _person(ctx: Context, chance: random.Random) -> Person:
    name = chance.choice(_SURNAMES) + chance.choice(_GIVEN.split())
    phone = f"1{chance.choice((38, 39, 50, 86))}0000{chance.randrange(10_000):04d}"
    person = Person(id=uuid7(), name=name, phone=phone, created_at=ctx.now, updated_at=ctx.now)
    ctx.session.add(person)
    search.index(ctx.session, "core_person", person.id, (name,), name=name, masked=(phone,))
    return person


def _occupancy(ctx: Context, person: Person, home: Property, relation: str, chance: random.Random) -> None:
    since = ctx.now.astimezone(ctx.estate.tzinfo).date().replace(year=ctx.now.year - chance.randrange(1, 9), day=1)
    ctx.session.add(
        Occupancy(
            person_id=person.id,
            property_id=home.id,
            relation=relation,
            since=since,
            created_at=ctx.now,
            updated_at=ctx.now,
        )
    )

"""What the departments need to live through a month of the demo: places, people, the day, and somebody to act as."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from wuye.context import Actor, Context
from wuye.demo.people import Cast
from wuye.people.models import Person
from wuye.properties.models import Property


@dataclass
class Stage:
    """A day of the demo; the hook `load_demo` gets it once for each day, oldest first.

    `midnight` is when the day began in the estate, `left` how many days follow it; `chance` is seeded, so that every demo
    is alike.
    """

    ctx: Context
    chance: random.Random
    homes: list[Property]
    shared: list[Property]
    cast: Cast
    midnight: datetime
    left: int = 0

    def days(self, count: int) -> Iterator["Stage"]:
        """Yield the stage on each of the following days."""
        for number in range(count):
            self.left = count - 1 - number
            yield self
            self.midnight += timedelta(days=1)

    def at(self, hour: float) -> datetime:
        """Return a moment of the day, some minutes after `hour` o'clock."""
        return self.midnight + timedelta(hours=hour, minutes=self.chance.randrange(50))

    def acting(self, person: Person, roles: tuple[str, ...], at: datetime) -> Context:
        """Return the context of a person who acts with these roles at a moment of the day; seal it after the step."""
        ctx = self.ctx
        permissions = ctx.loaded.registry.permissions_of(roles, ctx.plugins)
        actor = Actor(None, person.id, person.name, permissions)
        return Context(ctx.session, ctx.estate, actor, ctx.plugins, ctx.loaded, at, ctx.data, ctx.letters)

    def staff(self, post: str) -> Person:
        """Return somebody who has a post."""
        return self.chance.choice(self.cast.staff[post])


def first_midnight(ctx: Context, now: datetime, days: int) -> datetime:
    """Return the midnight, in the estate's zone, of the day that lies `days` before `now`."""
    zone = ctx.estate.tzinfo
    return datetime.combine(now.astimezone(zone).date() - timedelta(days=days), time(), zone)

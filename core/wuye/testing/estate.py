"""An estate made for one test."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from sqlalchemy import select

from wuye.context import Actor, Context
from wuye.estates.services import create_estate, enable, system_actor
from wuye.identity.services import add_member, create_token, create_user
from wuye.installation import Installation
from wuye.people.models import Department, Person, Staff
from wuye.testing.client import Client

#: What a department's people usually are besides: the core role that goes with a plugin's own.
_COMPANIONS = {"agent": "core.agent"}


class TestEstate:
    """A fresh estate with all plugins enabled (or the given ones), and people who act in it."""

    __test__ = False

    def __init__(self, place: Installation, app: Flask, plugins: Sequence[str] | None = None) -> None:
        self.place = place
        self.app = app
        self.code = f"t-{uuid4().hex[:12]}"
        with place.database.session() as session:
            self.info = create_estate(session, place.clock, code=self.code, name="Test", locale="en")
            ctx = place.context(session, self.info, system_actor(place.plugins), frozenset())
            enable(ctx, place.plugins.names if plugins is None else plugins)
            ctx.seal()

    @contextmanager
    def context(self, *, permissions: frozenset[str] | None = None, person: UUID | None = None) -> Iterator[Context]:
        """Open a context of the program itself, or of a person with these permissions; commits at the end."""
        with self.place.database.session() as session:
            actor = system_actor(self.place.plugins)
            if permissions is not None:
                actor = Actor(None, person, "test", permissions)
            ctx = self.place.context(session, self.info, actor)
            yield ctx
            ctx.seal()

    def person(self, name: str, **values: Any) -> UUID:
        """Add a person and return their id."""
        with self.context() as ctx:
            row = Person(name=name, created_at=ctx.now, updated_at=ctx.now, **values)
            ctx.session.add(row)
            ctx.session.flush()
            return row.id

    def staff(self, person: UUID, department: str) -> None:
        """Put a person on duty in a department."""
        with self.context() as ctx:
            found = ctx.session.scalars(select(Department).where(Department.code == department)).one()
            ctx.session.add(
                Staff(person_id=person, department_id=found.id, created_at=ctx.now, updated_at=ctx.now, on_duty=True)
            )

    def login(self, *roles: str, scopes: Sequence[str] = ("*",)) -> Client:
        """Return a client of a new user with these roles, who is a person of the estate too.

        A department's own role brings what its people are in core: staff, or agent for an agent; its people are on duty.
        """
        everything = list(roles)
        for role in roles:
            plugin, _dot, name = role.partition(".")
            if plugin != "core":
                everything.append(_COMPANIONS.get(name, "core.staff"))
        person = self.person(f"{roles[0] if roles else 'nobody'} {uuid4().hex[:6]}")
        with self.context() as ctx:
            user = create_user(ctx.session, self.place.clock, email=f"{uuid4().hex}@test.example")
            add_member(ctx.session, self.place.plugins.registry, self.info, user, everything, person)
            secret = self.place.database.secret
            token = create_token(ctx.session, secret, self.place.clock, user, self.info, scopes=scopes)
        for plugin in {role.partition(".")[0] for role in roles} - {"core"}:
            self.staff(person, plugin)
        return Client(self.app, self.code, token, self.place.plugins.registry.resources, person)

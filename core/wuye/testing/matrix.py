"""The matrix of permissions: every route of a resource × every role × somebody's thing, one's own, another estate's.

What a role may do is worked out from the manifests, and what the application answers is compared with it, so that a
permission that is too wide fails as well as one that is too narrow.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import select
from werkzeug.test import TestResponse

from wuye.context import Context
from wuye.files import services as files
from wuye.files.models import Attachment
from wuye.identity.services import identify
from wuye.records.flow import SYSTEM, Transition
from wuye.records.models import Record
from wuye.resources.declaration import Resource
from wuye.testing.client import Client
from wuye.testing.estate import TestEstate
from wuye.testing.inputs import minimal
from wuye.testing.samples import make_one, references

#: What an answer can be when the caller may: it worked, or the input or the present state are the only objection.
_MAY = frozenset({200, 201, 204, 409, 422})
_ABSENT = frozenset({404})
_FORBIDDEN = frozenset({403})


@dataclass(frozen=True)
class _Call:
    """A request that a route answers: its permissions at the door, and what the caller needs besides.

    `file` is what is sent in a form; `attached` says whose file it is about: the caller's own, or the program's.
    """

    route: str
    method: str
    tail: tuple[object, ...]
    door: tuple[str | None, ...]
    body: Any = None
    step: Transition | None = None
    file: bytes | None = None
    attached: Literal["own", "another's"] | None = None

    @property
    def about_one(self) -> bool:
        """Whether it is about one thing, which may be another estate's."""
        return bool(self.tail)


def _calls(item: Resource, identity: UUID, body: Any) -> Iterator[_Call]:
    readers = (item.read, item.read_own)
    yield _Call("list", "GET", (), readers)
    yield _Call("read", "GET", (identity,), readers)
    yield _Call("timeline", "GET", (identity, "timeline"), readers)
    yield _Call("files", "GET", (identity, "files"), readers)
    yield _Call("file", "GET", (identity, "files", identity), readers, attached="another's")
    if talkers := tuple(item.comment or ()):
        yield _Call("comment", "POST", (identity, "comments"), talkers, {"text": "seen", "internal": False})
        yield _Call("attach", "POST", (identity, "files"), talkers, file=b"seen")
        yield _Call("detach own", "DELETE", (identity, "files", identity), talkers, attached="own")
        if item.update:
            yield _Call("detach", "DELETE", (identity, "files", identity), talkers, attached="another's")
    if item.create:
        yield _Call("create", "POST", (), (item.create,), body)
    if item.update:
        yield _Call("update", "PATCH", (identity,), (item.update,), {})
    if item.masked_attributes:
        masked = next(name for name, attribute in item.attributes.items() if attribute in item.masked_attributes)
        request = {"field": masked, "reason": "calling back"}
        yield _Call("reveal", "POST", (identity, "reveal"), ("core.reveal",), request)
    steps: list[Transition] = list(item.flow.transitions.values()) if item.flow else []
    door = tuple({step.permission for step in steps} - {SYSTEM})
    for step in steps:
        if step.permission != SYSTEM:
            tail = (identity, "actions", step.name)
            yield _Call(f"action {step.name}", "POST", tail, door, {}, step)


def _expected(item: Resource, call: _Call, me: frozenset[str], *, mine: bool) -> frozenset[int]:
    """Return the answers that are right for a caller with permissions `me`; `mine` if they asked for the thing and do it.

    A resource's own rule of who sees what is not worked out: there the matrix accepts that a thing is not seen.
    """
    if not me & set(call.door):
        return _FORBIDDEN
    unsure = frozenset() if item.visible is None else _ABSENT | _FORBIDDEN
    if call.route in {"list", "create"}:
        return _MAY | unsure
    if item.visible is None and item.read not in me and not (mine and item.read_own in me):
        return _ABSENT if item.read_own in me else _FORBIDDEN
    if call.route == "detach" and item.update not in me:
        return _FORBIDDEN | unsure
    if call.step is None:
        return _MAY | unsure
    if call.step.permission not in me:
        return _FORBIDDEN | unsure
    return unsure | _of_step(call.step, me, mine=mine)


def _of_step(step: Transition, me: frozenset[str], *, mine: bool) -> frozenset[int]:
    if step.by == "anyone" or step.override in me:
        return _MAY
    if callable(step.by):
        return _MAY | _FORBIDDEN
    return _MAY if mine == (step.by != "not_doer") else _FORBIDDEN


@dataclass
class Matrix:
    """Walks through all routes of a resource for all roles; `seen` is who could and who could not, by route."""

    estate: TestEstate
    other: TestEstate
    item: Resource
    seen: dict[str, set[bool]] = field(default_factory=lambda: defaultdict(set))
    _mine: dict[str, UUID] = field(init=False)

    def __post_init__(self) -> None:
        self._mine = references(self.estate)

    def check(self, client: Client, stranger: Client) -> None:
        """Compare every answer that a client gets, and a member of another estate, with what is right."""
        user, me = _who(self.estate, client)
        theirs = make_one(self.other, self.item)
        for planned in self._calls(make_one(self.estate, self.item)):
            call = self._attached(planned, user)
            self._ask(client, self._renewed(call), me, mine=False)
            if call.about_one:
                self._not_theirs(client, call, theirs, me)
            self._not_here(stranger, call)
        if self.item.kind:
            for call in self._calls(make_one(self.estate, self.item, owner=client.person)):
                if call.about_one:
                    own = self._renewed(self._attached(call, user), client.person)
                    self._ask(client, own, me, mine=True)

    def _calls(self, identity: UUID) -> Iterator[_Call]:
        return _calls(self.item, identity, minimal(self.item.instance, self._mine))

    def _renewed(self, call: _Call, owner: UUID | None = None) -> _Call:
        """Return an action's call for a new thing: the action before may have given the thing to somebody else."""
        if call.step is None:
            return call
        return replace(call, tail=(make_one(self.estate, self.item, owner), *call.tail[1:]))

    def _attached(self, call: _Call, user: UUID) -> _Call:
        """Return a call about a file, for a file that is there."""
        if call.attached is None:
            return call
        identity, part, *_rest = call.tail
        with self.estate.context() as ctx:
            item = self.item if self.item.comment else _owner_of(ctx, identity)
            file = files.attach(ctx, item, UUID(str(identity)), "seen.txt", BytesIO(b"seen"))
            ctx.session.flush()
            if call.attached == "own":
                ctx.session.get_one(Attachment, (self.estate.info.id, file["id"])).created_by = user
        return replace(call, tail=(identity, part, file["id"]))

    def _ask(self, client: Client, call: _Call, me: frozenset[str], *, mine: bool) -> None:
        answer = self._send(client, call)
        assert answer.status_code in _expected(self.item, call, me, mine=mine), self._why(call, me, answer)
        self.seen[call.route].add(answer.status_code in _MAY)

    def _not_theirs(self, client: Client, call: _Call, theirs: UUID, me: frozenset[str]) -> None:
        """Another estate's thing is exactly as absent as one that never was."""
        answers = [self._send(client, call, identity) for identity in (theirs, uuid4())]
        refused = not me & set(call.door) or (self.item.read not in me and self.item.read_own not in me)
        assert [each.status_code for each in answers] == [403 if refused else 404] * 2, self._why(call, me, answers[0])
        assert without_id(answers[0].get_json()) == without_id(answers[1].get_json())

    def _not_here(self, stranger: Client, call: _Call) -> None:
        """To a member of another estate this one is exactly as absent as one that never was."""
        address = stranger.url(self.item.key, *call.tail).replace(stranger.estate, self.estate.code)
        answers = [_send(stranger, call, url) for url in (address, address.replace(self.estate.code, "never-was"))]
        assert [each.status_code for each in answers] == [404, 404], (call.route, answers[0].get_json())
        assert without_id(answers[0].get_json()) == without_id(answers[1].get_json())

    def _send(self, client: Client, call: _Call, identity: UUID | None = None) -> TestResponse:
        tail = call.tail if identity is None else (identity, *call.tail[1:])
        return _send(client, call, client.url(self.item.key, *tail))

    def _why(self, call: _Call, me: frozenset[str], answer: TestResponse) -> str:
        return f"{self.item.key} {call.route}: {answer.status_code} {answer.get_json(silent=True)} for {sorted(me)}"


def _owner_of(ctx: Context, identity: object) -> Resource:
    """Return the resource of a record's own kind, where it can be written about."""
    found = ctx.loaded.registry.resource_of_kind(
        ctx.session.scalars(select(Record.kind).where(Record.id == identity)).one()
    )
    assert found is not None, "its plugin is loaded"
    return found


def _send(client: Client, call: _Call, url: str) -> TestResponse:
    if call.file is not None:
        return client.upload(url, call.file)
    if call.method == "GET":
        return client.send(call.method, url)
    return client.send(call.method, url, call.body, If_Match="*")


def every_route(client: Client, item: Resource, identity: UUID) -> Iterator[tuple[str, str, TestResponse]]:
    """Yield route, method and answer of every route of a resource, with a thing's id where a route wants one."""
    for call in _calls(item, identity, {}):
        yield call.route, call.method, _send(client, call, client.url(item.key, *call.tail))


def without_id(body: dict[str, Any]) -> dict[str, Any]:
    """Return a problem without the id of its request, to compare it with another's."""
    return {key: value for key, value in body.items() if key != "request_id"}


def _who(estate: TestEstate, client: Client) -> tuple[UUID, frozenset[str]]:
    """Return a client's user, and what their roles grant where all plugins are enabled."""
    place = estate.place
    with place.database.session() as session:
        caller = identify(session, place.database.secret, place.clock.now(), client.token, estate.code, demo=True)
    return caller.user_id, place.plugins.registry.permissions_of(caller.roles, frozenset(place.plugins.loaded))

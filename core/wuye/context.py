"""The context of one step: which estate, who acts, what they may do, when, and the session it is written by."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.exc import OperationalError

from wuye.db.session import EstateSession
from wuye.errors import Forbidden
from wuye.i18n import _
from wuye.identity.models import User
from wuye.notifications.declaration import plugin_of_kind
from wuye.notifications.notices import Notice, write
from wuye.people.models import Person
from wuye.records.timeline import Audience, Entry, append
from wuye.records.writing import write_alone
from wuye.settings import services as settings

if TYPE_CHECKING:
    from wuye.identity.letters import Letters
    from wuye.plugins.loader import Plugins
    from wuye.records.models import Record

S = TypeVar("S")
T = TypeVar("T")

log = structlog.get_logger("wuye.steps")

#: How often plugins may answer each other's changes within one step.
_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Failure(Generic[T]):
    """A row with which something could not be done, and why not."""

    row: T
    error: Exception


@dataclass(frozen=True, slots=True)
class EstateInfo:
    """What a step needs to know of its estate."""

    id: UUID
    code: str
    name: str
    zone: str
    locale: str

    @property
    def tzinfo(self) -> ZoneInfo:
        """The estate's time zone."""
        return ZoneInfo(self.zone)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a user with the person behind it in this estate, or the program itself (`user_id` None).

    A `guest` is somebody unknown, who came by the code of a place.
    """

    user_id: UUID | None
    person_id: UUID | None
    name: str
    permissions: frozenset[str]
    guest: bool = False


@dataclass
class Context:
    """One step in one estate: everything below the interfaces gets it, nothing asks globals.

    `plugins` are the names of the plugins that are enabled and loaded, core included; `now` is the moment of the step,
    aware, in UTC; `data` is the installation's folder, `letters` how it writes to people about their accounts. With `quiet` nobody is notified of anything: what an import
    brings is no news.
    """

    session: EstateSession
    estate: EstateInfo
    actor: Actor
    plugins: frozenset[str]
    loaded: "Plugins"
    now: datetime
    data: Path
    letters: "Letters"
    quiet: bool = False
    decided: settings.Cache = field(default_factory=settings.Cache, repr=False)
    _entries: list[Entry] = field(default_factory=list)
    _unindexed: list[Callable[[], object]] = field(default_factory=list)
    _notices: list[Notice] = field(default_factory=list)
    _changes: "list[tuple[Record, str]]" = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session.pin(self.estate.id)
        self.session.info["context"] = self

    def may(self, permission: str) -> bool:
        """Tell whether the actor has a permission here."""
        return permission in self.actor.permissions

    def require(self, permission: str) -> None:
        """Insist on a permission.

        Raises:
            Forbidden: the actor does not have it.
        """
        if not self.may(permission):
            label = self.loaded.registry.permissions.get(permission, permission)
            raise Forbidden(
                _("This needs the permission “{label}” ({permission}).", label=_(label), permission=permission)
            )

    def settings(self, values: type[S]) -> S:
        """Return what this estate has decided about a plugin: `ctx.settings(ParcelSettings).days`.

        `values` is the class that the plugin declared. A step reads the database once for all plugins.

        Raises:
            KeyError: no loaded plugin declares this class.
        """
        return settings.read(self, values)

    def forget_settings(self) -> None:
        """Read the settings again when they are asked for next."""
        self.decided = settings.Cache()

    def log(
        self, record: "Record", event: str, data: Mapping[str, Any] | None = None, audience: Audience = "all"
    ) -> None:
        """Put an entry on the record's timeline; it is written at the end of the step."""
        self.note(record.id, record.thread_id, event, data, audience)

    def note(
        self,
        subject_id: UUID,
        thread_id: UUID,
        event: str,
        data: Mapping[str, Any] | None = None,
        audience: Audience = "all",
    ) -> None:
        """Put an entry about anything (a person, a record) on the estate's timeline, like `log`."""
        self._entries.append(
            Entry(subject_id, thread_id, self.now, self.actor.user_id, event, audience, dict(data or {}))
        )

    def notify(self, whom: "Person | User | UUID | None", kind: str, record: "Record | None", /, **data: Any) -> None:
        """Tell a person (an object, or its id) or a user something, by a kind that a plugin registered.

        All users whom the person has in this estate are told, when the step is written; never who acts. `record` is what
        it is about, `data` what the kind's text needs besides. Nothing happens for None, or where the kind's plugin is
        disabled.

        Raises:
            KeyError: no loaded plugin has registered the kind.
        """
        if isinstance(whom, User):
            self.announce(kind, record, data, user_id=whom.id)
        elif whom is not None:
            self.announce(kind, record, data, person_id=whom.id if isinstance(whom, Person) else whom)

    def announce(
        self,
        kind: str,
        record: "Record | None",
        data: Mapping[str, Any] | None = None,
        *,
        user_id: UUID | None = None,
        person_id: UUID | None = None,
        roles: tuple[str, ...] | None = None,
    ) -> None:
        """Tell whom a `Notice` describes; `notify` and `notify_permission` are what plugins use.

        Raises:
            KeyError: no loaded plugin has registered the kind.
        """
        self.loaded.registry.notifications[kind]
        me = (user_id is not None and user_id == self.actor.user_id) or (
            person_id is not None and person_id == self.actor.person_id
        )
        if self.quiet or me or roles == () or plugin_of_kind(kind) not in self.plugins:
            return
        values = {"who": self.actor.name or _("Somebody"), **(data or {})}
        self._notices.append(Notice(kind, record, user_id, person_id, roles, values))

    @contextmanager
    def apart(self, actor: Actor | None = None, *, quiet: bool = False) -> Iterator["Context"]:
        """Open a step of its own in the same estate, with its own transaction: committed at the end of the block.

        For work of many steps, each of which shall stay when a later one fails. `actor` acts in place of this step's own.
        """
        options: dict[str, Any] = {"signing_key": self.session.signing_key, "estate_id": self.estate.id}
        with EstateSession(self.session.get_bind(), **options) as session, session.begin():
            ctx = Context(
                session,
                self.estate,
                actor or self.actor,
                self.plugins,
                self.loaded,
                self.now,
                self.data,
                self.letters,
                quiet,
            )
            yield ctx
            ctx.seal()

    def call(self, hook: str, *, only: str | None = None, **arguments: Any) -> list[Any]:
        """Call a hook of the plugins that this estate has enabled; see `wuye.plugins.hookspecs`."""
        return self.loaded.bus.call(hook, self, only=only, **arguments)

    @property
    def gathered(self) -> int:
        """How many entries wait for the timeline: whatever makes or changes a thing adds one."""
        return len(self._entries)

    def discard(self) -> None:
        """Forget what is to be put on timelines, into the search index and told: its rows are rolled back."""
        self._entries.clear()
        self._unindexed.clear()
        self._notices.clear()
        self._changes.clear()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Do what may fail: if it raises, its rows are rolled back, and what it gathered is forgotten with them."""
        savepoint = self.session.begin_nested()
        gathered = list(self._entries), list(self._unindexed), list(self._notices), list(self._changes)
        try:
            with savepoint:
                yield
        except BaseException:
            self._entries, self._unindexed, self._notices, self._changes = gathered
            raise

    def each(self, rows: Iterable[T], do: Callable[[T], object]) -> list[Failure[T]]:
        """Do something with each of many rows, so that one that fails costs the others nothing, and return those.

        Each is done in a savepoint of its own, and sealed. For jobs: what fails is logged with the row's id, and is met
        again the next time.
        """
        failures = []
        for row in rows:
            try:
                with self.savepoint():
                    do(row)
                    self.seal()
            except OperationalError:
                raise  # the database went away: nothing can be done with any of them
            except Exception as error:
                identity = getattr(row, "id", None)
                log.error("a row failed", estate=self.estate.code, row=identity, error=type(error).__name__)
                failures.append(Failure(row, error))
        return failures

    def once_written(self, index: Callable[[], object]) -> None:
        """Have something done when the step's rows are written: put into the search index with its number, kept as a file."""
        self._unindexed.append(index)

    def changed(self, record: "Record", event: str) -> None:
        """Have the plugins hear of a change once it is written, but before the step ends."""
        if self.loaded.bus.plan("record_changed"):
            self._changes.append((record, event))

    def seal(self) -> None:
        """Write what the step has gathered: rows with their numbers, the search index, who is told, then the timeline.

        Plugins hear of the changes when the rows are written, so what the database refuses of them is the step's own
        failure and no plugin's; what they add is written as well.
        """
        self._write_rows()
        for _round in range(_ROUNDS):
            changes, self._changes = self._changes, []
            for record, event in changes:
                self.call("record_changed", record=record, event=event)
            self._write_rows()
            if not self._changes:
                break
        else:
            raise RuntimeError("plugins answer each other's changes without end")
        unindexed, self._unindexed = self._unindexed, []
        for index in unindexed:
            index()
        notices, self._notices = self._notices, []
        write(self.session, self.actor, self.now, notices)
        entries, self._entries = self._entries, []
        append(self.session, entries)

    def _write_rows(self) -> None:
        if not write_alone(self.session):
            self.session.flush()

"""The header of all work, its timeline, and the counters behind its numbers.

A department's model is a joined subclass of `Record` with a table of its own, so that whatever looks across
departments (the office's board, a person's work, search, timelines) runs on one indexed table.
"""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, LargeBinary, SmallInteger, and_, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from wuye.db.base import Base, EstateScoped, Tracked, link, plugin_of, ref, scoped_index, scoped_unique, snake
from wuye.people.models import Person
from wuye.properties.models import Property

PHASES = ("open", "active", "waiting", "done")
PRIORITIES = ("emergency", "urgent", "normal", "low")

_UNFINISHED = "phase <> 'done'"


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index of the header over some of its rows."""
    prefix = "uq" if unique else "ix"
    return Index(f"{prefix}_core_record_{name}", "estate_id", *columns, unique=unique, postgresql_where=text(where))


class Record(Tracked, Base):
    """A piece of work, whatever its kind: what every department shares.

    `kind` is `<plugin>.<model>`; `number` is unique per estate, kind and year without a gap, and given when the
    step that creates the record is about to commit. `state` is one of the kind's flow, `phase` the same for all
    kinds (open, active, waiting, done). `thread_id` is the record that a chain of hand-overs began with: all
    records of a thread share one history. `external_id` is the identifier in the system that it came from.
    """

    __table_args__: Any = (  # a kind of work has its own, of another length
        CheckConstraint(f"phase IN {PHASES}", name="phase"),
        CheckConstraint(f"priority IN {PRIORITIES}", name="priority"),
        scoped_unique("kind", "number"),
        # Each index is written for every record, and again when its state changes: so there are few, and the kind stands
        # at the end of those by time. There it is compared within the index, and one index serves lists of one kind and
        # of all.
        scoped_index("opened_at", "id", "kind"),
        scoped_index("due_at", "id", "kind"),
        scoped_index("kind", "state", "opened_at", "id"),
        scoped_index("assignee_id", "opened_at", "id"),
        scoped_index("thread_id"),
        # Not every record has these.
        _partial("kind_external_id", "kind", "external_id", where="external_id IS NOT NULL", unique=True),
        _partial("created_by", "created_by", "opened_at", "id", where="created_by IS NOT NULL"),
        _partial("closed_at", "closed_at", "kind", where="closed_at IS NOT NULL"),
        _partial("priority", "kind", "priority", "opened_at", "id", where="priority <> 'normal'"),
        # What is open is little, however much was done: lists and counts of it never read the rest.
        _partial("unfinished", "opened_at", "id", "kind", where=_UNFINISHED),
        _partial("unfinished_due", "due_at", "id", "kind", where=_UNFINISHED),
        _partial("unfinished_assignee", "assignee_id", "due_at", "id", where=_UNFINISHED),
    )
    number_prefix: ClassVar[str] = "R"

    kind: Mapped[str]
    number: Mapped[str]
    title: Mapped[str] = mapped_column(default="")
    text: Mapped[str | None]
    state: Mapped[str]
    phase: Mapped[str]
    priority: Mapped[str] = mapped_column(default="normal")
    department: Mapped[str]
    place_id: Mapped[UUID | None] = ref("property")
    requester_id: Mapped[UUID | None] = ref("person")
    assignee_id: Mapped[UUID | None] = ref("person", index=False)
    due_at: Mapped[datetime | None]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    thread_id: Mapped[UUID]
    external_id: Mapped[str | None]
    extras: Mapped[dict[str, Any]] = mapped_column(default=dict)

    place: Mapped[Property | None] = link("place_id")
    requester: Mapped[Person | None] = link("requester_id")
    assignee: Mapped[Person | None] = link("assignee_id")

    @classmethod
    def record_kind(cls) -> str:
        """Return the name of this kind of record: `maintenance.work_order`."""
        return f"{plugin_of(cls.__module__)}.{snake(cls.__name__)}"

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        if cls.__name__ == "Record":
            return {"polymorphic_on": "kind", "version_id_col": cls.__table__.c.version}
        header, own = Record.__table__, cls.__table__
        return {
            "polymorphic_identity": cls.record_kind(),
            # Said, not guessed: a kind may have further references to records.
            "inherit_condition": and_(header.c.estate_id == own.c.estate_id, header.c.id == own.c.id),
        }


class Timeline(EstateScoped, Base):
    """What happened, once and for all: the application may add entries, never change or remove one.

    `sequence` counts within the estate; `digest` is SHA-256 over the previous entry's digest and `body`, the
    canonical JSON of this entry, so that a changed, removed or reordered entry shows (`verify_chain`).
    `audience` is `all` (the requester reads it too) or `staff`.
    """

    __table_args__ = (
        scoped_unique("sequence"),
        scoped_index("thread_id", "sequence"),
        {"info": {"append_only": True}},
    )

    record_id: Mapped[UUID] = mapped_column()
    thread_id: Mapped[UUID]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    event: Mapped[str]
    audience: Mapped[str] = mapped_column(default="all")
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    body: Mapped[str]
    sequence: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[bytes] = mapped_column(LargeBinary)


class TimelineHead(EstateScoped, Base):
    """The end of an estate's chain: the last sequence number and digest."""

    sequence: Mapped[int] = mapped_column(BigInteger, default=0)
    digest: Mapped[bytes] = mapped_column(LargeBinary, default=b"")


class Counter(EstateScoped, Base):
    """The last number given for one kind and year; a row and not a sequence, since a sequence leaves gaps."""

    __table_args__ = (scoped_unique("kind", "year"),)

    kind: Mapped[str]
    year: Mapped[int]
    last: Mapped[int] = mapped_column(default=0)


class DayFigures(EstateScoped, Base):
    """What happened to one kind of work in one day of the estate's zone, kept once the day is over (`wuye.records.figures`).

    `hours` has the hour of each that came in; `took` the minutes of each that was closed; `promised` counts the closed that
    had a deadline, `kept` those of them that were in time.
    """

    __table_args__ = (scoped_unique("day", "kind"), {"info": {"exported": False}})

    day: Mapped[date]
    kind: Mapped[str]
    hours: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    closed: Mapped[int]
    promised: Mapped[int]
    kept: Mapped[int]
    took: Mapped[list[int]] = mapped_column(ARRAY(Integer))


class IdempotencyKey(EstateScoped, Base):
    """An answer kept for a day, in the same transaction as its effect, so that a repeated request is answered
    alike and does nothing twice."""

    __table_args__ = (scoped_unique("user_id", "key"), scoped_index("created_at"), {"info": {"exported": False}})

    user_id: Mapped[UUID]
    key: Mapped[str]
    request_digest: Mapped[str]
    status: Mapped[int | None]
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)
    etag: Mapped[str | None]
    created_at: Mapped[datetime]


class SearchEntry(EstateScoped, Base):
    """What can be found: one row for each searchable thing, asked only through the function `wuye_search`.

    `grams` are 63-bit hashes of (estate, kind, two neighbouring characters): a plain array index then finds Chinese
    words of two characters, and estate and kind are part of every key. `content` is the folded text, to tell real hits
    from collisions. `masked` is what is shown masked, each value between two line breaks: by a part of it only those find
    the thing who may reveal it.
    """

    __table_args__ = (
        # What was written last waits in a list that every search reads whole: a short one, or searches take 30 ms.
        Index(
            "ix_core_search_entry_grams",
            "grams",
            postgresql_using="gin",
            postgresql_with={"gin_pending_list_limit": 128},
        ),
        scoped_index("kind", "id"),
        {"info": {"owner_reads_all": True}},
    )

    kind: Mapped[str]
    grams: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    content: Mapped[str]
    masked: Mapped[str | None]

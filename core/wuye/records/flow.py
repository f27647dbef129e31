"""Flows: the states of a kind of record and the transitions between them, as data that is checked when loaded."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from marshmallow import Schema

from wuye.errors import Text
from wuye.records.models import PHASES

if TYPE_CHECKING:
    from wuye.context import Context

Phase = Literal["open", "active", "waiting", "done"]
Who = Literal["anyone", "requester", "assignee", "not_doer"]
#: The relations to a record that a transition can ask for.
WHO: tuple[str, ...] = get_args(Who)

Step = Callable[["Context", Any, Mapping[str, Any]], None]
Rule = Callable[["Context", Any], bool]

#: The permission of a transition that only the program itself takes; it is never offered to anybody.
SYSTEM = "-"


class FlowError(ValueError):
    """A flow that contradicts itself; the message names the state or transition."""


@dataclass(frozen=True, slots=True)
class State:
    """A condition of a record. `phase` says to everybody, whatever the department, how far it is.

    `sign` is how pages draw it when that is not what its phase says: `check` waits for somebody's verdict, `bad` is trouble.
    """

    name: str
    label: Text
    phase: Phase
    sign: Literal["new", "run", "wait", "check", "done", "bad"] | None = None

    @property
    def shape(self) -> str:
        """The sign that stands for the state."""
        return self.sign or {"open": "new", "active": "run", "waiting": "wait", "done": "done"}[self.phase]


@dataclass(frozen=True, slots=True)
class Transition:
    """A step from one state to another, offered as an action to those who may take it.

    `source` is one state or several; `target` None means that the state stays. `by` narrows who may take it besides
    the permission: the requester, the assignee, anyone but the one who did the work, or a rule of (context, record);
    a caller with the permission `override` may always. `input` is the schema of what the step wants to know;
    `reason=True` wants a reason. `evidence` are the labels of photos that document the step and are offered with it
    (`before`, `after`; `signature` is drawn by who receives the work). `guard` raises a `Problem` when it cannot be done now; `effect` does what else
    belongs to the step.
    """

    name: str
    label: Text
    source: str | tuple[str, ...]
    target: str | None
    permission: str
    input: type[Schema] | None = None
    reason: bool = False
    evidence: tuple[str, ...] = ()
    by: Who | Rule = "anyone"
    override: str | None = None
    guard: Step | None = None
    effect: Step | None = None

    def __post_init__(self) -> None:
        """Refuse what would be without effect, or would mean the opposite.

        Raises:
            FlowError: `by` is no relation that there is, or `evidence` is one text instead of several.
        """
        if isinstance(self.by, str) and self.by not in WHO:
            raise FlowError(f"transition {self.name}: by {self.by!r} is none of {', '.join(WHO)}")
        if isinstance(self.evidence, str):
            raise FlowError(f"transition {self.name}: evidence is a tuple of labels: ({self.evidence!r},)")

    @property
    def sources(self) -> tuple[str, ...]:
        """The states that the transition can start from."""
        return (self.source,) if isinstance(self.source, str) else self.source


@dataclass(frozen=True)
class Flow:
    """A state machine; the first state is the initial one.

    `path` names the states of the usual way from the first to the last, which a page draws as steps; by default all that
    are declared before the first one that is done, and that one.

    Raises:
        FlowError: a name is used twice, a state is unknown or cannot be reached, or two transitions collide.
    """

    items: tuple[State | Transition, ...] = field(repr=False)
    path: tuple[str, ...] = field(repr=False)
    states: Mapping[str, State] = field(init=False)
    transitions: Mapping[str, Transition] = field(init=False)

    def __init__(self, *items: State | Transition, path: tuple[str, ...] = ()) -> None:
        object.__setattr__(self, "items", items)
        object.__setattr__(self, "states", _unique(item for item in items if isinstance(item, State)))
        object.__setattr__(self, "transitions", _unique(item for item in items if isinstance(item, Transition)))
        object.__setattr__(self, "path", path or self._usual())
        self._check()

    def _usual(self) -> tuple[str, ...]:
        names = list(self.states)
        last = next((place for place, name in enumerate(names) if self.states[name].phase == "done"), len(names) - 1)
        return tuple(names[: last + 1])

    @property
    def initial(self) -> State:
        """The state that a new record is in."""
        return next(iter(self.states.values()))

    def of(self, plugin: str) -> "Flow":
        """Return the flow with the full names of permissions: a plugin may leave its own name out."""
        full = {
            name: replace(
                step,
                permission=_full(plugin, step.permission),
                override=_full(plugin, step.override) if step.override else None,
            )
            for name, step in self.transitions.items()
        }
        return Flow(
            *(full.get(item.name, item) if isinstance(item, Transition) else item for item in self.items),
            path=self.path,
        )

    def from_state(self, state: str) -> list[Transition]:
        """Return the transitions that start from a state, in the order of their declaration."""
        return [transition for transition in self.transitions.values() if state in transition.sources]

    def _check(self) -> None:
        if not self.states:
            raise FlowError("a flow needs at least one state")
        for state in self.states.values():
            if state.phase not in PHASES:
                raise FlowError(f"state {state.name}: phase {state.phase!r} is none of {', '.join(PHASES)}")
        if strange := [name for name in self.path if name not in self.states]:
            raise FlowError(f"the path names an unknown state {', '.join(strange)}")
        reached = {self.initial.name}
        for transition in self.transitions.values():
            named = {*transition.sources, *([transition.target] if transition.target else [])}
            if unknown := named - self.states.keys():
                raise FlowError(f"transition {transition.name}: unknown state {', '.join(sorted(unknown))}")
        growing = True
        while growing:
            targets = {t.target for t in self.transitions.values() if t.target and reached & set(t.sources)}
            growing = not targets <= reached
            reached |= targets
        if unreachable := self.states.keys() - reached:
            raise FlowError(f"no transition leads to {', '.join(sorted(unreachable))}")


def _full(plugin: str, permission: str) -> str:
    return permission if "." in permission or permission == SYSTEM else f"{plugin}.{permission}"


def _unique(items: Iterable[Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for item in items:
        if item.name in named:
            raise FlowError(f"{type(item).__name__.lower()} {item.name} is declared twice")
        named[item.name] = item
    return named

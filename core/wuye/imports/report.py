"""What an import did: counts that add up, every refused row with its reason, and what else the user should know."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wuye.errors import Text
from wuye.i18n import _


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a row: `field` is ours, `column` the header in the file (`""`: the row itself)."""

    field: str
    column: str
    reason: Text


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that was not imported, under the number by which the user finds it in the file."""

    row: int
    faults: tuple[Fault, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return row, column and reason; of several faults `errors` has them one by one."""
        columns = dict.fromkeys(fault.column or fault.field for fault in self.faults)
        shown: dict[str, Any] = {
            "row": self.row,
            "column": ", ".join(name for name in columns if name),
            "reason": str(self.faults[0].reason),
        }
        if len(self.faults) > 1:
            shown["reason"] = " ".join(f"{each.column or each.field}: {each.reason}" for each in self.faults)
            shown["errors"] = [
                {"column": each.column, "field": each.field, "reason": str(each.reason)} for each in self.faults
            ]
        return shown


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a row that was imported nevertheless: what in it contradicts itself, and what was made of that."""

    row: int
    column: str
    reason: Text

    def as_dict(self) -> dict[str, Any]:
        """Return row, column and reason in the present language."""
        return {"row": self.row, "column": self.column, "reason": str(self.reason)}


@dataclass(frozen=True, slots=True)
class Preview:
    """What a good row becomes: `created`, `updated` or `unchanged`, with its values by field, as they are understood."""

    row: int
    outcome: str
    values: Mapping[str, Any]


#: How many rows are kept to be looked at.
PREVIEWED = 8

_OUTCOMES = ("created", "updated", "unchanged")


@dataclass
class Report:
    """The account of one import.

    `rows == created + updated + unchanged + len(rejected)`: each row is counted once. `made` counts what was created on
    the way (places, people), by table; `previews` are the first good rows; `summary` the imported records by (department, state); `mapping` is the TOML that
    was used, so that it can be saved and given again; `source` says how the file was read.
    """

    kind: str
    file: str
    source: Text = ""
    dry_run: bool = False
    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)
    summary: Counter[tuple[str, str]] = field(default_factory=Counter)
    mapping: str = ""
    notes: list[Text] = field(default_factory=list)
    previews: list[Preview] = field(default_factory=list)

    @property
    def outcomes(self) -> tuple[int, ...]:
        """How many rows were created, updated and left unchanged."""
        return tuple(getattr(self, name) for name in _OUTCOMES)

    def outcome_since(self, before: tuple[int, ...]) -> str:
        """Return what became of the row that was counted since the outcomes were `before`."""
        return next((name for name, old in zip(_OUTCOMES, before, strict=True) if getattr(self, name) > old), "")

    def preview(self, row: Preview) -> None:
        """Keep a good row to be looked at, unless there are enough."""
        if len(self.previews) < PREVIEWED:
            self.previews.append(row)

    def add(self, other: "Report") -> None:
        """Add the account of some further rows."""
        self.created += other.created
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.rejected += other.rejected
        self.warnings += other.warnings
        self.made += other.made
        self.summary += other.summary
        for row in other.previews:
            self.preview(row)

    def count(self, outcome: str) -> None:
        """Count one row as `created`, `updated` or `unchanged`."""
        setattr(self, outcome, getattr(self, outcome) + 1)

    def reject(self, row: int, faults: Sequence[Fault]) -> None:
        """Note a row that is not imported."""
        self.rejected.append(Rejection(row, tuple(faults) or (Fault("", "", _("The row cannot be imported.")),)))

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values, texts in the present language."""
        summary: dict[str, dict[str, int]] = {}
        for (department, state), count in sorted(self.summary.items()):
            summary.setdefault(department, {})[state] = count
        return {
            "kind": self.kind,
            "file": self.file,
            "source": str(self.source),
            "dry_run": self.dry_run,
            "rows": self.rows,
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "rejected": [each.as_dict() for each in self.rejected],
            "warnings": [each.as_dict() for each in self.warnings],
            "made": dict(sorted(self.made.items())),
            "summary": summary,
            "mapping": self.mapping,
            "notes": [str(note) for note in self.notes],
        }

"""Which column of a file becomes which field, with what values and date formats: read from TOML, guessed, applied.

The TOML has five tables, all optional:

    [columns]                                   # field = column of the file, or several
    external_id = "Unique Key"
    place = ["Street", "House"]                 # joined by a blank
    title = { first = ["Descriptor", "Type"] }  # the first that is not empty
    text = { join = ["Type", "Remark"], with = " · " }

    [values.category]                           # for a field: value in the file = value wanted
    "HEAT/HOT WATER" = "repair.heating"
    "*" = "office.general"                      # every other value; without it they pass unchanged

    [formats]                                   # field = date format, as spelled in `date_spelling`
    opened_at = "MM/DD/YYYY hh:mm:ss A"

    [defaults]                                  # field = constant, where the file gives nothing
    channel = "import"

    [create]                                    # reference = what to make of a name that nobody has here
    place = "address"                           # without it such a row is refused
"""

import difflib
import json
import math
import re
import tomllib
from collections import abc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wuye.i18n import LazyText, _
from wuye.imports.contents import Cell
from wuye.imports.dates import DateFormat
from wuye.imports.headers import Clash, match, normal_value

MAX_MAPPING_BYTES = 1024 * 1024
"""A mapping is written by a person; a megabyte is a data file that was given in its place."""

FieldKind = Literal["text", "date", "number", "choice", "reference"]
_TABLES = ("columns", "values", "formats", "defaults", "create")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Target:
    """A field that can be imported: `synonyms` are the headers under which files have it, in any language.

    `creates` are the words that `[create]` may have for a reference: what a name that is unknown here becomes.
    """

    name: str
    synonyms: tuple[str, ...] = ()
    required: bool = False
    kind: FieldKind = "text"
    creates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where a field's value comes from: all filled `columns` joined by `separator`, or the first filled one."""

    columns: tuple[str, ...]
    how: Literal["join", "first"] = "join"
    separator: str = " "

    def __post_init__(self) -> None:
        if len(self.columns) == 1:  # then it makes no difference, and equal sources shall be equal
            object.__setattr__(self, "how", "join")
        if len(self.columns) == 1 or self.how == "first":
            object.__setattr__(self, "separator", " ")

    def take(self, cells: abc.Mapping[str, Cell]) -> Cell:
        """Return the value in `cells` (column → cell), `""` when there is none; a single cell keeps its type."""
        filled = [cell for name in self.columns if (cell := cells[name]) != ""]
        if not filled:
            return ""
        if len(filled) == 1 or self.how == "first":
            return filled[0]
        return self.separator.join(str(cell) for cell in filled)


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong with a mapping: `where` is the path in the TOML (`columns.external_id`)."""

    where: str
    reason: LazyText

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" if self.where else str(self.reason)


class MappingError(ValueError):
    """A mapping that cannot be used; `issues` holds everything that is wrong with it."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(*issues)
        self.issues = tuple(issues)

    def __str__(self) -> str:
        return "\n".join(str(issue) for issue in self.issues)


@dataclass(frozen=True, slots=True)
class Mapping:
    """How a file's rows become field values. All five tables go by the name of the field.

    `notes` say, for the user, what a guess left open; they take no part in comparison.
    """

    columns: abc.Mapping[str, Source] = field(default_factory=dict)
    values: abc.Mapping[str, abc.Mapping[str, str]] = field(default_factory=dict)
    formats: abc.Mapping[str, DateFormat] = field(default_factory=dict)
    defaults: abc.Mapping[str, Cell] = field(default_factory=dict)
    create: abc.Mapping[str, str] = field(default_factory=dict)
    notes: tuple[LazyText, ...] = field(default=(), compare=False)
    _lookups: dict[str, dict[str, str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lookups = {
            name: {normal_value(source): wanted for source, wanted in table.items()}
            for name, table in self.values.items()
        }
        object.__setattr__(self, "_lookups", lookups)

    @classmethod
    def load(cls, path: Path, targets: Sequence[Target]) -> "Mapping":
        """Read the TOML file `path`; raises `MappingError` like `from_toml`, also when it cannot be read."""
        try:
            if path.stat().st_size > MAX_MAPPING_BYTES:
                raise MappingError([Issue("", _("{file} is too large to be a mapping.", file=path.name))])
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            reason = _("{file} cannot be opened: {why}.", file=path, why=error.strerror)
            raise MappingError([Issue("", reason)]) from error
        except UnicodeDecodeError as error:
            raise MappingError([Issue("", _("{file} is not UTF-8 text.", file=path.name))]) from error
        return cls.from_toml(text, targets)

    @classmethod
    def from_toml(cls, text: str, targets: Sequence[Target]) -> "Mapping":
        """Read a mapping to the fields `targets`; raises `MappingError` with all that is wrong, and suggestions."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise MappingError([Issue("", _("This is not TOML: {why}.", why=error))]) from error
        checker = _Checker({target.name: target for target in targets})
        mapping = checker.mapping(document)
        if checker.issues:
            raise MappingError(checker.issues)
        return mapping

    def to_toml(self) -> str:
        """Write the mapping as TOML, its notes as comments; `from_toml` reads it back as an equal mapping."""
        lines = [f"# {line}" for note in self.notes for line in str(note).splitlines()]
        lines += _toml_table("columns", {name: _toml_source(source) for name, source in self.columns.items()})
        for name, table in self.values.items():
            lines += _toml_table(f"values.{_toml_key(name)}", {key: _toml(value) for key, value in table.items()})
        lines += _toml_table("formats", {name: _toml(each.spelling) for name, each in self.formats.items()})
        lines += _toml_table("defaults", {name: _toml(value) for name, value in self.defaults.items()})
        lines += _toml_table("create", {name: _toml(value) for name, value in self.create.items()})
        return "\n".join(lines).lstrip("\n") + "\n"

    def check(self, columns: Sequence[str], targets: Sequence[Target]) -> None:
        """Make sure that a file with `columns` has all that is used, and that every required field is served.

        Raises `MappingError` naming each column that the file lacks, with the likeliest ones that it has.
        """
        issues = [
            Issue(
                f"columns.{name}",
                _unknown(_("The file has no column {name}.", name=repr(column)), column, columns),
            )
            for name, source in self.columns.items()
            for column in source.columns
            if column not in columns
        ]
        issues += [
            Issue(f"columns.{target.name}", _("This field is required, and nothing is mapped to it."))
            for target in targets
            if target.required and target.name not in self.columns and target.name not in self.defaults
        ]
        if issues:
            raise MappingError(issues)

    def unused(self, columns: Iterable[str]) -> tuple[str, ...]:
        """Return those of the file's `columns` that no field takes."""
        used = {column for source in self.columns.values() for column in source.columns}
        return tuple(column for column in columns if column not in used)

    def apply(self, columns: Sequence[str], values: Sequence[Cell]) -> dict[str, Cell]:
        """Turn one row into field values; fields for which it has nothing are left out. Dates are not parsed yet.

        A value is translated by the field's table without regard to case, width and surplus blanks; one that is not
        in the table becomes what `"*"` says, else it passes unchanged. An empty one becomes what `""` says, else
        the default. Expects a file that passed `check`.
        """
        cells = dict(zip(columns, values, strict=True))
        record = {name: self._translate(name, source.take(cells)) for name, source in self.columns.items()}
        filled = {name: value for name, value in record.items() if value != ""}
        return {**self.defaults, **filled}

    def _translate(self, name: str, value: Cell) -> Cell:
        table = self._lookups.get(name)
        if table is None:
            return value
        wanted = table.get(normal_value(str(value)))
        if wanted is not None:
            return wanted
        return value if value == "" else table.get("*", value)


class _Checker:
    """Builds a mapping from a TOML document and collects what is wrong with it."""

    def __init__(self, targets: abc.Mapping[str, Target]) -> None:
        self.targets = targets
        self.issues: list[Issue] = []

    def mapping(self, document: dict[str, Any]) -> Mapping:
        for name in document:
            if name not in _TABLES:
                self._complain(name, _unknown(_("There is no such table."), name, _TABLES))
        columns = self._table(document, "columns", self._source)
        values = self._table(document, "values", self._value_table)
        formats = self._table(document, "formats", self._format)
        defaults = self._table(document, "defaults", self._default)
        create = self._table(document, "create", self._created)
        for where, names in (("values", values), ("formats", formats)):
            for name in names:
                if name not in columns and "columns" in document:
                    self._complain(f"{where}.{name}", _("No column is mapped to this field."))
        return Mapping(columns, values, formats, defaults, create)

    def _complain(self, where: str, reason: LazyText) -> None:
        self.issues.append(Issue(where, reason))

    def _table(self, document: dict[str, Any], name: str, read: abc.Callable[[str, str, Any], Any]) -> dict[str, Any]:
        table = document.get(name, {})
        if not isinstance(table, dict):
            self._complain(name, _("This must be a table: [{name}].", name=name))
            return {}
        result = {}
        for key, value in table.items():
            where = f"{name}.{key}"
            if key not in self.targets:
                self._complain(where, _unknown(_("There is no such field."), key, self.targets))
                continue
            entry = read(where, key, value)
            if entry is not None:
                result[key] = entry
        return result

    def _source(self, where: str, _name: str, value: Any) -> Source | None:
        if isinstance(value, str):
            return Source((value,))
        if isinstance(value, list):
            return self._source_of(where, value, Source(()))
        if isinstance(value, dict) and value.keys() == {"first"}:
            return self._source_of(where, value["first"], Source((), "first"))
        if isinstance(value, dict) and value.keys() in ({"join"}, {"join", "with"}):
            separator = value.get("with", " ")
            if isinstance(separator, str):
                return self._source_of(where, value["join"], Source((), "join", separator))
        self._complain(where, _NOT_A_SOURCE)
        return None

    def _source_of(self, where: str, names: Any, source: Source) -> Source | None:
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return Source(tuple(names), source.how, source.separator)
        self._complain(where, _("This must be a list of column names."))
        return None

    def _value_table(self, where: str, _name: str, value: Any) -> dict[str, str] | None:
        if not isinstance(value, dict):
            self._complain(where, _("This must be a table: [{name}].", name=where))
            return None
        seen: dict[str, str] = {}
        for key, wanted in value.items():
            if not isinstance(wanted, str):
                self._complain(f"{where}.{key}", _("The value must be text in quotation marks."))
            elif seen.setdefault(normal_value(key), wanted) != wanted:
                self._complain(f"{where}.{key}", _("The same value is given twice, differing only in its spelling."))
        return {key: wanted for key, wanted in value.items() if isinstance(wanted, str)} or None

    def _format(self, where: str, name: str, value: Any) -> DateFormat | None:
        if self.targets[name].kind != "date":
            self._complain(where, _("This field is not a date."))
            return None
        if not isinstance(value, str):
            self._complain(where, _NOT_A_SPELLING)
            return None
        try:
            return DateFormat.named(value)
        except ValueError as error:
            self._complain(where, error.args[0])
            return None

    def _default(self, where: str, _name: str, value: Any) -> Cell | None:
        if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
            return value
        self._complain(where, _("The value must be text, a number, true or false."))
        return None

    def _created(self, where: str, name: str, value: Any) -> str | None:
        words = self.targets[name].creates
        if not words:
            self._complain(where, _("Nothing can be created for this field."))
            return None
        if not isinstance(value, str) or value not in words:
            self._complain(where, _("Use one of: {choices}.", choices=", ".join(words)))
            return None
        return value


_NOT_A_SOURCE = _('Write a column\'s name, a list of them, { first = […] } or { join = […], with = ", " }.')
_NOT_A_SPELLING = _('A date format is text in quotation marks, such as "YYYY-MM-DD HH:mm".')


def _unknown(reason: LazyText, name: str, known: Iterable[str]) -> LazyText:
    """Add to `reason` which of the `known` names may have been meant, or all of them when they are few."""
    choices = list(known)
    close = difflib.get_close_matches(name.casefold(), [choice.casefold() for choice in choices], n=3, cutoff=0.6)
    meant = [choice for choice in choices if choice.casefold() in close]
    if meant:
        return _("{reason} Did you mean {names}?", reason=reason, names=", ".join(meant))
    return _("{reason} There are: {names}.", reason=reason, names=", ".join(choices))


def _toml_table(name: str, entries: abc.Mapping[str, str]) -> list[str]:
    if not entries:
        return []
    return ["", f"[{name}]", *(f"{_toml_key(key)} = {value}" for key, value in entries.items())]


def _toml_source(source: Source) -> str:
    if len(source.columns) == 1:
        return _toml(source.columns[0])
    names = "[" + ", ".join(_toml(name) for name in source.columns) + "]"
    if source.how == "first":
        return f"{{ first = {names} }}"
    return names if source.separator == " " else f"{{ join = {names}, with = {_toml(source.separator)} }}"


def _toml_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _toml(key)


def _toml(value: Cell) -> str:
    """Write a constant; JSON's notation is TOML's too, but for the DEL character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def guess(columns: Sequence[str], targets: Sequence[Target]) -> Mapping:
    """Guess from a file's headers which column is which field; `notes` of the result say what was left open.

    Headers are compared without regard to case, width, punctuation, remarks in brackets and traditional or
    simplified characters. A header that is a synonym as a whole beats one that contains it. Where two columns could
    be one field, or one column two fields, neither is taken.
    """
    taken, clashes = match(columns, targets)
    notes = [_clash_note(clash) for clash in clashes]
    notes += [
        _("No column was found for {field}, which is required.", field=target.name)
        for target in targets
        if target.required and target.name not in taken
    ]
    ordered = {target.name: Source((taken[target.name],)) for target in targets if target.name in taken}
    mapping = Mapping(ordered)
    unused = mapping.unused(columns)
    if unused:
        notes.append(_("Not imported: {columns}.", columns=", ".join(unused)))
    return Mapping(ordered, notes=tuple(notes))


def _clash_note(clash: Clash) -> LazyText:
    if len(clash.columns) > 1:
        return _(
            "{columns} could each be {field}; none was taken.",
            columns=", ".join(clash.columns),
            field=clash.fields[0],
        )
    return _(
        "{column} could be each of {fields}; none was taken.",
        column=clash.columns[0],
        fields=", ".join(clash.fields),
    )

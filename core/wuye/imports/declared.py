"""From a resource's schema to what can be imported into it: targets with their headers, and words for choices."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from marshmallow import fields as marshmallow_fields

from wuye.db.base import table_of
from wuye.i18n import LOCALES, use_locale
from wuye.imports.headers import normal_value
from wuye.imports.mapping import FieldKind, Target
from wuye.imports.words import BOOLEAN_WORDS, PRIORITY_WORDS, RECORD_SYNONYMS, STATE_WORDS
from wuye.properties.models import KINDS
from wuye.records.flow import Flow
from wuye.resources import fields
from wuye.resources.declaration import Resource
from wuye.resources.schemas import ScopedSchema

#: What the program alone knows; everything else that a record shows may come from the system where it lived before.
_OUR_OWN = {"id", "version", "created_at", "updated_at", "kind", "number", "phase", "department", "thread"}

_CREATES: Mapping[str, tuple[str, ...]] = {
    "core_property": KINDS,
    "core_person": ("person",),
    "core_department": ("department",),
}


_MADE_BY = {"core_property": "core.properties", "core_person": "core.people", "core_department": "core.departments"}


def import_schema(resource: Resource) -> ScopedSchema:
    """Return the schema that rows are validated by: the API's own, and for work also what only history can tell.

    A record that comes from another system has its state, its real times and its outcome; through the API they are
    not writable.
    """
    if not resource.is_record:
        return resource.instance
    history = {
        name: _writable(item)
        for name, item in resource.instance.declared_fields.items()
        if item.dump_only and name not in _OUR_OWN and getattr(item, "target", "") != "record"
    }
    assert resource.flow is not None, "work that can be imported has a flow"
    history["state"] = fields.Choice(tuple(resource.flow.states))
    schema: ScopedSchema = type(f"{resource.schema.__name__}Import", (resource.schema,), history)()
    return schema


def _writable(item: marshmallow_fields.Field[Any]) -> marshmallow_fields.Field[Any]:
    copy = deepcopy(item)
    copy.dump_only = False
    return copy


def kind_of(item: marshmallow_fields.Field[Any]) -> FieldKind:
    """Return how a field is read from a file."""
    if isinstance(item, fields.Moment | fields.Day):
        return "date"
    if isinstance(item, fields.Integer | fields.Decimal):
        return "number"
    if isinstance(item, fields.Choice | fields.Boolean):
        return "choice"
    return "reference" if isinstance(item, fields.Reference) else "text"


def targets_of(resource: Resource, schema: ScopedSchema, hidden: Sequence[str] = ()) -> list[Target]:
    """Return what can be imported into the schema's fields, but for the `hidden` ones, with the headers they go by."""
    known = {**(RECORD_SYNONYMS if resource.is_record else {}), **resource.synonyms}
    targets = [
        Target(name, tuple(known.get(name, ())), item.required, kind_of(item), creates_of(item))
        for name, item in schema.load_fields.items()
        if name not in hidden
    ]
    references = [item for item in schema.load_fields.values() if isinstance(item, fields.Reference)]
    if any(item.target == "property" for item in references):
        targets += [
            Target(part, tuple(known.get(part, RECORD_SYNONYMS[part])), kind="text")
            for part in ("building", "entrance", "room")
        ]
    return targets


def creates_of(item: marshmallow_fields.Field[Any]) -> tuple[str, ...]:
    """Return what an unknown name may become for a reference, if the mapping says so."""
    return _CREATES.get(table_of(item.target), ()) if isinstance(item, fields.Reference) else ()


def key_of_made(word: str) -> str:
    """Return the key of the resource of which `word` (see `creates_of`) makes one."""
    table = next(table for table, words in _CREATES.items() if word in words)
    return _MADE_BY[table]


def words_of(resource: Resource, schema: ScopedSchema) -> dict[str, dict[str, str]]:
    """Return field → name in files → word of the choice, for every field that has such words.

    The words themselves, the labels of states in every language and the declared names are known.
    """
    found: dict[str, dict[str, str]] = {}
    for name, item in schema.load_fields.items():
        if isinstance(item, fields.Boolean):
            found[name] = _spread(BOOLEAN_WORDS, ("true", "false"))
        elif isinstance(item, fields.Choice):
            names = dict(resource.importing.words.get(name, {}))
            if resource.is_record and name in ("state", "priority"):
                names = {**(STATE_WORDS if name == "state" else PRIORITY_WORDS), **names}
            if resource.flow is not None and name == "state":
                names = {word: (*names.get(word, ()), *_labels(resource.flow, word)) for word in item.choices}
            found[name] = _spread(names, item.choices)
    return found


def _labels(flow: Flow, state: str) -> Iterator[str]:
    for locale in LOCALES:
        with use_locale(locale):
            yield str(flow.states[state].label)


def _spread(names: Mapping[str, Sequence[str]], choices: Sequence[str]) -> dict[str, str]:
    spread: dict[str, str] = {}
    for word in choices:
        for each in (word, word.replace("_", " "), *names.get(word, ())):
            spread.setdefault(normal_value(each), word)
    return spread

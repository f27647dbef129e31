"""What an import knows before its first row: the importer of its kind, which column is which field, how dates are written."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from wuye.errors import FieldError, Invalid
from wuye.i18n import _
from wuye.imports.composites import COMPOSITES
from wuye.imports.dates import Ambiguous, DateFormat, detect
from wuye.imports.declared import import_schema, targets_of, words_of
from wuye.imports.files import Table
from wuye.imports.mapping import Mapping as ColumnMapping
from wuye.imports.mapping import Target
from wuye.imports.rows import Importer, ResourceImporter
from wuye.resources.declaration import Resource


@dataclass(frozen=True)
class Plan:
    """An import that can begin; `seen` are the rows in which it has met each key."""

    file: str
    dry_run: bool
    importer: Importer
    table: Table
    mapping: ColumnMapping
    targets: Mapping[str, Target]
    formats: Mapping[str, DateFormat]
    words: Mapping[str, Mapping[str, str]]
    identities: Mapping[int, str]
    seen: dict[str, int] = field(default_factory=dict)


def importer_of(resource: Resource) -> Importer:
    """Return what writes the rows of a resource."""
    composite = COMPOSITES.get(resource.key)
    if composite is not None:
        return composite(resource)
    schema = import_schema(resource)
    return ResourceImporter(resource, schema, targets_of(resource, schema), words_of(resource, schema))


def plan(
    resource: Resource,
    table: Table,
    mapping: ColumnMapping,
    file: str,
    *,
    spellings: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> Plan:
    """Plan the import of a table that was read from `file`; `spellings` says how date fields are written.

    Raises:
        MappingError: the mapping does not fit the table. Invalid: a date column can be read in two ways, or a format is
        not one.
    """
    importer = importer_of(resource)
    mapping.check(table.columns, importer.targets)
    targets = {target.name: target for target in importer.targets}
    formats = _formats(table, mapping, targets, spellings or {})
    identities = _identities(table, mapping) if resource.is_record else {}
    return Plan(file, dry_run, importer, table, mapping, targets, formats, importer.words, identities)


def _identities(table: Table, mapping: ColumnMapping) -> dict[int, str]:
    """Return row number → an external id made of the row's content, for rows that have none of their own.

    Of rows that are alike in every cell the second, third … get ids of their own.
    """
    source = mapping.columns.get("external_id")
    alike: Counter[str] = Counter()
    identities: dict[int, str] = {}
    for row in table.rows:
        cells = dict(zip(table.columns, row.values, strict=True))
        if row.fault is None and (source is None or source.take(cells) == ""):
            content = "\x1f".join(f"{name}\x1e{cells[name]}" for name in sorted(cells))
            digest = hashlib.blake2b(content.encode(errors="replace"), digest_size=10).hexdigest()
            alike[digest] += 1
            identities[row.number] = f"row-{digest}" + (f"-{alike[digest]}" if alike[digest] > 1 else "")
    return identities


def _formats(
    table: Table, mapping: ColumnMapping, targets: Mapping[str, Target], spellings: Mapping[str, str]
) -> dict[str, DateFormat]:
    """Return how each date column is written: as told, else as all of its values agree.

    Raises:
        Invalid: they agree on more than one way, or what was told is no format or for no date column.
    """
    _check_spellings(mapping, targets, spellings)
    found = date_formats(table, mapping, targets, spellings)
    unclear = [
        FieldError(
            ", ".join(mapping.columns[name].columns),
            str(each),
            _("Say it with --format {field}=…, or under [formats] in the mapping.", field=name),
        )
        for name, each in found.items()
        if isinstance(each, Ambiguous)
    ]
    if unclear:
        raise Invalid(_("Dates in this file can be read in more than one way."), errors=unclear)
    return {name: each for name, each in found.items() if isinstance(each, DateFormat)}


def date_formats(
    table: Table, mapping: ColumnMapping, targets: Mapping[str, Target], spellings: Mapping[str, str]
) -> dict[str, DateFormat | Ambiguous]:
    """Return for each date field how it is written: as told, else as all values agree; or in which ways it can be read.

    Fields whose columns hold no date at all are left out.
    """
    formats: dict[str, DateFormat | Ambiguous] = {}
    for name, source in mapping.columns.items():
        if targets[name].kind != "date":
            continue
        spelling = spellings.get(name) or mapping.formats.get(name)
        if spelling:
            formats[name] = DateFormat.named(str(spelling))
            continue
        found = detect(value for column in source.columns for value in table.column(column) if value != "")
        if found is not None:
            formats[name] = found
    return formats


def _check_spellings(mapping: ColumnMapping, targets: Mapping[str, Target], spellings: Mapping[str, str]) -> None:
    dates = [name for name in mapping.columns if targets[name].kind == "date"]
    errors: list[FieldError] = []
    for name, spelling in spellings.items():
        if name not in dates:
            hint = _("Use one of: {choices}.", choices=", ".join(dates) or "—")
            errors.append(FieldError(name, _("No date column is mapped to this field."), hint))
            continue
        try:
            DateFormat.named(spelling)
        except ValueError as error:
            errors.append(FieldError(name, error.args[0]))
    if errors:
        raise Invalid(_("The formats cannot be used."), errors=errors)

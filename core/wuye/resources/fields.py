"""Fields for schemas: marshmallow's, bounded, and with messages in the reader's language.

The API, the forms and the import validate by these. Everything has a limit: no NUL, no endless text, no absurd date.
"""

from collections.abc import Collection, Mapping, Sized
from datetime import UTC, date, datetime
from decimal import Decimal as PythonDecimal
from typing import Any, TypeVar
from uuid import UUID

from marshmallow import Schema, ValidationError, fields, validate

from wuye.i18n import LazyText, _

F = TypeVar("F", bound="fields.Field[Any]")

EARLIEST, LATEST = 1900, 2200

#: What shows nothing: white space, format characters (Unicode's Cf) and the fillers that are drawn as a gap. It is cut off
#: at both ends of a text, so that nothing has an invisible name.
INVISIBLE = "".join(
    chr(code)
    for first, last in (
        (0x9, 0xD), (0x1C, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0xAD, 0xAD), (0x600, 0x605), (0x61C, 0x61C), (0x6DD, 0x6DD),
        (0x70F, 0x70F), (0x890, 0x891), (0x8E2, 0x8E2), (0x115F, 0x1160), (0x1680, 0x1680), (0x180E, 0x180E),
        (0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x2064), (0x2066, 0x206F), (0x2800, 0x2800), (0x3000, 0x3000),
        (0x3164, 0x3164), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF9, 0xFFFB), (0xE0001, 0xE0001), (0xE0020, 0xE007F),
    )
    for code in range(first, last + 1)
)  # fmt: skip

_MESSAGES: dict[str, Any] = {
    "required": _("This is needed."),
    "null": _("This may not be empty."),
    "validator_failed": _("This value is not allowed."),
}


def messages(**texts: LazyText) -> dict[str, Any]:
    """Return a field's error messages: ours instead of marshmallow's English ones."""
    return {**_MESSAGES, **texts}


def _fail(message: LazyText) -> ValidationError:
    return ValidationError([message])


class _Length(validate.Length):
    """A length limit whose message is translated."""

    def __call__(self, value: Any) -> Any:
        if self.max is not None and len(value) > self.max:
            raise _fail(_("Use at most {limit} characters; these are {length}.", limit=self.max, length=len(value)))
        if self.min is not None and len(value) < self.min:
            raise _fail(_("This may not be empty."))
        return value


class _Range(validate.Range):
    """A range of numbers whose message is translated."""

    def __call__(self, value: Any) -> Any:
        if (self.min is not None and value < self.min) or (self.max is not None and value > self.max):
            raise _fail(_("Use a number from {low} to {high}.", low=self.min, high=self.max))
        return value


_STAFF_ONLY = "x-staff-only"


def by_staff(item: F) -> F:
    """Return a field, marked as one that staff decide: residents and guests can neither fill it in nor change it."""
    item.metadata = {**item.metadata, _STAFF_ONLY: True}
    return item


def is_staff_only(item: fields.Field[Any]) -> bool:
    """Tell whether staff decide a field."""
    return bool(item.metadata.get(_STAFF_ONLY))


def length(*, max: int, min: int = 0) -> validate.Length:
    """Limit a text to `min`…`max` characters."""
    return _Length(min=min, max=max)


def between(low: float | PythonDecimal, high: float | PythonDecimal) -> validate.Range:
    """Limit a number to `low`…`high`, both included."""
    return _Range(min=low, max=high)


class String(fields.String):
    """One line of text, at most 200 characters unless `validate` says otherwise, without control characters and not of invisible ones."""

    default_error_messages = messages(invalid=_("This must be text."), invalid_utf8=_("This is not UTF-8."))
    limit = 200
    allowed = ""

    def __init__(self, **options: Any) -> None:
        options.setdefault("validate", length(max=self.limit, min=1 if options.get("required") else 0))
        super().__init__(**options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        assert text is not None
        text = text.strip(INVISIBLE)
        for character in text:
            if (character < " " and character not in self.allowed) or "\ud800" <= character <= "\udfff":
                raise _fail(_("The character {code} is not allowed.", code=f"U+{ord(character):04X}"))
        return text


class LongText(String):
    """Text of several lines, at most 20,000 characters."""

    limit = 20_000
    allowed = "\n\r\t"


class Choice(String):
    """One of a fixed list of words."""

    def __init__(self, choices: Collection[str], **options: Any) -> None:
        self.choices = tuple(choices)
        options["validate"] = self._check
        options["metadata"] = {"enum": list(self.choices), **options.get("metadata", {})}
        super().__init__(**options)

    def _check(self, value: str) -> None:
        if value not in self.choices:
            raise _fail(_("Use one of: {choices}.", choices=", ".join(self.choices)))


class Category(String):
    """What work is about, by which it is routed: a code like `repair.plumbing`, at most 80 characters.

    Forms offer those of `wuye.contracts` and of the estate's routing table; every other is taken too.
    """

    limit = 80


class DepartmentCode(String):
    """A department by its code, which is its plugin's name; `office` is the coordination board.

    Forms offer those that are known, with `taking` only those that can be handed work now.
    """

    limit = 40

    def __init__(self, *, taking: bool = False, **options: Any) -> None:
        self.taking = taking
        super().__init__(**options)


class Integer(fields.Integer):
    """A whole number between -2³¹ and 2³¹-1 unless `validate` says otherwise."""

    default_error_messages = messages(
        invalid=_("This must be a whole number."), too_large=_("This number is too large.")
    )

    def __init__(self, **options: Any) -> None:
        options.setdefault("validate", between(-(2**31), 2**31 - 1))
        super().__init__(strict=True, **options)


class Decimal(fields.Decimal):
    """An exact number (money, area), written as a string or number; at most 10^10, never NaN."""

    default_error_messages = messages(
        invalid=_("This must be a number."),
        too_large=_("This number is too large."),
        special=_("This must be a number."),
    )

    def __init__(self, *, places: int = 2, **options: Any) -> None:
        options.setdefault("validate", between(PythonDecimal(0), PythonDecimal(10) ** 10 - 1))
        super().__init__(places=places, as_string=True, **options)


class Boolean(fields.Boolean):
    """true or false."""

    default_error_messages = messages(invalid=_("This must be true or false."))


class Moment(fields.AwareDateTime):
    """A point in time with its offset, from 1900 to 2200; UTC inside."""

    default_error_messages = messages(
        invalid=_("Write a time like 2026-03-05T14:20:00+08:00."),
        invalid_awareness=_("The time lacks its offset: write it like 2026-03-05T14:20:00+08:00."),
        format=_("Write a time like 2026-03-05T14:20:00+08:00."),
    )

    def __init__(self, **options: Any) -> None:
        super().__init__(format="iso", **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        if isinstance(value, datetime):
            moment = value
        elif isinstance(value, str):
            moment = super()._deserialize(value, attr, data, **kwargs)
        else:
            raise self.make_error("invalid", input=value, obj_type="datetime")
        if not EARLIEST <= moment.year <= LATEST:
            raise _fail(
                _("The year {year} is out of range ({low} to {high}).", year=moment.year, low=EARLIEST, high=LATEST)
            )
        return moment.astimezone(UTC)


class Day(fields.Date):
    """A calendar day of the estate, from 1900 to 2200, written 2026-03-05."""

    default_error_messages = messages(
        invalid=_("Write a day like 2026-03-05."), format=_("Write a day like 2026-03-05.")
    )

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> date:
        if type(value) is date:
            day = value
        elif isinstance(value, str):
            day = super()._deserialize(value, attr, data, **kwargs)
        else:
            raise self.make_error("invalid", input=value, obj_type="date")
        if not EARLIEST <= day.year <= LATEST:
            raise _fail(
                _("The year {year} is out of range ({low} to {high}).", year=day.year, low=EARLIEST, high=LATEST)
            )
        return day


class Uuid(fields.UUID):
    """An identifier."""

    default_error_messages = messages(invalid_uuid=_("This is not an identifier (a UUID)."))


class Reference(Uuid):
    """A reference to another thing of the same estate: its id, or an object with an `id`.

    `target` is `property`, `person`, `department`, `record` or a plugin's own table. It is stored in the model's
    attribute `<name>_id` and shown as `{"id": …, "label": …}`, where the label is the target's column `label`.
    """

    def __init__(self, target: str, *, label: str | None = None, **options: Any) -> None:
        self.target = target
        self.label = label or {"property": "label", "record": "number"}.get(target, "name")
        super().__init__(**options)

    def _bind_to_schema(self, field_name: str, parent: Any) -> None:
        if self.attribute is None:
            self.attribute = f"{field_name}_id"
        super()._bind_to_schema(field_name, parent)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> UUID:
        if isinstance(value, Mapping):
            value = value.get("id")
        result = super()._deserialize(value, attr, data, **kwargs)
        assert result is not None
        return result


class List(fields.List[Any]):
    """Several values of one kind, at most `most`."""

    default_error_messages = messages(invalid=_("This must be a list."))

    def __init__(self, item: fields.Field[Any], *, most: int, **options: Any) -> None:
        super().__init__(item, **options)
        self.most = most
        self.validators.insert(0, self._check)

    def _check(self, value: Sized) -> None:
        if len(value) > self.most:
            raise _fail(_("Use at most {limit} of them; these are {length}.", limit=self.most, length=len(value)))


class Lines(List):
    """Several lines with the same columns, at most `most`: what was used, what was counted. Forms show them as a table.

    `line` is the schema of one of them; an error says which line and column it is about (`materials.0.quantity`).
    """

    def __init__(self, line: type[Schema], *, most: int = 50, **options: Any) -> None:
        self.line = line()
        super().__init__(fields.Nested(line), most=most, **options)


class Phone(String):
    """A telephone number: digits, spaces, +, - and brackets; shown masked (`138****2765`)."""

    limit = 30

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        number = super()._deserialize(value, attr, data, **kwargs)
        if number and (not set(number) <= set("0123456789+-() ") or sum(map(str.isdigit, number)) < 5):
            raise _fail(_("This is not a telephone number."))
        return number


def masked(value: str | None) -> str | None:
    """Return personal data as everybody may see it: three characters, stars, the last four of a number."""
    if not value:
        return value
    if "@" in value:
        name, _at, domain = value.partition("@")
        return f"{name[:1]}***@{domain}"
    return f"{value[:3]}****{value[-4:]}" if len(value) >= 8 else f"{value[:1]}****"


class Email(String):
    """An e-mail address, shown masked."""

    limit = 254

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        address = super()._deserialize(value, attr, data, **kwargs)
        name, at, domain = address.rpartition("@")
        if address and not (at and name and "." in domain and " " not in address):
            raise _fail(_("This is not an e-mail address."))
        return address

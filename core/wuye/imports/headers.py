"""Guesses which column of a file is which field, from the column's header and the field's synonyms."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|【[^【】]*】")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[a-z0-9]+|[^\W_]")
_TRADITIONAL = "樓棟單號業機電話積類別備註時間狀態標題內報區層戶證編碼門員職務聯繫係來處結關閉開創優級車園產權稱費個項"
_SIMPLIFIED = "楼栋单号业机电话积类别备注时间状态标题内报区层户证编码门员职务联系系来处结关闭开创优级车园产权称费个项"
_TO_SIMPLIFIED = str.maketrans(_TRADITIONAL, _SIMPLIFIED)

EXACT, ENDS_WITH, CONTAINS = 3, 2, 1


class Named(Protocol):
    """What is needed of a field: its name and the headers under which files have it."""

    @property
    def name(self) -> str:
        """The field's own name."""

    @property
    def synonyms(self) -> tuple[str, ...]:
        """The headers of files that mean it."""


@dataclass(frozen=True, slots=True, order=True)
class Strength:
    """How well a header fits a synonym: `degree` first (whole, at the end, within), then the synonym's `length`."""

    degree: int
    length: int


@dataclass(frozen=True, slots=True)
class Clash:
    """Columns that fit equally well the same field, or fields that fit equally well the same column."""

    columns: tuple[str, ...]
    fields: tuple[str, ...]


def normal_value(text: str) -> str:
    """Make values comparable: without regard to case, width (Ａ = A) and surplus blanks."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def words(header: str) -> tuple[str, ...]:
    """Cut a header into words, each ideograph being one; case, width, punctuation and remarks in brackets vanish.

    Traditional characters that are common in headers become simplified ones.
    """
    plain = unicodedata.normalize("NFKC", header).translate(_TO_SIMPLIFIED)
    bare = _BRACKETS.sub(" ", plain)
    return tuple(_WORD.findall(_CAMEL.sub(" ", bare).casefold())) or tuple(_WORD.findall(plain.casefold()))


def strength(header: tuple[str, ...], synonym: tuple[str, ...]) -> Strength | None:
    """Tell how well `header` fits `synonym`; a single letter or ideograph must be the whole header."""
    length = len("".join(synonym))
    if "".join(header) == "".join(synonym):
        return Strength(EXACT, length)
    if length < 2:
        return None
    span = len(synonym)
    if header[-span:] == synonym:  # 业主手机 is a telephone, "Owner phone" too: what matters stands last
        return Strength(ENDS_WITH, length)
    if any(header[start : start + span] == synonym for start in range(len(header) - span)):
        return Strength(CONTAINS, length)
    return None


def match(columns: Iterable[str], fields: Sequence[Named]) -> tuple[dict[str, str], list[Clash]]:
    """Return field → column, and what was left open because two columns or two fields fit equally well.

    Whole headers are settled first, then parts of what is left. Between two columns for one field nothing but a
    better degree decides; between two fields for one column the longer synonym does.
    """
    taken: dict[str, str] = {}
    clashes: list[Clash] = []
    left = {column: words(column) for column in columns}
    for degree in (EXACT, ENDS_WITH, CONTAINS):
        wanted: defaultdict[str, list[str]] = defaultdict(list)
        for column, header in list(left.items()):
            rivals = _best_fields(header, fields, degree)
            if len(rivals) > 1:
                clashes.append(Clash((column,), tuple(rivals)))
                del left[column]
            elif rivals:
                wanted[rivals[0]].append(column)
                del left[column]
        for name, rivals in wanted.items():
            if name in taken or any(name in clash.fields and len(clash.columns) > 1 for clash in clashes):
                continue
            if len(rivals) > 1:
                clashes.append(Clash(tuple(rivals), (name,)))
            else:
                taken[name] = rivals[0]
    return taken, clashes


def _best_fields(header: tuple[str, ...], fields: Sequence[Named], degree: int) -> list[str]:
    found: dict[str, Strength] = {}
    for each in fields:
        fits = [strength(header, words(synonym)) for synonym in (each.name, *each.synonyms)]
        known = [fit for fit in fits if fit is not None and fit.degree == degree]
        if known:
            found[each.name] = max(known)
    best = max(found.values(), default=None)
    return [name for name, fit in found.items() if fit == best]

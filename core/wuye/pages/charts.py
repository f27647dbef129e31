"""Charts as SVG, drawn on the server: labels at the ends, a title in words, colours from the style sheet by class."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from wuye.i18n import _


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what it stands for, how much it is, and where its rows are."""

    label: str
    value: float
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its name, its values from left to right, and the class that colours it."""

    name: str
    values: Sequence[float]
    style: str = "a"


def bars(items: Sequence[Bar], *, width: int = 640) -> Markup:
    """Return horizontal bars with their labels and values; nothing if there are none."""
    if not items:
        return Markup("")
    most = max(item.value for item in items) or 1
    start, row = 150, 34
    parts = []
    for place, item in enumerate(items):
        top = place * row
        length = (width - start - 60) * item.value / most
        parts.append(
            Markup(
                '<text class="t2" x="{}" y="{}" text-anchor="end">{}</text>'
                '<rect class="fa" x="{}" y="{}" width="{:.1f}" height="20" rx="3"/>'
                '<text class="tb" x="{:.1f}" y="{}">{}</text>'
            ).format(
                start - 12,
                top + 20,
                _cut(item.label, 18),
                start,
                top + 6,
                max(length, 2),
                start + length + 8,
                top + 20,
                f"{item.value:g}",
            )
        )
    words = ", ".join(f"{item.label} {item.value:g}" for item in items[:12])
    return _svg(width, len(items) * row + 8, words, parts)


def lines(
    series: Sequence[Series], ticks: Sequence[tuple[int, str]], *, note: str = "", width: int = 654, height: int = 292
) -> Markup:
    """Return lines over a common axis; `ticks` label places along it; the first line's peak carries `note`."""
    count = max((len(each.values) for each in series), default=0)
    if count < 2:
        return Markup("")
    most = _ceiling(max(max(each.values) for each in series))
    left, right, top, bottom = 34, 76, 12, 26

    def x(place: float) -> float:
        return left + (width - left - right) * place / (count - 1)

    def y(value: float) -> float:
        return top + (height - top - bottom) * (1 - value / most)

    parts = []
    for step in range(4):
        value = most * step / 3
        parts.append(
            Markup(
                '<line class="sl" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/><text x="{}" y="{:.1f}" text-anchor="end">{:g}</text>'
            ).format(left, width - right, y(value), y(value), left - 8, y(value) + 4, value)
        )
    for place, label in ticks:
        parts.append(
            Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(x(place), height - 6, label)
        )
    ends: list[float] = []
    for number, each in enumerate(series):
        path = "M" + "L".join(f"{x(place):.1f} {y(value):.1f}" for place, value in enumerate(each.values))
        if number == 0:
            area = f"{path}L{x(len(each.values) - 1):.1f} {y(0):.1f}L{x(0):.1f} {y(0):.1f}Z"
            parts.append(Markup('<path class="area" d="{}"/>').format(area))
        parts.append(Markup('<path class="line {}" d="{}"/>').format(each.style, path))
        end = y(each.values[-1])
        if ends and abs(end - ends[-1]) < 16:
            end = ends[-1] + 16 if ends[-1] < height / 2 else ends[-1] - 16
        ends.append(end)
        parts.append(
            Markup('<text class="end {}" x="{}" y="{:.1f}">{}</text>').format(
                each.style, width - right + 8, end + 4, each.name
            )
        )
    first = series[0].values
    peak = max(range(len(first)), key=lambda place: first[place])
    if first[peak] > 0:
        anchor, offset = ("end", -9) if peak > count / 2 else ("start", 9)
        parts.append(
            Markup(
                '<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="4"/><text class="t2" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>'
            ).format(x(peak), y(first[peak]), x(peak) + offset, y(first[peak]) + 1, anchor, note or f"{first[peak]:g}")
        )
    words = str(
        _("{name}: between {low} and {high}", name=series[0].name, low=f"{min(first):g}", high=f"{max(first):g}")
    )
    return _svg(width, height, words, parts)


def stacked(rows: Sequence[tuple[str, Sequence[float]]], styles: Sequence[str], *, width: int = 530) -> Markup:
    """Return one bar a row, made of parts that are coloured by `styles`, with the sum at its end."""
    if not rows:
        return Markup("")
    most = max(sum(values) for _label, values in rows) or 1
    start, height = 124, 38
    parts = []
    for place, (label, values) in enumerate(rows):
        top, left = place * height, float(start)
        parts.append(
            Markup('<text class="t2" x="{}" y="{}" text-anchor="end">{}</text>').format(
                start - 12, top + 20, _cut(label, 16)
            )
        )
        for value, style in zip(values, styles, strict=True):
            length = (width - start - 44) * value / most
            if value:
                parts.append(
                    Markup('<rect class="{}" x="{:.1f}" y="{}" width="{:.1f}" height="18" rx="3"/>').format(
                        style, left, top + 7, max(length - 2, 2)
                    )
                )
            left += length
        parts.append(Markup('<text class="tb" x="{:.1f}" y="{}">{:g}</text>').format(left + 6, top + 21, sum(values)))
    words = ", ".join(f"{label} {sum(values):g}" for label, values in rows)
    return _svg(width, len(rows) * height + 4, words, parts)


def heat(
    rows: Sequence[tuple[str, Sequence[float]]], columns: Sequence[tuple[int, str]], *, width: int = 530
) -> Markup:
    """Return a grid whose cells are the darker the more there is; `columns` label some of them."""
    most = max((value for _label, values in rows for value in values), default=0) or 1
    count = max((len(values) for _label, values in rows), default=0)
    if not count:
        return Markup("")
    start, height = 40, 24
    wide = (width - start) / count
    parts = []
    for row, (label, values) in enumerate(rows):
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(start - 10, row * height + 16, label)
        )
        for column, value in enumerate(values):
            parts.append(
                Markup(
                    '<rect class="fa" x="{:.1f}" y="{}" width="{:.1f}" height="{}" rx="3" opacity="{:.2f}"/>'
                ).format(start + column * wide, row * height + 2, wide - 3, height - 3, 0.06 + 0.86 * value / most)
            )
    for place, label in columns:
        parts.append(
            Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                start + (place + 0.5) * wide, len(rows) * height + 18, label
            )
        )
    busiest = max(
        ((value, label, column) for label, values in rows for column, value in enumerate(values)), default=None
    )
    words = str(_("Busiest: {day}", day=busiest[1])) if busiest else ""
    return _svg(width, len(rows) * height + 26, words, parts)


def _svg(width: int, height: int, title: str, parts: Sequence[Markup]) -> Markup:
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img"><title>{}</title>{}</svg>').format(
        width, height, title, Markup("").join(parts)
    )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _ceiling(value: float) -> float:
    """Return the next number that three equal steps of an axis lead to."""
    if value <= 3:
        return 3
    unit: float = 10.0 ** math.floor(math.log10(value))
    return next(step * unit for step in (1.5, 3, 6, 9, 12) if step * unit >= value)

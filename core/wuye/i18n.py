"""Translations: lazy texts, catalogues read from the .po files of core and of every plugin.

The .po files themselves are read (once for each language, when it is first asked for), so there is no compile
step that an editable installation or a plugin's author could forget.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po

LOCALES = ("en", "zh_Hans")
DEFAULT_LOCALE = "en"

_locale: ContextVar[str] = ContextVar("wuye_locale", default=DEFAULT_LOCALE)
_folders: list[Path] = [Path(__file__).parent / "translations"]
_catalogues: dict[str, dict[str, str]] = {}


class LazyText:
    """A message that is translated when it is shown, with values that are filled in then.

    `str(text)` uses the locale of the present context; `{name}` places are filled by `str.format`.
    """

    __slots__ = ("message", "values")

    def __init__(self, message: str, values: dict[str, Any]) -> None:
        self.message = message
        self.values = values

    def __str__(self) -> str:
        text = catalogue(_locale.get()).get(self.message) or self.message
        return text.format(**self.values) if self.values else text

    def __repr__(self) -> str:
        return f"_({self.message!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LazyText) and (self.message, self.values) == (other.message, other.values)

    def __hash__(self) -> int:
        return hash(self.message)


def _(message: str, /, **values: Any) -> LazyText:
    """Mark `message` for translation; `values` fill its `{places}` when it is shown."""
    return LazyText(message, values)


def add_translations(folder: Path) -> None:
    """Let the catalogues `folder/<locale>.po` take part; a plugin's own folder is added by the loader."""
    if folder not in _folders:
        _folders.append(folder)
        _catalogues.clear()


def catalogue(locale: str) -> dict[str, str]:
    """Return message → translation for `locale`, from every folder that takes part."""
    if locale not in _catalogues:
        entries: dict[str, str] = {}
        for folder in _folders:
            path = folder / f"{locale}.po"
            if path.is_file():
                with path.open("rb") as file:
                    for message in read_po(file, locale=locale):
                        if isinstance(message.id, str) and isinstance(message.string, str):
                            entries[message.id] = message.string
        _catalogues[locale] = entries
    return _catalogues[locale]


def current_locale() -> str:
    """Return the locale that texts are shown in now: one of `LOCALES`."""
    return _locale.get()


@contextmanager
def use_locale(locale: str) -> Iterator[None]:
    """Show texts in `locale` within the block; an unknown one falls back to English."""
    token = _locale.set(locale if locale in LOCALES else DEFAULT_LOCALE)
    try:
        yield
    finally:
        _locale.reset(token)


def negotiate(accept_language: str | None, preferred: str | None = None) -> str:
    """Choose the locale for a caller: `preferred` if we have it, else the best of an Accept-Language header."""
    if preferred in LOCALES:
        return str(preferred)
    ranked: list[tuple[float, str]] = []
    for part in (accept_language or "").split(","):
        tag, _semicolon, quality = part.strip().partition(";q=")
        try:
            ranked.append((-(float(quality) if quality else 1.0), tag.lower()))
        except ValueError:
            continue
    for _quality, tag in sorted(ranked):
        if tag.startswith("zh"):
            return "zh_Hans"
        if tag.startswith("en"):
            return "en"
    return DEFAULT_LOCALE

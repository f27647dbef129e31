"""Keeping the catalogues complete: `python -m wuye.translating` brings each zh_Hans.po up to date with the code.

Messages are what code and templates mark with `_("…")`, the labels in a plugin's manifest, and the names of its fields.
"""

import sys
import tomllib
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from wuye import labels
from wuye.imports.plans import importer_of
from wuye.plugins.registry import Registry

LOCALE = "zh_Hans"


_SOURCES = [("**.py", "python"), ("**.html", "jinja2.ext.babel_extract")]


def messages_of(package: Path, registry: Registry) -> set[str]:
    """Return every message of a package: marked ones, the labels of its manifest, the names of its fields."""
    found = {
        message
        for _file, _line, message, _comments, _context in extract_from_dir(
            package, method_map=_SOURCES, keywords={"_": None}, options_map={"**.html": {"silent": "false"}}
        )
        if isinstance(message, str)
    }
    manifest = package / "manifest.toml"
    if manifest.is_file():
        data = tomllib.loads(manifest.read_text("utf-8"))
        found |= {data["plugin"]["label"], *data.get("permissions", {}).values()}
        name = data["plugin"]["name"]
        named = {owner: _names(registry, owner) for owner in ("core", name)}
        found |= named[name] if name == "core" else named[name] - named["core"]
    return found


def _names(registry: Registry, plugin: str) -> set[str]:
    mine = [item for item in registry.resources.values() if item.plugin == plugin]
    found = {text for item in mine for text in labels.texts(item)}
    found |= {labels.worded(role.partition(".")[2]).message for role in registry.roles if role.startswith(f"{plugin}.")}
    for item in mine:
        if item.importable and item.create is not None:
            known = item.instance.fields
            targets = importer_of(item).targets
            found |= {labels.worded(target.name).message for target in targets if target.name not in known}
            found |= {labels.worded(word).message for target in targets for word in target.creates}
    declared = registry.settings.get(plugin)
    return found | (set(labels.words_of(declared.schema)) if declared else set())


def catalogue_of(package: Path) -> dict[str, str]:
    """Return the translations that a package has."""
    path = package / "translations" / f"{LOCALE}.po"
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        return {str(m.id): str(m.string) for m in read_po(file, locale=LOCALE) if m.id}


def update(package: Path, registry: Registry) -> list[str]:
    """Write a package's catalogue with all its messages, sorted, and return those that still lack a translation."""
    known = catalogue_of(package)
    catalogue = Catalog(locale=LOCALE, fuzzy=False)
    for message in sorted(messages_of(package, registry)):
        catalogue.add(message, known.get(message, ""))
    buffer = BytesIO()
    write_po(buffer, catalogue, omit_header=True, width=120)
    path = package / "translations" / f"{LOCALE}.po"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(buffer.getvalue().lstrip())
    return sorted(message for message in messages_of(package, registry) if not known.get(message))


def main() -> None:
    """Update core and every installed plugin."""
    from wuye.plugins.loader import load

    missing = 0
    plugins = load(strict=True)
    for name, plugin in plugins.loaded.items():
        for message in update(plugin.folder, plugins.registry):
            sys.stderr.write(f"{name}: {message}\n")
            missing += 1
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()

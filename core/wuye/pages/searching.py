"""Search over everything, the command palette that scripts make of it, and suggestions for references."""

from collections.abc import Iterator
from typing import Any

from flask import Flask, request

from wuye import labels
from wuye.errors import Text
from wuye.i18n import _
from wuye.pages import forms
from wuye.pages.access import Visit, absent, page
from wuye.pages.rendering import framed
from wuye.records import search
from wuye.resources.declaration import Resource
from wuye.resources.finding import Asked, best_of_each
from wuye.web.problems import json_response

#: Hits of each kind: whoever wants more goes on to the list.
_MOST = 6

#: What a hit is shown by, of the fields that it has.
_SHOWN = ("number", "title", "label", "code", "name", "state", "phase", "kind")


def register(app: Flask) -> None:
    """Add the pages."""
    page(app, "/e/<estate>/search", "search", _search)
    page(app, "/e/<estate>/palette", "palette", _palette)
    page(app, "/e/<estate>/suggest/<target>", "suggest", _suggest)


def _hits(visit: Visit, text: str) -> Iterator[tuple[Resource, list[dict[str, Any]]]]:
    """Yield what is found of every kind that the visitor sees."""
    needle = search.fold(text)
    if not needle or "\0" in needle or len(needle) > 200:
        return
    asked = [
        Asked(resource, ("id", *(name for name in _SHOWN if name in resource.attributes)))
        for resource in visit.ctx.loaded.registry.resources.values()
        if resource.search and visit.readable(resource) and resource.key != "core.records"
    ]
    for (resource, _columns), rows in zip(asked, best_of_each(visit.ctx, asked, needle, _MOST), strict=True):
        if rows:
            yield resource, rows


def _title(row: dict[str, Any]) -> str:
    return str(row.get("title") or row.get("label") or row.get("name") or row.get("code") or row.get("number"))


def _search(visit: Visit) -> Any:
    """Show what is found, by kind."""
    text = request.args.get("q", "").strip()
    found = [(resource, rows) for resource, rows in _hits(visit, text)]
    return framed(
        visit, "search.html", title=_("Search"), q=text, found=found, title_of=_title, label_of=labels.resource_label
    )


def _commands(visit: Visit) -> Iterator[tuple[Text, str, str]]:
    """Yield what can be done from anywhere: label, icon, address."""
    yield _("My desk"), "home", visit.url()
    for resource in visit.ctx.loaded.registry.resources.values():
        if not visit.readable(resource) or resource.key == "core.records":
            continue
        label = labels.resource_label(resource)
        yield (
            label,
            resource.look.icon or visit.ctx.loaded.registry.manifests[resource.plugin].icon,
            visit.url_of(resource),
        )
        if resource.create and visit.ctx.may(resource.create) and resource.key != "core.referrals":
            text = resource.look.create or _("Create: {kind}", kind=label)
            yield text, "plus", visit.url_of(resource, "new")


def _palette(visit: Visit) -> Any:
    """Return what the palette shows for a text: commands whose label has it, and what is found.

    The kinds of which something begins with the text come first, so that `cy` shows 陈雨 above all that has cy within.
    """
    text = request.args.get("q", "").strip()
    folded = search.fold(text)
    groups = [_fitting(visit, folded)]
    for resource, rows in _hits(visit, text):
        icon = resource.look.icon or visit.ctx.loaded.registry.manifests[resource.plugin].icon
        groups.append(
            [
                {
                    "label": _title(row),
                    "note": str(row.get("number") or row.get("code") or ""),
                    "icon": icon,
                    "url": visit.url_of(resource, row["id"]),
                    "group": str(labels.resource_label(resource)),
                }
                for row in rows
            ]
        )
    groups.sort(key=lambda items: not any(_begins(item["label"], folded) for item in items[:1]))
    return json_response({"items": [item for items in groups for item in items]})


def _fitting(visit: Visit, folded: str) -> list[dict[str, str]]:
    """Return the commands that a text means, those first of which a word begins like that."""
    items = [
        {"label": str(label), "icon": icon, "url": url, "group": str(_("Commands"))}
        for label, icon, url in _commands(visit)
    ]
    if not folded:
        return items[:12]
    found = [item for item in items if folded in _words(item["label"])]
    return sorted(found, key=lambda item: not _begins(item["label"], folded))[:8]


def _begins(label: str, folded: str) -> bool:
    return search.beginning(folded) in _words(label)


def _words(label: str) -> str:
    return search.named(search.fold(label), label)


def _suggest(visit: Visit, target: str) -> Any:
    """Return what a reference may mean."""
    absent(len(target) <= 60)
    text = request.args.get("q", "")[:100]
    return json_response({"items": [label for _key, label in forms.suggestions(visit, target, text)]})

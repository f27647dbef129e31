"""Drawing what plugins contribute to pages: each card and panel behind its own wall."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import structlog
from flask import g
from jinja2 import ChoiceLoader, Environment, FileSystemLoader
from markupsafe import Markup

from wuye import slots
from wuye.errors import Text
from wuye.i18n import _
from wuye.labels import department_label
from wuye.pages import charts
from wuye.pages.access import Visit
from wuye.pages.rendering import Showing, environment
from wuye.resources.declaration import Resource

log = structlog.get_logger("wuye.slots")


@dataclass(frozen=True, slots=True)
class Box:
    """A card or panel as a page shows it; `problem` is said in place of its content if it could not be drawn."""

    title: Text
    content: Markup
    problem: Text | None = None


def cards(visit: Visit, place: str) -> list[Box]:
    """Return the cards of a page (`overview` or `desk`), in the order of the plugins."""
    found = (card for card in visit.ctx.loaded.registry.cards.values() if place in card.on and _shown(visit, card))
    return [box for card in found if (box := _draw(visit, card, partial(card.show, visit.ctx)))]


def panels(visit: Visit, resource: Resource, row: Mapping[str, Any]) -> list[Box]:
    """Return the panels of a thing's detail, in the order of the plugins."""
    every = visit.ctx.loaded.registry.panels.values()
    found = (panel for panel in every if panel.of == resource.key and _shown(visit, panel))
    return [box for panel in found if (box := _draw(visit, panel, partial(panel.show, visit.ctx, row)))]


def _shown(visit: Visit, slot: slots.Card | slots.Panel) -> bool:
    return slot.plugin in visit.ctx.plugins and visit.ctx.may(slot.permission)


def _draw(visit: Visit, slot: slots.Card | slots.Panel, show: Callable[[], slots.Shape | None]) -> Box | None:
    """Draw one, in a savepoint: whatever it raises costs its own box, and one line in the log.

    In strict mode it fails the page, so that nobody misses it.
    """
    try:
        with visit.ctx.savepoint():
            shape = show()
            return None if shape is None else Box(slot.title, _content(visit, slot.plugin, shape))
    except Exception:
        log.exception("slot failed", plugin=slot.plugin, slot=slot.name, request_id=g.get("request_id"))
        if visit.ctx.loaded.bus.strict:
            raise
        name = department_label(visit.ctx.loaded.registry, slot.plugin)
        problem = _(
            "{plugin} cannot show this now. If you ask for help, say: {id}", plugin=name, id=g.get("request_id")
        )
        return Box(slot.title, Markup(""), problem)


def _content(visit: Visit, plugin: str, shape: slots.Shape) -> Markup:
    given: dict[str, Any] = {"visit": visit, "ctx": visit.ctx, "see": Showing(visit), "shape": shape}
    if isinstance(shape, slots.Own):
        template = _templates(visit.ctx.loaded.loaded[plugin].folder).get_template(shape.template)
        return Markup(template.render(**{**shape.values, **given}))  # noqa: S704 (templates escape what they print)
    kind = type(shape).__name__.lower()
    if isinstance(shape, slots.Bars):
        bars = [charts.Bar(str(bar.label), bar.value, address(visit, bar.to)) for bar in shape.items]
        given["drawing"] = charts.bars(bars, width=530)
    given["address"] = lambda to: address(visit, to)
    return Markup(environment().get_template(f"slot_{kind}.html").render(**given))  # noqa: S704 (the same)


def address(visit: Visit, to: slots.To | None) -> str | None:
    """Return where something leads; None for those who may not read it there."""
    resource = visit.ctx.loaded.registry.resources.get(to.resource) if to else None
    if to is None or resource is None or not visit.readable(resource):
        return None
    base = visit.url_of(resource, to.identity or "")
    return f"{base}?{to.query}" if to.query else base


@cache
def _templates(folder: Path) -> Environment:
    """Return core's templates with those of a plugin before them."""
    loader = ChoiceLoader([FileSystemLoader(folder / "templates"), environment().loader])  # type: ignore[list-item]  # it has one
    return environment().overlay(loader=loader)

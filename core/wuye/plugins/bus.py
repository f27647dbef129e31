"""The bus: calls the plugins that an estate has enabled, in a fixed order, each behind its own wall.

Whoever calls a hook never asks which plugins are enabled; the bus does. The order is the manifest's `order`, then what a
plugin requires, then its name.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pluggy
import structlog

from wuye.errors import Conflict, Problem
from wuye.i18n import _
from wuye.plugins.hookspecs import MODES

if TYPE_CHECKING:
    from wuye.context import Context

log = structlog.get_logger("wuye.bus")

Step = tuple[str, Callable[..., Any], tuple[str, ...]]


class Bus:
    """Calls hook implementations over a cached plan, filtered by the estate's plugins.

    A `strict` one (in development and in tests) raises whatever a hook raises, also where others would go on without it.
    """

    def __init__(self, manager: pluggy.PluginManager, order: Sequence[str], *, strict: bool = False) -> None:
        self.strict = strict
        self._manager = manager
        self._order = {name: place for place, name in enumerate(order)}
        self._plans: dict[str, tuple[Step, ...]] = {}

    def plan(self, hook: str) -> tuple[Step, ...]:
        """Return (plugin, function, argument names) of every implementation, in the order of the calls."""
        if hook not in self._plans:
            implementations = getattr(self._manager.hook, hook).get_hookimpls()
            self._plans[hook] = tuple(
                (impl.plugin_name, impl.function, tuple(impl.argnames))
                for impl in sorted(implementations, key=lambda impl: self._order[impl.plugin_name])
            )
        return self._plans[hook]

    def call(self, hook: str, ctx: "Context", *, only: str | None = None, **arguments: Any) -> list[Any]:
        """Call a hook for the enabled plugins (or for `only` one) and return what is not None.

        Raises:
            Problem: of a hook that must succeed; another exception of one becomes a Conflict naming the plugin.
        """
        plan = self.plan(hook)
        return [result for result in self._results(hook, plan, ctx, only, arguments) if result is not None]

    def first(self, hook: str, ctx: "Context", **arguments: Any) -> Any:
        """Call a hook until somebody returns something, and return that; None if nobody does."""
        for result in self._results(hook, self.plan(hook), ctx, None, arguments):
            if result is not None:
                return result
        return None

    def _results(
        self, hook: str, plan: tuple[Step, ...], ctx: "Context", only: str | None, arguments: dict[str, Any]
    ) -> Iterator[Any]:
        arguments["ctx"] = ctx
        for plugin, function, names in plan:
            if plugin == only or (only is None and plugin in ctx.plugins):
                call = partial(function, **{name: arguments[name] for name in names})
                yield self._invoke(hook, plugin, ctx, call)

    def _invoke(self, hook: str, plugin: str, ctx: "Context", call: Callable[[], Any]) -> Any:
        mode = MODES[hook]
        try:
            if mode != "write":
                return call()
            with ctx.savepoint():
                return call()
        except Problem as error:
            if mode == "must":
                raise
            self._note(hook, plugin, error)
            if self.strict:
                raise
        except Exception as error:
            self._note(hook, plugin, error)
            if self.strict:
                raise
            if mode == "must":
                raise Conflict(
                    _("The plugin {plugin} failed while it took part in this step.", plugin=plugin),
                    hint=_("Nothing was changed. The log has the details."),
                    plugin=plugin,
                ) from error
        return None

    def _note(self, hook: str, plugin: str, error: Exception) -> None:
        """Log a failure; of a hook that handles secrets the kind of the error alone."""
        if MODES[hook] == "discreet":
            log.error("hook failed", plugin=plugin, hook=hook, error=type(error).__name__)
        else:
            log.error("hook failed", plugin=plugin, hook=hook, exc_info=error)

"""What a plugin says about a background job."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wuye.context import Context
    from wuye.plugins.registry import Registry


@dataclass
class Job:
    """A function that runs in the background, in an estate's context, at least once: it must be idempotent.

    `run(ctx, **arguments)` gets JSON values only. With `cron` (five fields, UTC) it also runs periodically, once for
    every active estate that has the plugin enabled. A job of a disabled plugin does nothing.
    """

    name: str
    run: "Callable[..., None]"
    cron: str | None = None
    plugin: str = field(default="", init=False)

    def bind(self, plugin: str, _registry: "Registry") -> str:
        """Take the plugin's name; called by the registry."""
        self.plugin = plugin
        return f"{plugin}.{self.name}"

    def __call__(self, ctx: "Context", **arguments: Any) -> None:
        """Run the job in this context, if its plugin is enabled there."""
        if self.plugin == "core" or self.plugin in ctx.plugins:
            self.run(ctx, **arguments)

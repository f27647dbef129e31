"""What a plugin says about a background job."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Select

if TYPE_CHECKING:
    from wuye.context import Context
    from wuye.plugins.registry import Registry


@dataclass
class Job:
    """A function that runs in the background, in an estate's context, at least once: it must be idempotent.

    `run(ctx, **arguments)` gets JSON values only. With `cron` (five fields, UTC) it also runs periodically, once for
    every active estate that has the plugin enabled, and for which there is something to do: `due(now)` is a select of the
    `estate_id` of whatever would be done, asked over all estates at once (None: of every one). It may name too many,
    never too few. A job of a disabled plugin does nothing.
    """

    name: str
    run: "Callable[..., None]"
    cron: str | None = None
    due: "Callable[[datetime], Select[tuple[UUID]]] | None" = None
    plugin: str = field(default="", init=False)

    def bind(self, plugin: str, _registry: "Registry") -> str:
        """Take the plugin's name; called by the registry."""
        self.plugin = plugin
        return f"{plugin}.{self.name}"

    def __call__(self, ctx: "Context", **arguments: Any) -> None:
        """Run the job in this context, if its plugin is enabled there."""
        if self.plugin == "core" or self.plugin in ctx.plugins:
            self.run(ctx, **arguments)

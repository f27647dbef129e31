"""The settings of an estate, one row for each plugin that anything was changed of."""

from typing import Any

from sqlalchemy.orm import Mapped

from wuye.db.base import Base, Tracked, scoped_unique


class PluginSettings(Tracked, Base):
    """What an estate has decided about a plugin: `chosen` holds, by name, the settings that somebody has saved.

    A setting that is not in there has its default; one that the plugin does not declare any more is left alone. The row
    stays when the plugin is disabled, and goes when its data is purged.
    """

    __table_args__ = (scoped_unique("plugin"),)

    plugin: Mapped[str]
    chosen: Mapped[dict[str, Any]]

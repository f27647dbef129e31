"""The how-to for plugin authors is run: its blocks are one module, and its plugin does what is said."""

import re
import sys
import types
from pathlib import Path

from wuye.installation import Installation
from wuye.plugins.loader import load
from wuye.plugins.manifest import Manifest
from wuye.slots import Bars, Figures, Items

PAGE = Path(__file__).parents[2] / "docs/how-to/extend-pages.md"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def test_the_example_is_a_plugin_that_loads_and_shows_something(estate, monkeypatch):
    module = types.ModuleType("wuye_parcels_example")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec("".join(BLOCK.findall(PAGE.read_text("utf-8"))), module.__dict__)
    plugin = module.plugin
    plugin.manifest = Manifest.parse({"plugin": {"name": "parcels", "label": "Parcels", "api": ">=1,<2"}}, "here")
    plugin.folder = Path()
    plugins = load(strict=True, extra=(plugin,))
    assert isinstance(estate.place, Installation)
    monkeypatch.setitem(estate.place.__dict__, "plugins", plugins)
    with estate.context() as ctx:
        ctx.plugins |= {"parcels"}
        assert ctx.settings(module.ParcelSettings).days == 7
        shown = [card.show(ctx) for card in plugins.registry.cards.values() if card.plugin == "parcels"]
        assert [type(shape) for shape in shown] == [Figures, Bars]
        row = {"id": estate.person("Chen Yu"), "name": "Chen Yu"}
        assert isinstance(plugins.registry.panels["parcels.parcels"].show(ctx, row), Items)
        assert plugins.bus.first("send_code", ctx, phone="13812345678", text="…") is True
    assert module.sent == [("13812345678", "…")]

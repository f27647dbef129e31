"""Finding and loading plugins: manifests first, then their code in the order of what they require."""

import importlib.util
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from traceback import extract_tb

import pluggy
import structlog

from wuye.i18n import add_translations
from wuye.jobs.declaration import Job
from wuye.notifications.declaration import NotificationKind
from wuye.plugins import hookspecs, independence
from wuye.plugins.bus import Bus
from wuye.plugins.manifest import Manifest, ManifestError
from wuye.plugins.registry import RegistrationError, Registry
from wuye.referrals.declaration import ReferralTarget
from wuye.resources.declaration import Resource
from wuye.settings.declaration import Settings
from wuye.slots import Card, Panel

log = structlog.get_logger("wuye.plugins")

GROUP = "wuye.plugins"


class PluginError(Exception):
    """A plugin that cannot be loaded; `plugin` is its entry point's name."""

    def __init__(self, plugin: str, reason: str) -> None:
        super().__init__(f"{plugin}: {reason}")
        self.plugin = plugin
        self.reason = reason


class Plugin:
    """The base of a plugin's one object: methods marked with `@hookimpl` are what it contributes and hears.

    `manifest` and `folder` (its package) are set when it is loaded.
    """

    manifest: Manifest
    folder: Path

    @property
    def migrations(self) -> Path:
        """The folder of its migrations."""
        return self.folder / "migrations"


@dataclass
class Plugins:
    """All plugins of this process, loaded."""

    manager: pluggy.PluginManager
    registry: Registry
    bus: Bus
    loaded: dict[str, Plugin]
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The loaded departments (core, which is always there, is not among them), in the bus's order."""
        return tuple(name for name in self.loaded if name != "core")


def load(*, strict: bool, extra: tuple[Plugin, ...] = ()) -> Plugins:
    """Load core and every installed plugin.

    `extra` adds plugin objects that no entry point names (tests, tutorials); they come with their manifest set.

    Raises:
        PluginError: one cannot be loaded and `strict` is set; otherwise it is logged, listed in `failed` and skipped.
    """
    from wuye.core_plugin import core  # here: it imports the resources, which import this package

    manager = pluggy.PluginManager("wuye")
    manager.add_hookspecs(hookspecs.Declarations)
    manager.add_hookspecs(hookspecs.Events)
    plugins = Plugins(manager, Registry(), Bus(manager, (), strict=strict), {})
    candidates: dict[str, Plugin] = {}
    for entry_point in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            candidates[entry_point.name] = _import(entry_point)
        except PluginError as error:
            _skip(plugins, error, strict=strict)
    candidates.update({plugin.manifest.name: plugin for plugin in extra})
    for name in ("core", *_order(plugins, candidates, strict=strict)):
        plugin = core if name == "core" else candidates[name]
        try:
            _register(plugins, plugin)
        except PluginError as error:
            _skip(plugins, error, strict=strict)
    plugins.bus = Bus(manager, tuple(plugins.loaded), strict=strict)
    return plugins


def _skip(plugins: Plugins, error: PluginError, *, strict: bool) -> None:
    if strict:
        raise error
    plugins.failed[error.plugin] = error.reason
    log.error("plugin not loaded", plugin=error.plugin, reason=error.reason)


def _import(entry_point: EntryPoint) -> Plugin:
    """Read the manifest beside an entry point's package, then import its code."""
    package = entry_point.module.partition(".")[0]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise PluginError(entry_point.name, f"the package {package} is not installed any more")
    folder = Path(next(iter(spec.submodule_search_locations)))
    try:
        manifest = Manifest.read(folder / "manifest.toml")
    except ManifestError as error:
        raise PluginError(entry_point.name, str(error)) from error
    if manifest.name != entry_point.name or package != f"wuye_{manifest.name}":
        raise PluginError(entry_point.name, f"manifest, entry point and package must agree on {manifest.name!r}")
    try:
        independence.check_imports(manifest.name, folder)
        plugin = entry_point.load()
    except ValueError as error:
        raise PluginError(entry_point.name, str(error)) from error
    except Exception as error:
        reason = f"importing it failed: {type(error).__name__}: {error}{_where(error, folder)}"
        raise PluginError(entry_point.name, reason) from error
    if not isinstance(plugin, Plugin):
        raise PluginError(entry_point.name, f"{entry_point.value} is not a wuye.api.Plugin object")
    plugin.manifest, plugin.folder = manifest, folder
    return plugin


def _where(error: Exception, folder: Path) -> str:
    """Return where in a plugin's own code an exception came from: ` (flows.py:12)`; nothing if from elsewhere."""
    inside = [
        frame for frame in extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(folder.resolve())
    ]
    return f" ({Path(inside[-1].filename).relative_to(folder.resolve())}:{inside[-1].lineno})" if inside else ""


def _order(plugins: Plugins, candidates: dict[str, Plugin], *, strict: bool) -> list[str]:
    """Return the names in the order of the calls: what is required first, then the manifest's order, then the name."""
    graph: dict[str, set[str]] = {}
    for name, plugin in candidates.items():
        missing = [other for other in plugin.manifest.requires if other not in candidates]
        if missing:
            _skip(plugins, PluginError(name, f"requires {', '.join(missing)}"), strict=strict)
            continue
        graph[name] = {*plugin.manifest.requires, *(o for o in plugin.manifest.optional if o in candidates)}
    sorter = TopologicalSorter({name: needs & graph.keys() for name, needs in graph.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        raise PluginError(error.args[1][0], f"plugins require each other in a circle: {error.args[1]}") from error
    ordered: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=lambda name: (candidates[name].manifest.order, name))
        ordered += ready
        sorter.done(*ready)
    return ordered


def _register(plugins: Plugins, plugin: Plugin) -> None:
    """Check a plugin's methods, ask for its declarations, and let it hear the bus."""
    name = plugin.manifest.name
    specs = {hook for spec in (hookspecs.Declarations, hookspecs.Events) for hook in vars(spec) if hook[0] != "_"}
    for hook in specs:
        method = getattr(plugin, hook, None)
        if method is not None and not hasattr(method, "wuye_impl"):
            raise PluginError(name, f"the method {hook} has a hook's name but no @hookimpl")
    try:
        plugins.manager.register(plugin, name)
        plugins.manager.check_pending()
    except Exception as error:
        if plugins.manager.has_plugin(name):
            plugins.manager.unregister(name=name)
        raise PluginError(name, str(error)) from error
    add_translations(plugin.folder / "translations")
    registry = plugins.registry
    shelves = (*(shelf for shelf, _type, _hook in _SHELVES), "permissions", "roles")
    before = {kind: dict(getattr(registry, kind)) for kind in shelves}
    try:
        independence.check_tables(name)
        registry.add_manifest(plugin.manifest)
        for shelf, expected, hook in _SHELVES:
            registry.add(name, shelf, expected, _declared(plugin, hook))
        registry.commands[name] = list(_declared(plugin, "register_commands"))
    except Exception as error:
        for kind, contents in before.items():
            setattr(registry, kind, contents)
        registry.manifests.pop(name, None)
        plugins.manager.unregister(name=name)
        reason = str(error) if isinstance(error, RegistrationError) else f"{type(error).__name__}: {error}"
        reason += _where(error, plugin.folder)
        raise PluginError(name, reason) from error
    plugins.loaded[name] = plugin


#: Where the registry keeps what a hook contributes, and of which type that must be.
_SHELVES: tuple[tuple[str, type, str], ...] = (
    ("resources", Resource, "register_resources"),
    ("targets", ReferralTarget, "register_referral_targets"),
    ("jobs", Job, "register_jobs"),
    ("notifications", NotificationKind, "register_notifications"),
    ("settings", Settings, "register_settings"),
    ("cards", Card, "register_cards"),
    ("panels", Panel, "register_panels"),
)


def _declared(plugin: Plugin, hook: str) -> list:  # type: ignore[type-arg]  # each hook has its own type, checked by the registry
    method = getattr(plugin, hook, None)
    return list(method() or ()) if method else []

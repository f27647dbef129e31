"""wuye plugin: what is installed, what an estate has enabled, and the commands that plugins bring."""

from pathlib import Path
from typing import Any

import click

from wuye.archives.estate_export import export_estate, export_path
from wuye.cli.output import emit, installation, json_option, say, show
from wuye.errors import NotFound
from wuye.estates import lifecycle, services
from wuye.i18n import _
from wuye.records.flow import SYSTEM
from wuye.settings.declaration import Settings

estate_option = click.option("--estate", required=True, metavar="CODE", help="The estate.")


@click.group("plugin")
def plugin_command() -> None:
    """Plugins: one for each department."""


@plugin_command.command("list")
@click.option("--estate", metavar="CODE", help="Also say which of them this estate has enabled.")
@json_option
def list_(estate: str | None, as_json: bool) -> None:
    """List the installed plugins, and those that could not be loaded or are gone.

    Exits with 1 if one could not be loaded. Example: wuye plugin list --estate demo
    """
    with installation() as place:
        enabled: frozenset[str] = frozenset()
        if estate:
            with place.system_context(estate) as ctx:
                enabled = services.enabled_plugins(ctx.session, ctx.estate.id)
        rows: list[dict[str, Any]] = []
        for name in place.plugins.names:
            manifest = place.plugins.loaded[name].manifest
            rows.append({"plugin": name, "label": manifest.label, "api": manifest.api, "state": "loaded"})
        rows += [{"plugin": name, "label": "", "api": "", "state": "failed"} for name in place.plugins.failed]
        known = {row["plugin"] for row in rows}
        rows += [{"plugin": n, "label": "", "api": "", "state": "not installed"} for n in sorted(enabled - known)]
        if estate:
            rows = [{**row, "enabled": row["plugin"] in enabled} for row in rows]
        if as_json and place.plugins.failed:
            rows = [{**row, "reason": place.plugins.failed.get(row["plugin"])} for row in rows]
        show(rows, as_json=as_json)
        for name, reason in place.plugins.failed.items():
            say(f"{name}: {reason}")
        if place.plugins.failed:
            click.get_current_context().exit(1)


@plugin_command.command("show")
@click.argument("name")
@json_option
def show_(name: str, as_json: bool) -> None:
    """Show what a plugin declares: permissions, roles, settings, cards, panels, resources, states and transitions.

    Example: wuye plugin show maintenance
    """
    with installation() as place:
        if name not in place.plugins.loaded:
            raise NotFound(_("There is no plugin “{name}” here.", name=name))
        registry = place.plugins.registry
        manifest = registry.manifests[name]
        resources: dict[str, Any] = {}
        for resource in registry.resources.values():
            if resource.plugin != name:
                continue
            flow = resource.flow
            resources[resource.name] = {
                "fields": list(resource.attributes),
                "states": [state.name for state in flow.states.values()] if flow else [],
                "transitions": [
                    f"{t.name}: {'|'.join(t.sources)} → {t.target or '='}"
                    + (" (system)" if t.permission == SYSTEM else "")
                    for t in flow.transitions.values()
                ]
                if flow
                else [],
            }
        facts = {
            "name": name,
            "label": manifest.label,
            "requires": list(manifest.requires),
            "permissions": dict(manifest.permissions),
            "roles": {role: list(names) for role, names in manifest.roles.items()},
            "settings": _settings(registry.settings.get(name)),
            "cards": [card.name for card in registry.cards.values() if card.plugin == name],
            "panels": [f"{panel.name} on {panel.of}" for panel in registry.panels.values() if panel.plugin == name],
            "resources": resources,
        }
        if as_json:
            emit(facts)
        else:
            _tree(facts)


def _settings(declared: Settings | None) -> dict[str, Any]:
    if declared is None:
        return {}
    defaults = declared.schema.dump(declared.defaults)
    return {
        name: {"label": str(item.label), "help": str(item.help), "default": defaults[name]}
        for name, item in declared.items.items()
    }


def _tree(value: Any, depth: int = 0) -> None:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        label = f"{'  ' * depth}{key if isinstance(value, dict) else '-'}"
        if isinstance(inner, dict | list):
            click.echo(label)
            _tree(inner, depth + 1)
        else:
            click.echo(f"{label}  {inner}")


@plugin_command.command("enable")
@click.argument("names", nargs=-1, required=True)
@estate_option
@json_option
def enable(names: tuple[str, ...], estate: str, as_json: bool) -> None:
    """Enable plugins for an estate; takes effect at once, in every process.

    Example: wuye plugin enable maintenance --estate demo
    """
    with installation() as place, place.system_context(estate) as ctx:
        offered = services.enable(ctx, names)
    for name, count in offered.items():
        say(_("{name} is enabled.", name=name))
        if count:
            say(_("{count} referrals that were waiting are offered to it now.", count=count))
    if as_json:
        emit({"enabled": list(offered), "offered": offered})


@plugin_command.command("disable")
@click.argument("name")
@estate_option
@click.option("--force", is_flag=True, help="Even if work is open.")
@json_option
def disable(name: str, estate: str, force: bool, as_json: bool) -> None:
    """Disable a plugin for an estate: its routes, hooks and jobs fall silent at once, its data stays.

    Example: wuye plugin disable maintenance --estate demo --force
    """
    with installation() as place, place.system_context(estate) as ctx:
        work = services.disable(ctx, name, force=force)
    say(_("{name} is disabled; its data stays.", name=name))
    if as_json:
        emit({"disabled": name, "open": [{"kind": item.kind, "count": item.count} for item in work]})


@plugin_command.command("purge")
@click.argument("name")
@estate_option
@click.option("--yes", is_flag=True, help="Really delete; without it, only shows what would go.")
@click.option("--export", "file", type=click.Path(path_type=Path), help="Where the export goes.")
@json_option
@click.pass_context
def purge(ctx: click.Context, name: str, estate: str, yes: bool, file: Path | None, as_json: bool) -> None:
    """Delete a disabled plugin's data in an estate, after exporting it.

    Example: wuye plugin purge maintenance --estate demo --yes
    """
    with installation() as place:
        counts = lifecycle.preview_purge(place, estate, name)
        show([{"table": table, "rows": count} for table, count in counts.items()], as_json=as_json)
        if not yes:
            say(_("Nothing was deleted: repeat this with --yes."))
            ctx.exit(1)
        file = file or export_path(place, f"{estate}-{name}")
        export_estate(place, estate, file, plugin=name)
        say(_("Exported to {file}.", file=file))
        lifecycle.purge(place, estate, name)
        say(_("The data of {name} was deleted.", name=name))


@plugin_command.command("migration")
@click.argument("name")
@click.option("--message", default="change", show_default=True)
@click.option("--allow-drop", is_flag=True, help="Also write what deletes tables or columns with their data.")
def migration(name: str, message: str, allow_drop: bool) -> None:
    """Write the migration that a plugin's models need, by comparing them with the database.

    What was renamed looks like something deleted and something new: that is refused, and named, so that you can write
    op.rename_table or op.alter_column(…, new_column_name=…) instead.

    Example: wuye plugin migration parcels --message "first tables"
    """
    from wuye.db import migrate

    with installation() as place:
        if name not in place.plugins.loaded:
            raise NotFound(_("There is no plugin “{name}” here.", name=name))
        place.upgrade()
        with migrate.owner(place.database) as connection:
            written = migrate.write_migration(connection, place.plugins.loaded[name], message, allow_drop=allow_drop)
        if written is None:
            say(_("Nothing to do: tables and models agree."))
            return
        say(written.path)
        for dropped in written.drops:
            say(_("It deletes, with its data: {what}.", what=dropped))


def commands_of(plugin: str) -> click.Command | None:
    """Return the group of commands that a plugin brings, None if it brings none."""
    with installation() as place:
        commands = place.plugins.registry.commands.get(plugin)
    return click.Group(plugin, {str(command.name): command for command in commands}) if commands else None

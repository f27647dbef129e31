"""wuye estate: creating, listing, suspending and deleting estates."""

from pathlib import Path
from typing import Any

import click
from sqlalchemy import func, select

from wuye.archives.estate_export import export_estate, export_path
from wuye.archives.estate_import import import_estate
from wuye.cli.archives import progress_bars
from wuye.cli.output import emit, installation, json_option, say, show, show_one
from wuye.estates import lifecycle
from wuye.estates.models import Estate, EstatePlugin
from wuye.estates.services import create_estate, enable, system_actor
from wuye.i18n import LOCALES, _
from wuye.identity import invitations
from wuye.identity.members import MANAGER
from wuye.identity.models import Membership
from wuye.installation import find_estate


@click.group("estate")
def estate_command() -> None:
    """Estates of this installation."""


@estate_command.command("create")
@click.argument("code")
@click.option("--name", required=True)
@click.option("--organisation", default="")
@click.option("--zone", default="Asia/Shanghai", show_default=True, help="IANA time zone.")
@click.option("--locale", type=click.Choice(LOCALES), default="zh_Hans", show_default=True)
@click.option("--plugin", "plugins", multiple=True, help="Enable this plugin; may be repeated.")
@click.option("--manager", metavar="EMAIL", help="Invite the first manager: prints the link for them, or sends it.")
@json_option
def create(
    code: str,
    name: str,
    organisation: str,
    zone: str,
    locale: str,
    plugins: tuple[str, ...],
    manager: str | None,
    as_json: bool,
) -> None:
    """Create an estate.

    Example: wuye estate create garden --name 望江花园 --plugin customer_service --manager chen@example.com
    """
    with installation() as place:
        with place.database.session() as session:
            info = create_estate(
                session, place.clock, code=code, name=name, organisation=organisation, zone=zone, locale=locale
            )
            ctx = place.context(session, info, system_actor(place.plugins), frozenset())
            enable(ctx, plugins)
            invited = invitations.invite(ctx, email=manager, roles=[MANAGER]) if manager else None
            ctx.seal()
        say(_("The estate “{code}” was created.", code=code))
        link = place.letters.address("invitation", invited.link) if invited and invited.link else None
        if as_json:
            emit({"id": info.id, "code": code, "plugins": sorted(ctx.plugins - {"core"}), "invitation": link})
        elif link:
            say(_("For {email} alone, good once, for 72 hours:", email=manager))
            click.echo(link)


@estate_command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the estates.

    Example: wuye estate list --json
    """
    with installation() as place, place.database.session() as session:
        enabled = (
            select(func.count())
            .where(EstatePlugin.estate_id == Estate.id, EstatePlugin.enabled)
            .correlate(Estate)
            .scalar_subquery()
        )
        rows = session.execute(
            select(Estate.code, Estate.name, Estate.organisation, Estate.state, Estate.zone, enabled.label("plugins"))
            .order_by(Estate.code)
        )  # fmt: skip
        show([dict(row._mapping) for row in rows], as_json=as_json)


@estate_command.command("show")
@click.argument("code")
@json_option
def show_(code: str, as_json: bool) -> None:
    """Show one estate: its plugins, members and rows.

    Example: wuye estate show demo
    """
    with installation() as place, place.database.session() as session:
        info = find_estate(session, code)
        estate = session.get_one(Estate, info.id)
        members = session.scalar(select(func.count()).where(Membership.estate_id == info.id))
        enabled = session.scalars(
            select(EstatePlugin.plugin).where(EstatePlugin.estate_id == info.id, EstatePlugin.enabled)
        ).all()
        session.pin(info.id)
        assert place.plugins, "loading the plugins makes their tables known"
        rows = {name: count for name, count in lifecycle.count_rows(session) if count}
        facts: dict[str, Any] = {
            "code": estate.code,
            "name": estate.name,
            "organisation": estate.organisation,
            "state": estate.state,
            "zone": estate.zone,
            "locale": estate.locale,
            "created_at": estate.created_at.isoformat(),
            "plugins": sorted(enabled) if as_json else ", ".join(sorted(enabled)),
            "members": members,
            "rows": rows if as_json else sum(rows.values()),
        }
        show_one(facts, as_json=as_json)


@estate_command.command("suspend")
@click.argument("code")
def suspend(code: str) -> None:
    """Close an estate to everybody; its data stays.

    Example: wuye estate suspend garden
    """
    _set_state(code, "suspended")


@estate_command.command("resume")
@click.argument("code")
def resume(code: str) -> None:
    """Open a suspended estate again.

    Example: wuye estate resume garden
    """
    _set_state(code, "active")


def _set_state(code: str, state: str) -> None:
    with installation() as place, place.database.session() as session:
        session.get_one(Estate, find_estate(session, code).id).state = state
        say(f"{code}: {state}")


@estate_command.command("export")
@click.argument("code")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def export(code: str, file: Path, as_json: bool) -> None:
    """Write all data of an estate into a zip file, which wuye estate import can put back here or elsewhere.

    Example: wuye estate export garden garden.zip
    """
    with installation() as place, progress_bars(quiet=as_json) as progress:
        manifest = export_estate(place, code, file, progress=progress)
    if as_json:
        emit({"file": str(file), "rows": manifest.rows, "files": manifest.files, "missing": manifest.missing})
    say(_("{count} rows were written to {file}.", count=manifest.rows, file=file))
    for path in manifest.missing:
        say(_("This file was missing already: {path}", path=path))


@estate_command.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--as", "code", metavar="CODE", help="As a copy with this code; else it is the same estate again.")
@click.option("--without-plugin", "without", multiple=True, help="Leave this plugin's data out; may be repeated.")
@click.option("--with-members", is_flag=True, help="Members who have the same account here become members again.")
@json_option
def import_(file: Path, code: str | None, without: tuple[str, ...], with_members: bool, as_json: bool) -> None:
    """Put an exported estate back, or bring one here from another installation; all of it or nothing.

    Nobody becomes a member by it: the people to be invited are listed. Example: wuye estate import garden.zip --as trial
    """
    with installation() as place, progress_bars(quiet=as_json) as progress:
        report = import_estate(
            place, file, code=code, without=frozenset(without), with_members=with_members, progress=progress
        )
    if as_json:
        emit(report)
    say(
        _(
            "The estate “{code}” has {rows} rows and {files} files.",
            code=report.code,
            rows=report.rows,
            files=report.files,
        )
    )
    if report.members:
        say(_("{n} members have the same account here, and are members again.", n=report.members))
    if report.to_invite and not as_json:
        say(_("These people were members; invite them again:"))
        show(
            [{"name": each.name, "email": each.email, "roles": ", ".join(each.roles)} for each in report.to_invite],
            as_json=False,
        )


@estate_command.command("delete")
@click.argument("code")
@click.option("--yes", is_flag=True, help="Really delete; without it, only shows what would go.")
@click.option("--no-export", is_flag=True, help="Do not write an export first.")
@json_option
@click.pass_context
def delete(ctx: click.Context, code: str, yes: bool, no_export: bool, as_json: bool) -> None:
    """Delete an estate with all its data, after exporting it into the data folder.

    Example: wuye estate delete garden --yes
    """
    with installation() as place:
        with place.database.session() as session:
            session.pin(find_estate(session, code).id)
            assert place.plugins, "loading the plugins makes their tables known"
            counts = {name: count for name, count in lifecycle.count_rows(session) if count}
        show([{"table": name, "rows": count} for name, count in counts.items()], as_json=as_json)
        if not yes:
            say(_("Nothing was deleted: repeat this with --yes."))
            ctx.exit(1)
        if not no_export:
            file = export_path(place, code)
            export_estate(place, code, file)
            say(_("Exported to {file}.", file=file))
        lifecycle.delete_estate(place, code)
        say(_("The estate “{code}” was deleted.", code=code))

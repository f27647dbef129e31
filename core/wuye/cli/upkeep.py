"""wuye upgrade, doctor, db: the installation's own health."""

import click

from wuye.cli.output import emit, installation, json_option, say, show
from wuye.i18n import _


@click.command("upgrade")
@click.option(
    "--no-backup", is_flag=True, help="Do not make a backup first, if tables are changed that hold something."
)
@json_option
def upgrade_command(no_backup: bool, as_json: bool) -> None:
    """Create or update roles, database and tables of core and all plugins; may be repeated at any time.

    Before it changes tables that hold something, it makes a backup (WUYE_BACKUP_FOLDER). Example: wuye upgrade
    """
    from wuye.archives import existing, schedule
    from wuye.cli.archives import progress_bars

    with installation() as place:
        if not no_backup and existing.would_migrate(place):
            with progress_bars(quiet=as_json) as progress:
                folder, _manifest = schedule.make(place, progress)
            say(_("A backup from before the upgrade is in {folder}.", folder=folder))
        applied = place.upgrade()
        if as_json:
            emit([{"plugin": item.plugin, "before": item.before, "after": item.after} for item in applied])
            return
        for item in applied:
            say(f"{item.plugin}: {item.before or '—'} → {item.after or '—'}")


@click.command("doctor")
@click.option("--deep", is_flag=True, help="Also verify every estate's timeline.")
@json_option
@click.pass_context
def doctor_command(ctx: click.Context, deep: bool, as_json: bool) -> None:
    """Compare the database with what it should be: roles, policies, grants, tables, plugins, timelines.

    Exits with 1 if something is wrong. Example: wuye doctor --deep
    """
    from wuye.doctor import examine

    with installation() as place:
        findings = list(examine(place, deep=deep))
        show(
            [{"where": str(f.where), "problem": str(f.problem), "remedy": str(f.remedy)} for f in findings],
            as_json=as_json,
        )
        if findings:
            ctx.exit(1)
        say(_("Everything is as it should be."))


@click.group("db")
def db_command() -> None:
    """The database."""


@db_command.command("url")
@click.option("--role", type=click.Choice(["app", "owner", "ops", "report"]), default="app", show_default=True)
def url(role: str) -> None:
    """Print the connection URL of a role, with its password.

    Example: psql "$(wuye db url --role report)"
    """
    with installation() as place:
        address = place.database.url(role).set(drivername="postgresql")  # type: ignore[arg-type]  # one of the choices
        click.echo(address.render_as_string(hide_password=False))

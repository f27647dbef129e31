"""wuye upgrade, doctor, db: the installation's own health."""

import click

from wuye.cli.output import emit, installation, json_option, say, show
from wuye.i18n import _


@click.command("upgrade")
@json_option
def upgrade_command(as_json: bool) -> None:
    """Create or update roles, database and tables of core and all plugins; may be repeated at any time.

    Example: wuye upgrade
    """
    with installation() as place:
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

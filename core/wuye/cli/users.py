"""wuye user, token: who may sign in, as what, and with which tokens."""

import sys
from datetime import timedelta

import click
from sqlalchemy import select

from wuye.cli.output import emit, installation, json_option, say, show
from wuye.i18n import _
from wuye.identity import services
from wuye.identity.models import Membership, User
from wuye.installation import find_estate


@click.group("user")
def user_command() -> None:
    """Users of this installation."""


@user_command.command("create")
@click.argument("email")
@click.option("--name", default="")
@click.option("--password-stdin", is_flag=True, help="Read a password from standard input.")
@click.option("--host-admin", is_flag=True, help="Looks after the installation: makes, suspends and exports estates.")
def create(email: str, name: str, password_stdin: bool, host_admin: bool) -> None:
    """Create a user; without a password they work with tokens only.

    Example: wuye user create chen@example.com --name 陈雨
    """
    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    with installation() as place, place.database.session() as session:
        user = services.create_user(
            session, place.clock, email=email, name=name, password=password, host_admin=host_admin
        )
        say(_("The user {email} was created.", email=user.email))


@user_command.command("list")
@click.option("--estate", metavar="CODE", help="Only members of this estate, with their roles.")
@json_option
def list_(estate: str | None, as_json: bool) -> None:
    """List users.

    Example: wuye user list --estate demo
    """
    with installation() as place, place.database.session() as session:
        statement = select(User.email, User.name, User.active, User.host_admin)
        if estate:
            info = find_estate(session, estate)
            statement = statement.add_columns(Membership.roles).join(
                Membership, (Membership.user_id == User.id) & (Membership.estate_id == info.id)
            )
        rows = session.execute(statement.order_by(User.email))
        show([dict(row._mapping) for row in rows], as_json=as_json)


@user_command.command("grant")
@click.argument("email")
@click.argument("roles", nargs=-1, required=True)
@click.option("--estate", required=True, metavar="CODE")
def grant(email: str, roles: tuple[str, ...], estate: str) -> None:
    """Give a user roles in an estate, in place of those they have there.

    Example: wuye user grant chen@example.com core.agent customer_service.agent --estate demo
    """
    with installation() as place, place.database.session() as session:
        info = find_estate(session, estate)
        user = services.find_user(session, email)
        services.add_member(session, place.plugins.registry, info, user, roles)
        say(f"{user.email}: {', '.join(roles)}")


@click.group("token")
def token_command() -> None:
    """API tokens."""


@token_command.command("create")
@click.option("--user", "email", required=True, metavar="EMAIL")
@click.option("--estate", required=True, metavar="CODE")
@click.option("--scope", "scopes", multiple=True, help="A permission; may be repeated. All of the user's by default.")
@click.option("--days", default=90, show_default=True, type=click.IntRange(1, 366))
@click.option("--name", default="", help="What it is for.")
@json_option
def create_token(email: str, estate: str, scopes: tuple[str, ...], days: int, name: str, as_json: bool) -> None:
    """Print a new token; it cannot be shown again.

    Example: wuye token create --user agent@demo.example --estate demo
    """
    wanted = scopes or ("*",)
    with installation() as place, place.database.session() as session:
        services.check_scopes(place.plugins.registry, wanted)
        token = services.create_token(
            session,
            place.database.secret,
            place.clock,
            services.find_user(session, email),
            find_estate(session, estate),
            scopes=wanted,
            lifetime=timedelta(days=days),
            name=name,
        )
    if as_json:
        emit({"token": token, "days": days})
    else:
        click.echo(token)

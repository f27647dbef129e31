"""wuye user, token: who may sign in, as what, and with which tokens.

What is done here is done on the machine itself, by who may read its database anyway.
"""

import sys
from datetime import timedelta

import click
from sqlalchemy import select

from wuye.cli.output import emit, installation, json_option, say, show
from wuye.context import Actor
from wuye.db.session import EstateSession
from wuye.errors import NotFound
from wuye.i18n import _
from wuye.identity import accounts, factors, invitations, links, members, password_links, services, sessions, trail
from wuye.identity.models import Membership, User
from wuye.installation import Installation, find_estate


@click.group("user")
def user_command() -> None:
    """Users of this installation."""


@user_command.command("create")
@click.argument("email")
@click.option("--name", default="")
@click.option("--password-stdin", is_flag=True, help="Read a password from standard input.")
@click.option("--host-admin", is_flag=True, help="Looks after the installation: makes, suspends and exports estates.")
def create(email: str, name: str, password_stdin: bool, host_admin: bool) -> None:
    """Create a user who works with tokens only, or with a password of the operator's own.

    People are invited (wuye user invite), and choose their own.

    Example: wuye user create robot@example.com --name 抄表
    """
    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    with installation() as place, place.database.session() as session:
        user = services.create_user(
            session, place.clock, email=email, name=name, password=password, host_admin=host_admin
        )
        say(_("The user {email} was created.", email=user.email))


@user_command.command("invite")
@click.argument("email")
@click.argument("roles", nargs=-1)
@click.option("--estate", metavar="CODE", help="The estate that they are invited to, with at least one role.")
@click.option("--host-admin", is_flag=True, help="Looks after the installation: makes, suspends and exports estates.")
@json_option
def invite(email: str, roles: tuple[str, ...], estate: str | None, host_admin: bool, as_json: bool) -> None:
    """Print a one-time link by which somebody makes their account, or accepts with the one they have.

    Nobody is a member, and no account is changed, until its owner has used the link; it is good for 72 hours.

    Examples: wuye user invite admin@example.com --host-admin, wuye user invite chen@example.com core.agent --estate demo
    """
    if bool(estate) == host_admin:
        raise click.UsageError(str(_("Name an estate with --estate, or say --host-admin.")))
    with installation() as place:
        if estate:
            with place.system_context(estate, name="") as ctx:
                invited = invitations.invite(ctx, email=email, roles=roles)
                address = place.letters.address("invitation", invited.link) if invited.link else None
        else:
            with place.database.session() as session:
                user = _found_or_made(place, session, email)
                link = _password_link(place, session, user, host_admin=True)
                address = place.letters.address("password", link)
            trail.tell(place, user, "host_admin_invited", _operator())
        _hand_over(email, address, as_json=as_json)


def _found_or_made(place: Installation, session: EstateSession, email: str) -> User:
    try:
        return services.find_user(session, email)
    except NotFound:
        return services.create_user(session, place.clock, email=services.checked_address(email))


def _password_link(place: Installation, session: EstateSession, user: User, *, host_admin: bool = False) -> str:
    return password_links.issue(
        session, place.database.secret, place.clock, user, lifetime=links.PRINTED, host_admin=host_admin
    )


def _hand_over(email: str, address: str | None, *, as_json: bool) -> None:
    """Print a link for its owner's eyes, or say that a letter brings it."""
    if as_json:
        emit({"email": email, "link": address})
    elif address is None:
        say(_("An e-mail with a link is on its way to {email}.", email=email))
    else:
        say(_("For {email} alone, good once, for 72 hours:", email=email))
        click.echo(address)


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
@click.option(
    "--unasked", is_flag=True, help="Make them a member if they are none: of an account that is surely theirs."
)
def grant(email: str, roles: tuple[str, ...], estate: str, unasked: bool) -> None:
    """Give a member of an estate roles, in place of those they have there.

    Who is no member yet is invited (wuye user invite): an address may have an account that somebody else made.

    Example: wuye user grant chen@example.com core.agent customer_service.agent --estate demo
    """
    with installation() as place, place.system_context(estate) as ctx:
        user = services.find_user(ctx.session, email)
        if unasked:
            services.add_member(ctx.session, place.plugins.registry, ctx.estate, user, roles)
            ctx.note(user.id, user.id, "member_added", {"email": user.email, "roles": list(roles)}, "staff")
        else:
            members.change_roles(ctx, user.id, roles)
        say(f"{user.email}: {', '.join(roles)}")


@user_command.command("disable")
@click.argument("email")
@json_option
def disable(email: str, as_json: bool) -> None:
    """Close an account everywhere from its next request on; nothing of it is lost.

    Example: wuye user disable chen@example.com
    """
    with installation() as place:
        with place.database.session() as session:
            user = services.find_user(session, email)
            accounts.disable(session, place.clock, user)
        trail.tell(place, user, "account_disable", _operator())
        say(_("{email} is disabled.", email=user.email))
        if as_json:
            emit({"email": user.email, "active": False})


@user_command.command("enable")
@click.argument("email")
@json_option
def enable(email: str, as_json: bool) -> None:
    """Open a disabled account again, as it was.

    Example: wuye user enable chen@example.com
    """
    with installation() as place:
        with place.database.session() as session:
            user = services.find_user(session, email)
            accounts.enable(session, user)
        trail.tell(place, user, "account_enable", _operator())
        say(_("{email} is enabled.", email=user.email))
        if as_json:
            emit({"email": user.email, "active": True})


@user_command.command("reset")
@click.argument("email")
@json_option
def reset(email: str, as_json: bool) -> None:
    """Print a one-time link by which the owner of an account chooses a new password; a second factor stays.

    Example: wuye user reset chen@example.com
    """
    with installation() as place:
        with place.database.session() as session:
            user = services.find_user(session, email)
            link = _password_link(place, session, user)
        trail.tell(place, user, "account_reset", _operator())
        _hand_over(email, place.letters.address("password", link), as_json=as_json)


@user_command.command("sessions")
@click.argument("email")
@click.option("--end", is_flag=True, help="Sign them out everywhere.")
@json_option
def list_sessions(email: str, end: bool, as_json: bool) -> None:
    """List the browsers that somebody is signed in with.

    Example: wuye user sessions chen@example.com
    """
    with installation() as place, place.database.session() as session:
        user = services.find_user(session, email)
        rows = sessions.active(session, place.clock, user.id)
        shown = [
            {"agent": row.agent, "begun": row.created_at, "used": row.used_at, "own_device": row.kept} for row in rows
        ]
        show(shown, as_json=as_json)
        if end:
            sessions.end_all(session, place.clock, user.id)
            say(_("{email} is signed out everywhere.", email=user.email))


@user_command.command("reset-factor")
@click.argument("email")
@json_option
def reset_factor(email: str, as_json: bool) -> None:
    """Take somebody's lost second factor away; they are told, and signed out everywhere.

    Example: wuye user reset-factor chen@example.com
    """
    with installation() as place:
        with place.database.session() as session:
            user = services.find_user(session, email)
            factors.turn_off(session, user.id)
            sessions.end_all(session, place.clock, user.id)
        trail.tell(place, user, "account_factor", _operator(), notice=trail.RESET)
        if place.letters.mailbox is not None:
            trail.tell_reset(place, email, user.locale)
        say(_("The second factor of {email} was reset.", email=user.email))
        if as_json:
            emit({"email": user.email, "second_factor": False})


def _operator() -> Actor:
    return Actor(None, None, "wuye", frozenset())


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

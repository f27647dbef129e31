"""wuye demo, serve, worker: what runs until it is stopped; and wuye stop."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import NoReturn

import click

from wuye.cli.output import emit, installation, json_option, say
from wuye.db import versions
from wuye.errors import Misconfigured
from wuye.i18n import _
from wuye.installation import Installation
from wuye.serving import lifeline, locks
from wuye.serving.claim import Claim, claimed, shown, stop

host_option = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
port_option = click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))


@click.command("demo")
@host_option
@port_option
@click.option("--no-serve", is_flag=True, help="Prepare the estate and exit.")
@json_option
def demo_command(host: str, port: int, no_serve: bool, as_json: bool) -> None:
    """Make a demo estate with a month of work, print who can sign in, and serve it.

    Example: wuye demo --port 8080
    """
    from wuye.demo import prepare

    with installation(demo=True) as place, nullcontext() if no_serve else claimed(place, host, port) as claim:
        summary = prepare(place)
        if as_json:
            emit({"estate": summary.estate, "users": [vars(user) for user in summary.users]})
        else:
            say(_("The estate “{code}” is ready.", code=summary.estate))
            for user in summary.users:
                say(f"  {user.email:<28} {user.password:<22} {user.label}")
            say(_("These passwords work in demo mode only."))
        if claim is None:
            return
        if not as_json:
            say(_("Ask the API for a token, then for its requests:"))
            user = summary.users[0]
            address = f"http://{shown(host)}:{port}/api/v1"
            body = f'{{"email": "{user.email}", "password": "{user.password}", "estate": "{summary.estate}"}}'
            say(f"  curl -s {address}/tokens -H 'Content-Type: application/json' -d '{body}'")
            say(f"  curl -s {address}/estates/{summary.estate}/customer-service/requests -H 'Authorization: Bearer …'")
        run_group(claim, workers=1, with_worker=True)


@click.command("serve")
@host_option
@port_option
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Server processes.")
@click.option("--with-worker", is_flag=True, help="Run background jobs in this process group too.")
def serve_command(host: str, port: int, workers: int, with_worker: bool) -> None:
    """Serve the installation. Tables are never changed here: see wuye upgrade.

    Example: wuye serve --workers 2 --with-worker
    """
    with installation() as place, claimed(place, host, port) as claim:
        run_group(claim, workers=workers, with_worker=with_worker)


@click.command("worker")
def worker_command() -> None:
    """Run background jobs until stopped.

    Example: wuye worker
    """
    from wuye.jobs.worker import run

    lifeline.hold()
    with installation() as place, running_as_worker(place):
        check_ready(place)
        lifeline.ready()
        run(place)


@click.command("stop")
@click.option("--timeout", default=70, show_default=True, type=click.IntRange(1, 3600), help="Seconds to wait.")
def stop_command(timeout: int) -> None:
    """Stop what runs on the installation's folder: server, workers and the embedded database.

    Example: wuye stop
    """
    with installation() as place:
        ran = stop(place, timeout)
        say(_("Stopped: {names}.", names=", ".join(ran)) if ran else _("Nothing was running."))


@contextmanager
def running_as_worker(place: Installation) -> Iterator[None]:
    """Let `wuye stop` find a worker that runs alone; one of a group is its supervisor's."""
    if lifeline.is_supervised():
        yield
        return
    with locks.held(place.settings.data, f"worker-{os.getpid()}-{secrets.token_hex(2)}"):
        yield


def check_ready(place: Installation) -> None:
    """Refuse to start on tables that are behind the code, or with a role that sees all estates.

    Raises:
        Misconfigured: with the command that mends it.
    """
    with place.database.engine("app").connect() as connection:
        behind = versions.pending(connection, place.plugins)
    if behind:
        raise Misconfigured(
            _("Tables are behind the code: {names}.", names=", ".join(behind)), hint=_("Run wuye upgrade.")
        )


def run_group(claim: Claim, *, workers: int, with_worker: bool) -> NoReturn:
    """Check, then serve until a signal stops it; with_worker adds a process for background jobs."""
    check_ready(claim.place)
    say(_("Listening on http://{host}:{port}", host=shown(claim.host), port=claim.port))
    claim.run(servers=workers, worker=with_worker)

"""Under which names the server answers. A name that somebody made up would come back in links and printed codes."""

import ipaddress
import socket
from functools import lru_cache
from urllib.parse import urlsplit

from flask import Flask, request

from wuye.config import Settings
from wuye.errors import NotFound, Problem
from wuye.i18n import _
from wuye.web.access import installation

#: Asked for by those who watch the process, under whatever address they know.
_WATCHED = {"health", "ready"}


class Misdirected(Problem):
    """The request was meant for another server."""

    status = 421
    code = "misdirected"
    title = _("This server does not answer under this name")


def guard(app: Flask) -> None:
    """Refuse requests for other hosts, and addresses with control characters, before anything is looked up."""

    @app.before_request
    def check() -> None:
        if request.endpoint not in _WATCHED and not is_ours(installation().settings, request.host):
            raise Misdirected(
                _("It is reached under another name."),
                hint=_("Whoever runs it names its hosts in WUYE_HOSTS, or its address in WUYE_PUBLIC_URL."),
            )
        if any(character < " " or character == "\x7f" for character in request.path):
            raise NotFound


def is_ours(settings: Settings, host: str) -> bool:
    """Tell whether a request's Host (name or address, perhaps a port) is one under which this server answers."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    return name in ("localhost", public, *settings.hosts) or _is_this_machine(name)


@lru_cache(maxsize=1000)
def _is_this_machine(name: str) -> bool:
    """Tell whether a name is this machine's own, or an address one of its own: nobody else can listen there."""
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name != "" and name in (socket.gethostname().lower(), socket.getfqdn().lower())
    if address.is_loopback:
        return True
    if address.is_unspecified:
        return False
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((name, 0))
        except OSError:
            return False
    return True

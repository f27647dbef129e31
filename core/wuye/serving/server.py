"""A process that answers requests: granian and the application, on the socket that the supervisor listens at.

The socket is the supervisor's, so that what comes while a server process is replaced waits instead of being refused, and
no second server can take the port. granian's own parent process, which would only do what the supervisor does, is left out.
"""

import sys
from collections.abc import Callable
from typing import Any

sys.modules["rich"] = None  # type: ignore[assignment]  # structlog would load it, for terminals: 9 MB that no server needs

from granian._granian import SocketHolder  # noqa: E402 (after what keeps it small)
from granian.constants import Interfaces, TaskImpl  # noqa: E402
from granian.server.mp import MPServer  # noqa: E402

from wuye.serving import lifeline  # noqa: E402

_BACKLOG = 1024


class _OneProcess(MPServer):
    """granian's server without its parent: its one worker runs here, on a socket that is open already."""

    def __init__(self, listener: int, **options: Any) -> None:
        super().__init__("wuye.web.wsgi:bridge", workers=1, log_enabled=False, **options)
        self._listener = listener

    def signal_handler_interrupt(self, *_args: Any, **_options: Any) -> None:
        """End at once: asked to before there was anything to finish; a worker that runs has handlers of its own."""
        sys.exit(0)

    def _init_shared_socket(self) -> None:
        self._ssp: Any = None
        self._sso: Any = None
        holder: Any = SocketHolder  # its types know less than it takes: descriptor, not a Unix socket, backlog
        self._shd = holder(self._listener, False, _BACKLOG)

    def _spawn_workers(self, spawn_target: Callable[..., None], target_loader: Callable[..., Any]) -> None:
        def load() -> Any:
            application = target_loader()
            lifeline.ready()
            return application

        self._spawn_worker(0, spawn_target, load).inner.run()  # here, until a signal asks for the end

    def _serve_loop(self, spawn_target: Callable[..., None], target_loader: Callable[..., Any]) -> None:
        """Return at once: there are no workers to look after."""


def main(listener: int) -> None:
    """Answer requests until SIGTERM; those at hand are finished first."""
    lifeline.hold()
    _OneProcess(listener, interface=Interfaces.RSGI, task_impl=TaskImpl.asyncio).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]))

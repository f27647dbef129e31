"""Between the event loop that talks to clients and the threads in which the application runs.

A request gets a thread when it is here as a whole and it is its estate's turn; its answer is handed over as a whole, or in
pieces as the client takes them. So no client, however slow or silent, holds a thread.
"""

import asyncio
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

import orjson
from werkzeug.exceptions import HTTPException

from wuye.errors import Text
from wuye.i18n import _, negotiate, use_locale
from wuye.serving import bodies, turns

#: How many requests of one estate may wait in line.
_WAITING = 64

#: An answer of at most so many bytes is handed over as a whole.
_WHOLE = 1024 * 1024

#: Bodies that are larger than usual are taken in one after the other, at most so many at once.
_LARGE_AT_ONCE = 16

#: Seconds after which somebody who was sent away may come again.
_SOON = "2"

Answer = tuple[int, list[tuple[str, str]], Iterable[bytes]]


def line_of(path: str) -> str:
    """Return the line in which a request waits: its estate's, or one for all addresses that are no estate's.

    Whoever watches the server, and the files of the pages, have lines of their own: they cost next to nothing.
    """
    parts = path.split("/", 5)
    first = parts[1] if len(parts) > 1 else ""
    if first in ("e", "f", "r") and len(parts) > 2:
        return parts[2]
    if first == "api" and len(parts) > 4 and parts[3] == "estates":
        return parts[4]
    return f"/{first}" if first in ("healthz", "readyz", "static") else "/"


class Bridge:
    """A Flask application for granian's RSGI interface.

    `usual` is how many bytes a body may have where its route says nothing else, `threads` how many requests run at once,
    `share` how many of these may be of one estate.
    """

    def __init__(self, app: Any, *, usual: int, threads: int, share: int) -> None:
        self._app = app
        self._usual = usual
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._turns = turns.Turns(threads, share, _WAITING)
        self._large = 0
        self._basic = {
            "SCRIPT_NAME": "",
            "SERVER_SOFTWARE": "wuye",
            "wsgi.errors": sys.stderr,
            "wsgi.input_terminated": True,
            "wsgi.multiprocess": True,
            "wsgi.multithread": True,
            "wsgi.run_once": False,
            "wsgi.version": (1, 0),
        }

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        if scope.proto != "http":
            protocol.close(404)
            return
        body: IO[bytes] | None = None
        line = line_of(scope.path)
        try:
            body = await self._body(scope, protocol)
            began = await self._turns.take(line)
        except (bodies.TooSlow, bodies.TooLarge, turns.Crowded, ConnectionError) as reason:
            if body is not None:
                body.close()
            if isinstance(reason, bodies.TooLarge):
                await bodies.discard(protocol)
            _refuse(scope, protocol, reason)
            return
        loop = asyncio.get_running_loop()
        environ = self._environ(scope, body)
        try:
            status, headers, content = await loop.run_in_executor(self._pool, self._run, environ)
            if isinstance(content, bytes):
                protocol.response_bytes(status, headers, content)
                return
        finally:
            self._turns.give_back(line, began)
        await self._stream(protocol, status, headers, content)

    async def _body(self, scope: Any, protocol: Any) -> IO[bytes] | None:
        """Take in the body, if there is one."""
        announced = scope.headers.get("content-length")
        if announced is None and "transfer-encoding" not in scope.headers:
            return None
        size = int(announced) if announced and announced.isascii() and announced.isdigit() else None
        if size == 0:
            return None
        limit = self._usual
        if size is None or size > limit:
            limit = self._limit(scope)
            if size is not None and size > limit:
                raise bodies.TooLarge
        if limit <= self._usual:
            return await bodies.take(protocol, limit)
        if self._large >= _LARGE_AT_ONCE:
            raise turns.Crowded
        self._large += 1
        try:
            return await bodies.take(protocol, limit)
        finally:
            self._large -= 1

    def _limit(self, scope: Any) -> int:
        """Return how large a body the route takes."""
        urls = self._app.url_map.bind("")
        try:
            endpoint, _arguments = urls.match(scope.path, method=scope.method)
        except HTTPException:
            return self._usual
        return max(self._usual, getattr(self._app.view_functions[endpoint], "largest", 0))

    def _environ(self, scope: Any, body: IO[bytes] | None) -> dict[str, Any]:
        server, _colon, port = scope.server.rpartition(":")
        environ = {
            **self._basic,
            "REQUEST_METHOD": scope.method,
            "PATH_INFO": scope.path.encode("utf-8", "surrogateescape").decode("latin-1"),
            "QUERY_STRING": scope.query_string,
            "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
            "SERVER_NAME": server.strip("[]"),
            "SERVER_PORT": port,
            "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
            "wsgi.url_scheme": scope.scheme,
            "wsgi.input": body or io.BytesIO(),
        }
        for name, value in scope.headers.items():
            if "_" in name:
                continue  # it would be taken for another header
            key = name.upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = f"HTTP_{key}"
            before = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}" if key in environ else ""
            environ[key] = before + value
        if scope.authority and "HTTP_HOST" not in environ:
            environ["HTTP_HOST"] = scope.authority
        return environ

    def _run(self, environ: dict[str, Any]) -> tuple[int, list[tuple[str, str]], Any]:
        """Run the application, on a thread; a short answer is put together there."""
        told: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Callable[[bytes], object]:
            told[:] = [int(status.split(" ", 1)[0]), headers]
            return _never_written

        content = self._app(environ, start)
        try:
            if isinstance(content, list) or _is_short(content, dict(told[1])):
                whole = b"".join(content)
                _close(content)
                environ["wsgi.input"].close()
                return told[0], told[1], whole
        except BaseException:
            _close(content)
            environ["wsgi.input"].close()
            raise
        return told[0], told[1], _Pieces(content, environ["wsgi.input"])

    async def _stream(self, protocol: Any, status: int, headers: list[tuple[str, str]], pieces: "_Pieces") -> None:
        """Send a long answer, the next piece when the client has taken the one before."""
        loop = asyncio.get_running_loop()
        try:
            transport = protocol.response_stream(status, headers)
            while chunk := await loop.run_in_executor(self._pool, pieces.next):
                await transport.send_bytes(chunk)
        finally:
            await loop.run_in_executor(self._pool, pieces.close)


class _Pieces:
    """The rest of a long answer."""

    def __init__(self, content: Iterable[bytes], body: IO[bytes]) -> None:
        self._content, self._body = content, body
        self._pieces: Iterator[bytes] = iter(content)

    def next(self) -> bytes:
        """Return the next piece; nothing at the end."""
        return next((piece for piece in self._pieces if piece), b"")

    def close(self) -> None:
        """Let go of what the answer was made from."""
        _close(self._content)
        self._body.close()


def _is_short(content: Any, headers: dict[str, str]) -> bool:
    lengths = [value for name, value in headers.items() if name.lower() == "content-length"]
    return bool(lengths) and int(lengths[0]) <= _WHOLE


def _close(content: Any) -> None:
    if (close := getattr(content, "close", None)) is not None:
        close()


def _never_written(_data: bytes) -> object:
    raise NotImplementedError("the application returns its answers")


_REASONS: dict[type[Exception], tuple[int, str, Text, Text]] = {
    bodies.TooSlow: (408, "slow", _("This took too long"), _("The request did not arrive in time. Send it again.")),
    bodies.TooLarge: (413, "too-large", _("This is too large"), _("The request is larger than this address takes.")),
    turns.Crowded: (
        503,
        "unavailable",
        _("Too much at once"),
        _("Too many requests of this estate wait already. Try again in a moment."),
    ),
}


def _refuse(scope: Any, protocol: Any, reason: Exception) -> None:
    """Answer without the application: in words, and without waiting."""
    if isinstance(reason, ConnectionError):
        return
    status, name, title, detail = _REASONS[type(reason)]
    with use_locale(negotiate(scope.headers.get("accept-language"))):
        said, why = str(title), str(detail)
    if "text/html" in (scope.headers.get("accept") or ""):
        kind, text = "text/html; charset=utf-8", _PAGE.format(title=said, detail=why)
    else:
        problem = {"type": f"urn:wuye:problem:{name}", "title": said, "status": status, "detail": why}
        kind, text = "application/problem+json", orjson.dumps(problem).decode()
    headers = [("content-type", kind), ("cache-control", "no-store"), ("connection", "close"), *_PROTECTION]
    if status == 503:
        headers.append(("retry-after", _SOON))
    protocol.response_str(status, headers, text)


_PROTECTION = [
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    ("x-content-type-options", "nosniff"),
]

_PAGE = '<!doctype html><html><meta charset="utf-8"><title>{title}</title><h1>{title}</h1><p>{detail}</p></html>'

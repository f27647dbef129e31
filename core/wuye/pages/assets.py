"""Style sheets, scripts and icons: served under a name with their hash, compressed once, kept by browsers for a year."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Flask, Response, request

from wuye.errors import NotFound
from wuye.web.access import PUBLIC, Access, declare

FOLDER = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    url: str
    body: bytes
    packed: bytes
    media_type: str


@cache
def assets() -> dict[str, Asset]:
    """Return every asset by its name; scripts name each other by plain names, which are replaced by the hashed ones."""
    raw = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.is_file()}
    whole = hashlib.sha256(b"".join(raw.values())).hexdigest()[:10]
    found = {}
    for name, content in raw.items():
        suffix = Path(name).suffix
        body = content
        if suffix in (".js", ".css"):
            for other in raw:
                body = body.replace(f"/static/{other}".encode(), f"/static/{whole}/{other}".encode())
        media_type = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        found[name] = Asset(f"/static/{whole}/{name}", body, gzip.compress(body, 9, mtime=0), media_type)
    return found


def url_of(name: str) -> str:
    """Return an asset's address."""
    return assets()[name].url


def register(app: Flask) -> None:
    """Serve the assets."""
    app.add_url_rule("/static/<version>/<name>", "pages.static", declare(_asset, Access((PUBLIC,))))
    app.add_url_rule("/favicon.ico", "pages.favicon", declare(lambda: _asset("", "logo.svg"), Access((PUBLIC,))))


def _asset(version: str, name: str) -> Response:
    """Send an asset; one of another version too, since a page may be older than the process that answers."""
    asset = assets().get(name)
    if asset is None:
        raise NotFound
    return _send(asset, _FOREVER if version in asset.url and version else "no-cache")


def _send(asset: Asset, cache_control: str) -> Response:
    headers = {"Cache-Control": cache_control, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("Accept-Encoding", "") and len(asset.packed) < len(asset.body):
        headers["Content-Encoding"] = "gzip"
        return Response(asset.packed, headers=headers, content_type=asset.media_type)
    return Response(asset.body, headers=headers, content_type=asset.media_type)

"""The phone pages as an application that can be installed: its manifest, and the worker that keeps it usable offline."""

import orjson
from flask import Flask, Response

from wuye.i18n import _
from wuye.pages.assets import assets, url_of
from wuye.pages.rendering import plain
from wuye.web.access import PUBLIC, Access, declare

#: What the phone pages are made of; fetched when the worker is installed.
_SHELL = ("wuye.css", "wuye.js", "field.js", "outbox.js", "icons.svg", "logo.svg")


def register(app: Flask) -> None:
    """Add the addresses, which are the same for everybody."""
    open_ = Access((PUBLIC,))
    app.add_url_rule("/manifest.webmanifest", "pages.manifest", declare(_manifest, open_))
    app.add_url_rule("/sw.js", "pages.worker", declare(_worker, open_))
    app.add_url_rule("/f/offline", "pages.field_offline", declare(_offline, open_))


def _manifest() -> Response:
    """Describe the application to a phone."""
    icons = [
        {"src": url_of(f"app-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
        for size in (192, 512)
        for purpose in ("any", "maskable")
    ]
    body = {
        "id": "/f",
        "name": str(_("wuye in the field")),
        "short_name": "wuye 物业",
        "start_url": "/f",
        "scope": "/f",
        "display": "standalone",
        "background_color": "#F5F6F7",
        "theme_color": "#0A6B5E",
        "icons": icons,
        "shortcuts": [],
    }
    return Response(orjson.dumps(body), content_type="application/manifest+json", headers={"Cache-Control": "no-cache"})


def _worker() -> Response:
    """Send the worker, which begins with the list of what it keeps; another version of the list is another worker.

    The outbox stands in it as plain text: not every browser lets a worker import modules.
    """
    kept = [url_of(name) for name in _SHELL] + ["/f/offline"]
    head = b"const SHELL = " + orjson.dumps(kept) + b";\n"
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": "default-src 'none'; connect-src 'self'"}
    outbox = assets()["outbox.js"].body.replace(b"export ", b"")
    return Response(
        head + outbox + assets()["sw.js"].body, content_type="text/javascript; charset=utf-8", headers=headers
    )


def _offline() -> Response:
    """Say that there is no network: kept by the worker, shown for pages that it does not have."""
    return plain("field_offline.html", title=_("No network"))

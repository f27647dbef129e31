"""One-time links: an address that only its bearer knows. A keyed hash of it is kept, and nothing else.

A link carries the estate that it belongs to (none: 16 zero bytes), so that its row can be looked up behind the wall.
"""

import base64
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

#: How long an invitation, and a link for a new password, can be used.
INVITED, RENEWED = timedelta(hours=72), timedelta(hours=1)

#: What the operator prints on the machine itself is carried to somebody by hand.
PRINTED = timedelta(hours=72)

_SECRET = 24  # bytes, of a cryptographic random generator: 192 bits
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Link:
    """A link in the moment that it is made: `text` is shown or sent once, `digest` is stored."""

    text: str = field(repr=False)
    digest: str


def make(secret: bytes, purpose: str, estate_id: UUID = _NOBODY) -> Link:
    """Make a link; `secret` is the installation's. A link of one purpose is none of another."""
    text = base64.urlsafe_b64encode(estate_id.bytes + secrets.token_bytes(_SECRET)).decode().rstrip("=")
    return Link(text, digest_of(text, secret, purpose))


def digest_of(text: str, secret: bytes, purpose: str) -> str:
    """Return the keyed hash that is stored for a link."""
    return hmac.digest(secret, f"link for {purpose} {text}".encode(), "sha256").hex()


def estate_of(text: str) -> UUID | None:
    """Return the estate that a link belongs to; None if the text cannot be a link."""
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, UnicodeEncodeError):
        return None
    return UUID(bytes=raw[:16]) if len(raw) == 16 + _SECRET else None

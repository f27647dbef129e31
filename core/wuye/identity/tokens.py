"""API tokens: `wuye_` + 8 characters that name the token + 32 secret ones + 6 that catch typing errors.

Only a keyed hash is stored. The pattern for secret scanners is `wuye_[0-9A-Za-z]{46}`.
"""

import hmac
import secrets
import string
import zlib
from dataclasses import dataclass

_ALPHABET = string.digits + string.ascii_letters
PREFIX = "wuye_"
_KEY, _SECRET, _CHECK = 8, 32, 6


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token in the moment that it is made: the whole text is shown once, `key` and `digest` are stored."""

    text: str
    key: str
    digest: str


def make(secret: bytes, purpose: str = "api token") -> NewToken:
    """Make a token; `secret` is the installation's. A token of one purpose is none of another."""
    body = "".join(secrets.choice(_ALPHABET) for _place in range(_KEY + _SECRET))
    text = f"{PREFIX}{body}{_checksum(body)}"
    return NewToken(text, body[:_KEY], digest_of(text, secret, purpose))


def key_of(text: str) -> str | None:
    """Return the part that names a token, None if the text cannot be one (so that no query is needed)."""
    body, check = text[len(PREFIX) : -_CHECK], text[-_CHECK:]
    if not text.startswith(PREFIX) or len(body) != _KEY + _SECRET or not body.isascii() or _checksum(body) != check:
        return None
    return body[:_KEY]


def digest_of(text: str, secret: bytes, purpose: str = "api token") -> str:
    """Return the keyed hash that is stored for a token."""
    return hmac.digest(secret, f"{purpose} {text}".encode(), "sha256").hex()


def _checksum(body: str) -> str:
    value, digits = zlib.crc32(body.encode()), ""
    for _place in range(_CHECK):
        value, rest = divmod(value, len(_ALPHABET))
        digits = _ALPHABET[rest] + digits
    return digits

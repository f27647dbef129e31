"""Repeated requests: the same key gives the same answer, kept in the same transaction as the effect."""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from flask import Request, Response, request

from wuye.context import Context
from wuye.errors import FieldError, Invalid
from wuye.i18n import _
from wuye.ids import uuid7
from wuye.web import browser

#: The longest key, as Stripe has it.
MAX_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that this request has claimed; `answer` is the stored one if another came first."""

    id: UUID | None
    answer: Response | None


def claim(ctx: Context, said: Callable[[], bytes]) -> Claim:
    """Claim the request's Idempotency-Key, waiting for another request with the same key to end.

    `said` returns what the request says, or a digest of it: a repeated request says the same.

    Raises:
        Invalid: the key was used for something else, or is too long.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return Claim(None, None)
    if not 1 <= len(key) <= MAX_LENGTH:
        raise Invalid(
            _("The Idempotency-Key cannot be used."),
            errors=[FieldError("Idempotency-Key", _("Use {low} to {high} characters.", low=1, high=MAX_LENGTH))],
        )
    identity, stored = claim_key(ctx, key, said())
    if stored is None:
        return Claim(identity, None)
    headers = {"Idempotency-Replayed": "true", **({"ETag": stored.etag} if stored.etag else {})}
    return Claim(None, Response(stored.answer, stored.status, headers, content_type="application/json"))


class Stored(NamedTuple):
    """The answer that is kept for a key, and the digest of the request that it answered."""

    request_digest: str
    status: int
    answer: bytes
    etag: str | None


_CLAIM = """
    INSERT INTO core_idempotency_key (estate_id, id, user_id, key, request_digest, created_at)
    VALUES (%(estate)s, %(id)s, %(user)s, %(key)s, %(digest)s, %(now)s)
    ON CONFLICT (estate_id, user_id, key) DO NOTHING RETURNING id
    """
_FIND = """
    SELECT request_digest, status, answer, etag FROM core_idempotency_key WHERE user_id = %(user)s AND key = %(key)s
    """
_STORE = """
    UPDATE core_idempotency_key SET status = %(status)s, answer = %(answer)s, etag = %(etag)s
    WHERE estate_id = %(estate)s AND id = %(id)s
    """


def claim_key(ctx: Context, key: str, said: bytes) -> tuple[UUID, Stored | None]:
    """Claim a key for the present request, which says `said`; return the claim's id, and what was answered before.

    Raises:
        Invalid: the key was used for another request.
    """
    digest = hashlib.sha256(b"\0".join([request.method.encode(), request.path.encode(), said])).hexdigest()
    identity = uuid7()
    assert ctx.actor.user_id is not None, "a caller is a user"
    claimed = {
        "estate": ctx.estate.id,
        "id": identity,
        "user": ctx.actor.user_id,
        "key": key,
        "digest": digest,
        "now": ctx.now,
    }
    if ctx.session.fetch(_CLAIM, claimed):
        return identity, None
    digest_then, status, answer, etag = ctx.session.fetch(_FIND, claimed)[0]
    stored = Stored(digest_then, status, _unpacked(answer), etag)
    if stored.request_digest != digest:
        raise Invalid(
            _("This Idempotency-Key was used for another request."),
            errors=[FieldError("Idempotency-Key", _("Use a new key for every new request."))],
        )
    return identity, stored


def store(ctx: Context, identity: UUID, status: int, answer: bytes, etag: str | None = None) -> None:
    """Keep the answer to a claimed key; it is committed with the effect, or not at all."""
    kept = {"estate": ctx.estate.id, "id": identity, "status": status, "answer": _packed(answer), "etag": etag}
    ctx.session.fetch(_STORE, kept)


#: What compressed bytes begin with; an answer (JSON, or an address) never does.
_COMPRESSED = b"x\x01"


def _packed(answer: bytes) -> bytes:
    """Return an answer as it is kept for a day: a host keeps millions of them."""
    return min(zlib.compress(answer, 1), answer, key=len)


def _unpacked(kept: bytes) -> bytes:
    return zlib.decompress(kept) if kept and kept.startswith(_COMPRESSED) else kept


def form_said(sent: Request) -> bytes:
    """Return what a form says: its fields without the proof, which looks different on every page."""
    fields = [(name, value) for name, value in sorted(sent.form.items(multi=True)) if name != browser.FIELD]
    return repr(fields).encode()


def keep(ctx: Context, claimed: Claim, response: Response) -> Response:
    """Store the answer to a claimed key; it is committed with the effect, or not at all."""
    if claimed.id is not None:
        store(ctx, claimed.id, response.status_code, response.get_data(), response.headers.get("ETag"))
    return response

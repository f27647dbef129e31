"""Passwords: what makes one good enough (OWASP ASVS 5.0, 6.2), and how it is kept (Argon2id)."""

import string
import threading
from collections.abc import Iterable, Sequence
from functools import cache

import argon2

from wuye.errors import FieldError, Text
from wuye.i18n import _
from wuye.identity.models import User

#: OWASP's least for Argon2id: 19 MiB, two passes, one lane; about 30 ms.
_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)

#: A check needs 19 MiB: one at a time in a process, which takes no longer where cores are as few as processes.
_one_at_a_time = threading.Lock()

#: Characters. More than 128 would only let somebody have us work.
SHORTEST, LONGEST = 12, 128

#: zxcvbn's estimate of how many guesses a password stands: below this it falls to somebody patient who guesses on line
#: (Wheeler 2016, "zxcvbn: Low-Budget Password Strength Estimation": 10^6 throttled, 10^8 not).
_GUESSES = 10**8

#: How much of a password is estimated; what follows can only make it better, and the estimate takes longer with length.
_ESTIMATED = 64

#: What people put at the end of a word to make it a password.
_TAIL = string.digits + string.punctuation + " "


def refused(password: str, words: Iterable[str] = ()) -> list[FieldError]:
    """Return what is wrong with a new password, at the field `password`; nothing if it can be used.

    `words` are what anybody would guess of this person: their name and address, the names of their estates.
    """
    reason = _reason(password, words)
    return [] if reason is None else [FieldError("password", reason)]


def _reason(password: str, words: Iterable[str]) -> Text | None:
    if not SHORTEST <= len(password) <= LONGEST:
        return _("Use {low} to {high} characters.", low=SHORTEST, high=LONGEST)
    known = {plain for word in words for plain in (_bare(word), *map(_bare, word.split("@"))) if len(plain) > 1}
    bare = _bare(password)
    if bare in known or bare[::-1] in known:
        return _("This is a name with something behind it: whoever knows you or the estate would try it.")
    if bare in _common():
        return _("This is one of the passwords that everybody tries first.")
    if _guesses(password, sorted(known)) < _GUESSES:
        return _("This is too easy to guess. Several words that do not belong together are good, and easy to remember.")
    return None


def _bare(text: str) -> str:
    """Return a word without its capitals, and without the digits and signs around it."""
    return text.casefold().strip(_TAIL)


@cache
def _common() -> frozenset[str]:
    """Return the 30,000 commonest passwords that zxcvbn brings, bare; loaded when the first password is set."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # here: 90,000 words are not for every process

    return frozenset(filter(None, map(_bare, FREQUENCY_LISTS["passwords"])))


def _guesses(password: str, words: Sequence[str]) -> int:
    from zxcvbn import zxcvbn  # here: as above

    return int(zxcvbn(password[:_ESTIMATED], user_inputs=list(words))["guesses"])


def hashed(password: str) -> str:
    """Return what is stored of a password."""
    with _one_at_a_time:
        return _hasher.hash(password)


def is_right(user: User | None, password: str) -> bool:
    """Tell whether a password is right; takes as long for an unknown user as for a known one."""
    stored = user.password_hash if user is not None and user.password_hash else _unknown()
    try:
        with _one_at_a_time:
            _hasher.verify(stored, password)
    except argon2.exceptions.VerificationError:
        return False
    return user is not None and user.password_hash is not None


def freshen(user: User, password: str) -> None:
    """Hash a password that was right anew if it was hashed with other parameters than today's; commit afterwards."""
    if user.password_hash is not None and _hasher.check_needs_rehash(user.password_hash):
        user.password_hash = hashed(password)


@cache
def _unknown() -> str:
    """Return a hash to compare with where there is none, so that it takes as long; costly, so made when needed."""
    return hashed("nobody has this password")

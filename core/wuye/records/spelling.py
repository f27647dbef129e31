"""How Chinese names are typed with Latin letters: in full (`chenyu`) or by what their syllables begin with (`cy`, `chy`)."""

import os
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from itertools import combinations, islice, product

#: A character that is read in several ways (曾, 单, 查, 长) is found by each, as long as there are not too many of them.
_MOST = 40

#: So many characters of a name are read in a rarer way together: the surname and one of the given name.
_RARE = 2

#: Names are short; what is longer is prose, or an address.
_LONGEST = 12

#: Sounds that are written with two letters, and typed with one or two.
_PAIRS = ("zh", "ch", "sh")


@lru_cache(maxsize=1024)
def spellings(name: str) -> tuple[str, ...]:
    """Return how the words of a name are typed, in lower case; none for words without Chinese characters or with digits."""
    return tuple(dict.fromkeys(each for word in name.split() if _is_spoken(word) for each in _of_word(word)))


def _is_spoken(word: str) -> bool:
    return len(word) <= _LONGEST and any("\u4e00" <= c <= "\u9fff" for c in word) and not any(map(str.isdigit, word))


def _of_word(word: str) -> list[str]:
    """Return the spellings of a word, for each way to read it, the usual one first: in full, then its beginnings."""
    found: dict[str, None] = {}
    for syllables in _ways([_reader()(each) for each in word.casefold()]):
        found["".join(syllables)] = None
        found.update(dict.fromkeys(islice(map("".join, product(*map(_beginnings, syllables))), _MOST)))
        if len(found) >= _MOST:
            break
    return list(found)[:_MOST]


def _ways(readings: list[list[str]]) -> Iterator[tuple[str, ...]]:
    """Yield the ways to read characters: all as usual, then any one of them in a rarer way, then any two."""
    for rare in range(_RARE + 1):
        for places in combinations(range(len(readings)), rare):
            yield from product(*(each[1:] if place in places else each[:1] for place, each in enumerate(readings)))


def _beginnings(syllable: str) -> tuple[str, ...]:
    return (syllable[:1], syllable[:2]) if syllable.startswith(_PAIRS) else (syllable[:1],)


@cache
def _reader() -> Callable[[str], list[str]]:
    """Return what reads a character. Its table takes 60 ms and 12 MB, so only who meets a Chinese name loads it."""
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")  # phrases would take another 45 MB, and names are none
    os.environ.setdefault("PYPINYIN_NO_DICT_COPY", "true")
    from pypinyin import Style, pinyin

    return lambda character: pinyin(character, style=Style.NORMAL, heteronym=True)[0]

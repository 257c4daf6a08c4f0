"""How hard a text is to guess, as far as its look can tell: a bound from above, in bits.

Limen's own keys are drawn, and their strength is known. Of a key that another system made only the text is seen. A
random text looks random; most that are not do not. What was drawn badly and looks well is not found here.
"""

from __future__ import annotations

import math
import re
from typing import Final

ENOUGH_BITS: Final = 112
"""Below this a fast hash does not protect a secret that has leaked as a hash (OWASP ASVS 5, 6.5.2)."""

WORD_BITS: Final = 2.0
"""What a letter is worth where all of them have one case and no digit is among them: that reads as words."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_UUID_BITS = 122  # of the fourth version (RFC 9562); the others are made of clocks, addresses and names
_SEPARATORS = str.maketrans("", "", "-_.: ")
_HEX = frozenset("0123456789abcdef")
_REPEAT = 3


def bits(secret: str) -> float:
    """At most how many bits *secret* has: the part of a key that is not the same in all of them."""
    uuid = _UUID.fullmatch(secret)
    if uuid is not None:
        return _UUID_BITS if uuid[1] == "4" else 0.0
    text = secret.translate(_SEPARATORS)
    return _fresh(text) * _worth(text)


def is_weak(secret: str) -> bool:
    """Whether *secret* looks easier to guess than ``ENOUGH_BITS``."""
    return bits(secret) < ENOUGH_BITS


def _worth(text: str) -> float:
    """The bits of one character: by the smallest of the usual alphabets that *text* may have been drawn from."""
    kinds = {"digit" if c.isdigit() else "lower" if c.islower() else "upper" if c.isupper() else "other" for c in text}
    if kinds in ({"lower"}, {"upper"}):
        return WORD_BITS
    if kinds != {"digit"} and _HEX.issuperset(text.lower()) and not {"lower", "upper"} <= kinds:
        return math.log2(16)
    sizes = {"digit": 10, "lower": 26, "upper": 26, "other": 32}
    return math.log2(max(2, sum(sizes[kind] for kind in kinds)))


def _fresh(text: str) -> int:
    """How many characters of *text* say something new: one for what was there before, one for a run such as 12345."""
    count = at = 0
    while at < len(text):
        size = max(_run(text, at), _seen(text, at))
        at += size if size >= _REPEAT else 1
        count += 1
    return count


def _run(text: str, at: int) -> int:
    """How many characters from *at* on go up, down, or stay, by one step."""
    if at + 1 >= len(text):
        return 1
    step = ord(text[at + 1]) - ord(text[at])
    if abs(step) > 1:
        return 1
    end = at + 1
    while end < len(text) and ord(text[end]) - ord(text[end - 1]) == step:
        end += 1
    return end - at


def _seen(text: str, at: int) -> int:
    """How many characters from *at* on stand in this order somewhere before."""
    size = 0
    while at + size < len(text) and text[at : at + size + 1] in text[: at + size]:
        size += 1
    return size

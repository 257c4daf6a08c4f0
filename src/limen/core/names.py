"""How names are searched by: upper and lower case are one, and so is an accent written in one character or in two."""

from __future__ import annotations

from unicodedata import normalize

_LAST = "\U0010ffff"
_SURROGATES = "\ud7ff", "\ue000"


def folded(name: str) -> str:
    """*name* as it is kept to be searched by."""
    return normalize("NFC", name.casefold())


def beyond(beginning: str) -> str | None:
    """The first text behind all that begin with *beginning*, in the order of code points; None where there is none."""
    stem = beginning.rstrip(_LAST)
    if not stem:
        return None
    before, after = _SURROGATES
    return stem[:-1] + (after if stem[-1] == before else chr(ord(stem[-1]) + 1))

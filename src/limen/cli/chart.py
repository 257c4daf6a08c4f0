"""Charts of characters: sparklines and bars, also where a terminal has nothing but ASCII."""

from __future__ import annotations

import sys
from collections.abc import Sequence

_LINES, _PLAIN_LINES = "▁▂▃▄▅▆▇█", "_.-:=+*#"
_BARS, _PLAIN_BAR = " ▏▎▍▌▋▊▉█", "#"


def is_plain() -> bool:
    """Whether standard output has no such characters."""
    try:
        _LINES.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def sparkline(values: Sequence[int], *, plain: bool) -> str:
    """A character a value, as high as it is beside the largest. Nothing is blank; whatever is more can be seen."""
    levels, most = _PLAIN_LINES if plain else _LINES, max(values, default=0)
    top = len(levels) - 1
    return "".join(levels[-(-value * top // most)] if value else " " for value in values)


def bar(share: float, width: int, *, plain: bool) -> str:
    """A bar of *share* (0 to 1) of *width* characters."""
    if plain:
        return _PLAIN_BAR * max(round(share * width), 1 if share > 0 else 0)
    eighths = max(round(share * width * 8), 1 if share > 0 else 0)
    return _BARS[8] * (eighths // 8) + (_BARS[eighths % 8] if eighths % 8 else "")

"""The tour: lines that are played one after the other, and what became of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, TypeVar

from limen.cli.demo.wants import Claim
from limen.cli.demo.wire import KEY

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Line(Generic[S]):
    """One thing that is shown. *play* does it on a scene, and claims what it expected and what it got."""

    what: str
    play: Callable[[S], Iterator[Claim]]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a line. No text in it holds a key."""

    what: str
    expected: str
    got: str
    ok: bool
    misses: tuple[str, ...]
    took_ms: int


def play(line: Line[S], scene: S) -> Result:
    """Play one line. A line that cannot be played, or claims nothing, is a miss, and the tour goes on."""
    claims: list[Claim] = []
    start = time.monotonic()
    broken = ""
    try:
        claims.extend(line.play(scene))
        broken = "" if claims else "nothing was claimed"
    except Exception as error:  # an answer that is nothing like what was expected can make a line fail anywhere
        broken = f"{type(error).__name__}: {error}"
    misses = [miss for claim in claims for miss in claim.misses] + ([broken] if broken else [])
    return Result(
        line.what,
        _in_turn(claim.expected for claim in claims),
        _in_turn([*(claim.got for claim in claims), *([broken] if broken else [])]),
        not misses,
        tuple(KEY.sub("(a key)", miss) for miss in misses),
        round((time.monotonic() - start) * 1000),
    )


def _in_turn(texts: Iterable[str]) -> str:
    """One after the other; what comes several times in a row once, with how often."""
    runs = [(text, len(list(same))) for text, same in groupby(texts)]
    return KEY.sub("(a key)", ", then ".join(text if times == 1 else f"{times} x {text}" for text, times in runs))

"""Counting over several processes: what an authority is asked, and what it answers.

An *authority* holds the windows of one API for all processes that share them. It is asked in batches and blocks; what
asks it, and spends what it granted, is ``gate.sharing``. It agrees with ``core.limits.Window``: a window opens at the
first grant, ends its length later on the authority's own clock, and is never granted more of than the claim's count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from limen.core.limits import Limit


class AuthorityGone(Exception):
    """The authority did not answer in time, or its answer was lost. What it granted, if anything, is never spent."""


class AuthorityBusy(AuthorityGone):
    """It was not asked at all: nothing was taken or given back, and the same can be asked again."""


class Claim(NamedTuple):
    """Units of one window that are asked for: *least* or none at all, *most* at most.

    Of what is free, no more is granted than one of *parts*, unless that is less than *least*.
    """

    limit: Limit
    whose: bytes
    least: int = 1
    most: int = 1
    parts: int = 1


Request = tuple[Claim, ...]
"""What one request needs: from every limit its least, or from none. No two claims are for the same window."""


class Grant(NamedTuple):
    """What came of one claim."""

    units: int
    """How many were granted; 0 of a shadow limit that has no room, and of every limit of a refused request."""
    free: int
    """How many are free beyond them, at that moment."""
    ends_in: float
    """Seconds from the decision to the window's end; where none is open, the length of one."""
    opened: int
    """What tells this window from every other of the same limit and holder, ever; 0 where none is open."""


class Answer(NamedTuple):
    """What came of one request; a grant for each of its claims, in their order."""

    granted: bool
    grants: tuple[Grant, ...]


class Return(NamedTuple):
    """Units of the window *opened* that were granted and will not be spent. Without effect once it has ended."""

    limit: Limit
    whose: bytes
    opened: int
    units: int


class Authority(Protocol):
    """Whatever holds the windows of one API. Used by several threads at once."""

    def decide(self, requests: Sequence[Request], returns: Sequence[Return] = ()) -> list[Answer]:
        """Take *returns* back, then answer *requests* one after the other. Blocks, for a bounded time.

        Each request is all or none; the batch need not be. Nothing is sent a second time unless it is certain that it
        was not done the first time. Raises AuthorityGone.
        """
        ...

    def close(self) -> None:
        """Let go of connections and files. The windows stay."""
        ...

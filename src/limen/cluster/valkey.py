"""An authority (``gate.counting``) that counts in Valkey or Redis: windows of a minute at most.

All keys of an API lie in one slot, so that one call decides all limits of a request, whosever they are. What a server
held may be gone: it was emptied, or another took its place to which not everything had come. Then its windows count as
full until they would have ended. Longer windows are not left to it (``cluster.split``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from secrets import randbits, token_hex
from threading import Lock
from typing import Any, NamedTuple

from limen.cluster.barrier import boottime
from limen.cluster.postgresql import REST_S, TRIES
from limen.cluster.timescale import Belief, Mend, Timescale, Told
from limen.cluster.valkey_link import Elsewhere, Line, Link, Unanswered, Unreachable
from limen.core.problems import StoreDown
from limen.gate.counting import Answer, AuthorityBusy, AuthorityGone, Grant, Request, Return

LONGEST_S = 60
"""The longest window that is left to Valkey."""

CHUNK = 128
"""Requests in one call of the function: while it runs, the server answers nobody else. About 1 ms."""

_MICRO = 1_000_000
_HEAD = 8  # what an answer begins with

Began = Callable[[str, str], str]
"""Told an API and the era of its windows in Valkey, which is kept if it is the first; the era that is kept."""


class _Counted(NamedTuple):
    """What one call answered."""

    told: Told
    decided: bool
    era: str
    born: bool
    rest: list[int]


class ValkeyWindows:
    """The windows of one API in Valkey. A batch is one pipeline."""

    def __init__(
        self, link: Link, api: str, began: Began, *, now: Callable[[], float] = boottime, longest_s: int = LONGEST_S
    ) -> None:
        """*longest_s*: no window is longer. For so long nobody is admitted after windows were lost."""
        self._link, self._api, self._began, self._now = link, api, began, now
        self._keys = tuple(f"limen:{{{api}}}:{part}" for part in ("clock", "0", "1"))
        self._scale, self._lock = Timescale(), Lock()
        self._longest_s, self._rests_until = longest_s, 0.0

    def decide(self, requests: Sequence[Request], returns: Sequence[Return] = ()) -> list[Answer]:
        """As ``Authority.decide``; no window may be longer than was said.

        To be asked twice in ``timescale.FRESH_S``, for nothing if need be: so this process vouches for what time it is.
        """
        if self._now() < self._rests_until:
            raise AuthorityBusy("Valkey did not answer a moment ago.")
        chunks = [requests[at : at + CHUNK] for at in range(0, len(requests), CHUNK)] or [()]
        for _ in range(TRIES):
            try:
                counted = self._count(chunks, returns)
            except Elsewhere:
                continue
            except Unreachable as error:
                self._rests_until = self._now() + REST_S
                raise AuthorityBusy(f"Valkey: {error}.") from error
            except Unanswered as error:
                self._rests_until = self._now() + REST_S
                raise AuthorityGone(f"Valkey: {error}.") from error
            if all(each.decided for each in counted):
                return [
                    answer
                    for chunk, each in zip(chunks, counted, strict=True)
                    for answer in _answers(chunk, iter(each.rest))
                ]
            if counted[0].decided:
                raise AuthorityGone("Valkey was emptied while it was asked.")
        raise AuthorityBusy("The clock by which windows end is being put right.")

    @property
    def settled(self) -> bool:
        """Whether this process is sure of the time by which windows end."""
        return self._scale.settled

    def close(self) -> None:
        """Nothing: the connections are those of every API."""

    def _count(self, chunks: Sequence[Sequence[Request]], returns: Sequence[Return]) -> list[_Counted]:
        with self._link.line(self._api) as line:
            sent = self._now()
            with self._lock:
                belief = self._scale.belief(sent)
            head = ("count", line.server.run, *_place(belief), token_hex(8), randbits(48), self._longest_s * _MICRO)
            calls = [(*head, *_asked(chunk, () if number else returns)) for number, chunk in enumerate(chunks)]
            counted = [_read(reply) for reply in line.call(self._keys, calls)]
            first = counted[0]
            if not first.born:
                self._bear(line, first.era)
            with self._lock:
                mend = self._scale.learn(first.told, sent, self._now())
            if mend is not None:
                self._mend(line, mend)
            return counted

    def _bear(self, line: Line, era: str) -> None:
        """From now on windows may open: at once where none was ever open before, else where those must have ended."""
        try:
            kept = self._began(self._api, era)
        except StoreDown as error:
            raise Unreachable(f"whether windows were lost cannot be told: {error.detail}") from error
        line.call(self._keys, [("bear", era, int(kept == era))])

    def _mend(self, line: Line, mend: Mend) -> None:
        done = line.call(self._keys, [("mend", mend.version, round(mend.shift * _MICRO), mend.base)])
        if done == [1]:
            with self._lock:
                self._scale.mended(mend)


def _place(belief: Belief | None) -> tuple[int | str, ...]:
    if belief is None:
        return "", "", "", 0
    return belief.base, int(belief.earliest * _MICRO), int(belief.latest * _MICRO) + 1, int(belief.settled)


def _asked(requests: Sequence[Request], returns: Sequence[Return]) -> Iterator[Any]:
    yield len(returns)
    yield len(requests)
    for given in returns:
        yield from (_field(given.limit.windows, given.whose), given.opened, given.units)
    for request in requests:
        yield len(request)
        for claim in request:
            limit = claim.limit
            yield from (_field(limit.windows, claim.whose), limit.count, limit.window_s * _MICRO, int(limit.shadow))
            yield from (claim.least, claim.most, claim.parts)


def _field(windows: str, whose: bytes) -> bytes:
    return b"%b\0%b" % (windows.encode(), whose)


def _read(reply: list[Any]) -> _Counted:
    wall, shift, version, base, seen, decided, era, born = reply[:_HEAD]
    told = Told(wall / _MICRO, shift / _MICRO, version, base, seen / _MICRO)
    return _Counted(told, bool(decided), era.decode(), bool(born), reply[_HEAD:])


def _answers(requests: Sequence[Request], told: Iterator[int]) -> Iterator[Answer]:
    for request in requests:
        granted = bool(next(told))
        grants = [Grant(next(told), next(told), next(told) / _MICRO, next(told)) for _ in request]
        yield Answer(granted, tuple(grants))

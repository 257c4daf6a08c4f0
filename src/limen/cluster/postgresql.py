"""An authority (``gate.counting``) that counts in PostgreSQL, for processes of several hosts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from threading import Lock

from limen.cluster.barrier import boottime
from limen.cluster.timescale import Timescale, Told
from limen.core.problems import StoreDown
from limen.db.windows import Asked, Counted, NotAsked, WindowTable
from limen.gate.counting import Answer, AuthorityBusy, AuthorityGone, Grant, Request, Return

TRIES = 4
"""How often a batch is put: nothing is counted where the clock was put right meanwhile, or a window cleared away."""

REST_S = 0.2
"""For how long nobody is asked who did not answer: whoever waits is told at once."""


class Counting:
    """This process's way to the windows in the database, for every API."""

    def __init__(self, table: WindowTable, *, now: Callable[[], float] = boottime) -> None:
        self._table, self._now = table, now
        self._scale, self._lock = Timescale(), Lock()
        self._rests_until = 0.0

    @property
    def settled(self) -> bool:
        """Whether this process is sure of the time by which windows end."""
        return self._scale.settled

    def of(self, api: str) -> PostgresWindows:
        """The windows of *api*."""
        return PostgresWindows(self, api)

    def decide(self, api: str, requests: Sequence[Request], returns: Sequence[Return] = ()) -> list[Answer]:
        """As ``Authority.decide``, for the windows of *api*.

        To be asked twice in ``timescale.FRESH_S``, for nothing if need be: so this process vouches for what time it is.
        """
        asked = _columns(requests, returns)
        if self._now() < self._rests_until:
            raise AuthorityBusy("The database did not answer a moment ago.")
        for _ in range(TRIES):
            counted = self._count(api, asked)
            if counted.decided:
                return list(_answers(requests, counted))
        raise AuthorityBusy("The clock by which windows end is being put right.")

    def close(self) -> None:
        """Let go of the connections. The windows stay."""
        self._table.close()

    def _count(self, api: str, asked: Asked) -> Counted:
        sent = self._now()
        with self._lock:
            belief = self._scale.belief(sent)
        try:
            if (
                belief is None
            ):  # to be connected first: the time that this takes would be one in which the clock is not known
                self._table.count("", None, _columns((), ()))
                sent = self._now()
            counted = self._table.count(api, belief, asked)
            with self._lock:
                mend = self._scale.learn(Told(*counted[:5]), sent, self._now())
        except NotAsked as error:
            self._rests_until = self._now() + REST_S
            raise AuthorityBusy(error.detail) from error
        except StoreDown as error:
            self._rests_until = self._now() + REST_S
            raise AuthorityGone(error.detail) from error
        if mend is not None:
            try:
                if self._table.mend(*mend):
                    with self._lock:
                        self._scale.mended(mend)
            except StoreDown as error:
                if not counted.decided:
                    raise AuthorityBusy(error.detail) from error
        return counted


class PostgresWindows:
    """The windows of one API in the database: an authority. A call is one round trip and one durable commit."""

    def __init__(self, counting: Counting, api: str) -> None:
        self._counting, self._api = counting, api

    def decide(self, requests: Sequence[Request], returns: Sequence[Return] = ()) -> list[Answer]:
        """As ``Authority.decide``."""
        return self._counting.decide(self._api, requests, returns)

    @property
    def settled(self) -> bool:
        """Whether this process is sure of the time by which windows end."""
        return self._counting.settled

    def close(self) -> None:
        """Nothing: the connections are those of every API."""


def _columns(requests: Sequence[Request], returns: Sequence[Return]) -> Asked:
    """The batch, its windows in the order in which everybody locks them."""
    claims = list(chain.from_iterable(requests))
    wanted = {(claim.limit.windows, claim.whose) for claim in claims}
    windows = sorted(wanted | {(given.limit.windows, given.whose) for given in returns})
    place = {window: number for number, window in enumerate(windows, 1)}
    return Asked(
        names=[name for name, _ in windows],
        holders=[whose for _, whose in windows],
        back_window=[place[each.limit.windows, each.whose] for each in returns],
        back_opened=[each.opened for each in returns],
        back_units=[each.units for each in returns],
        sizes=[len(request) for request in requests],
        window=[place[claim.limit.windows, claim.whose] for claim in claims],
        allowed=[claim.limit.count for claim in claims],
        length=[float(claim.limit.window_s) for claim in claims],
        shadow=[claim.limit.shadow for claim in claims],
        least=[claim.least for claim in claims],
        most=[claim.most for claim in claims],
        parts=[claim.parts for claim in claims],
    )


def _answers(requests: Sequence[Request], counted: Counted) -> list[Answer]:
    told = zip(counted.units or (), counted.free or (), counted.ends_in or (), counted.opened or (), strict=True)
    grants = map(Grant._make, told)
    return [
        Answer(granted, tuple(next(grants) for _ in request))
        for request, granted in zip(requests, counted.granted or (), strict=True)
    ]

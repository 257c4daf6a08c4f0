"""What happens while an authority does not answer: it is said once, and nobody is admitted, or a few by memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Lock

from limen.cluster.barrier import boottime
from limen.core.limits import Window
from limen.gate.counting import Answer, Authority, AuthorityGone, Claim, Grant, Request, Return

_log = logging.getLogger("limen.counting")

AGAIN_S = 1.0
"""When whoever is refused by memory may come again: the authority may be back by then."""

_KEPT = 100_000


class Outage:
    """An authority (``gate.counting``) in front of another, which may be gone for some time."""

    def __init__(
        self,
        authority: Authority,
        api: str,
        *,
        processes: Callable[[], int],
        share: bool,
        now: Callable[[], float] = boottime,
    ) -> None:
        """*share*: while it is gone, this process admits of each limit its part of the count, divided by *processes*.

        Else it admits nobody who has to be asked for. How many processes there are must be known before; 0: it is not.
        """
        self._authority, self._api, self._processes, self._share, self._now = authority, api, processes, share, now
        self._spare: dict[tuple[str, bytes], Window] = {}
        self._lock = Lock()
        self._since: float | None = None
        self.outages = 0
        """How often it stopped answering."""

    @property
    def gone_for_s(self) -> float:
        """For how long it has not answered; 0 while it does."""
        since = self._since
        return 0.0 if since is None else self._now() - since

    def decide(self, requests: Sequence[Request], returns: Sequence[Return] = ()) -> list[Answer]:
        """As ``Authority.decide``."""
        back = [given for given in returns if given.opened >= 0]
        try:
            answers = self._authority.decide(requests, back)
        except AuthorityGone as gone:
            self._is_gone(gone)
            if not self._share or not requests:
                raise
            with self._lock:
                return [self._by_memory(request) for request in requests]
        if self._since is not None:
            _log.warning("what counts for %s answers again, after %.1f s", self._api, self.gone_for_s)
            self._since = None
        return answers

    def close(self) -> None:
        """Let go of the authority."""
        self._authority.close()

    def _is_gone(self, gone: AuthorityGone) -> None:
        with self._lock:
            if self._since is not None:
                return
            self._since = self._now()
            self.outages += 1
        does = "a part of each limit is admitted" if self._share else "nobody is admitted who has to be counted"
        _log.error("what counts for %s does not answer, and %s: %s", self._api, does, gone)

    def _by_memory(self, request: Request) -> Answer:
        now, processes = self._now(), self._processes()
        found = []
        for claim in request:
            window = self._window(claim)
            part = claim.limit.count // processes if processes else 0
            rest = part if now >= window.ends_at else max(0, part - window.used)
            found.append((claim, window, rest))
        granted = all(rest >= claim.least or claim.limit.shadow for claim, _, rest in found)
        return Answer(granted, tuple(_grant(*each, now, granted) for each in found))

    def _window(self, claim: Claim) -> Window:
        if len(self._spare) >= _KEPT:
            now = self._now()
            self._spare = {key: window for key, window in self._spare.items() if window.ends_at > now}
        return self._spare.setdefault((claim.limit.windows, claim.whose), Window())


def _grant(claim: Claim, window: Window, rest: int, now: float, granted: bool) -> Grant:
    """What memory grants, under a number that no authority's window has: it can be given back to none."""
    if not granted or rest < claim.least:
        return Grant(0, rest, AGAIN_S, 0)
    if now >= window.ends_at:
        window.ends_at, window.used = now + claim.limit.window_s, 0
    window.used += claim.least
    return Grant(claim.least, rest - claim.least, window.ends_at - now, -1)

"""Two authorities as one: short windows at the quick one, which may lose them; long ones at the one that lasts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from limen.gate.counting import Answer, Authority, AuthorityBusy, AuthorityGone, Claim, Grant, Request, Return


class SplitWindows:
    """An authority (``gate.counting``). A request with limits of both kinds takes of the short ones first.

    Where a long one refuses it, what was taken is given back: for that moment, a millisecond or two, others find it
    taken. Of limits that were not asked because another had refused already, an answer says that they are free.
    """

    def __init__(self, short: Authority, long: Authority, line_s: int) -> None:
        """*line_s*: the longest window that is short."""
        self._short, self._long, self._line_s = short, long, line_s

    def decide(self, requests: Sequence[Request], returns: Sequence[Return] = ()) -> list[Answer]:
        """As ``Authority.decide``, in one call or two, and one more to give back."""
        back_short = [given for given in returns if self._is_short(given)]
        back_long = [given for given in returns if not self._is_short(given)]
        short = [tuple(claim for claim in request if self._is_short(claim)) for request in requests]
        long = [tuple(claim for claim in request if not self._is_short(claim)) for request in requests]
        first = _asked(self._short, short, back_short)
        going = [part if answer.granted else () for part, answer in zip(long, first, strict=True)]
        try:
            second = _asked(self._long, going, back_long)
        except AuthorityGone as gone:
            taken = _taken(zip(short, first, strict=True))
            self._give_back(taken)
            if isinstance(gone, AuthorityBusy) and (taken or back_short):
                raise AuthorityGone(str(gone)) from gone  # something was done after all
            raise
        both = list(zip(short, first, going, second, strict=True))
        self._give_back(_taken((part, answer) for part, answer, _, other in both if not other.granted))
        return [
            _joined(request, self._line_s, answer, other if part or not request else None)
            for request, (_, answer, part, other) in zip(requests, both, strict=True)
        ]

    def close(self) -> None:
        """Let go of both."""
        self._short.close()
        self._long.close()

    def _is_short(self, of: Claim | Return) -> bool:
        return of.limit.window_s <= self._line_s

    def _give_back(self, taken: list[Return]) -> None:
        if taken:
            with suppress(
                AuthorityGone
            ):  # it stays taken until its window ends: too little is admitted, never too much
                self._short.decide((), taken)


_NOTHING = Answer(True, ())


def _asked(authority: Authority, parts: Sequence[Request], back: Sequence[Return]) -> list[Answer]:
    """An answer to each of *parts*; what asks for nothing is granted without a call."""
    asking = [part for part in parts if part]
    answers = iter(authority.decide(asking, back) if asking or back else ())
    return [next(answers) if part else _NOTHING for part in parts]


def _taken(answered: Iterable[tuple[Request, Answer]]) -> list[Return]:
    return [
        Return(claim.limit, claim.whose, grant.opened, grant.units)
        for request, answer in answered
        for claim, grant in zip(request, answer.grants, strict=True)
        if grant.units
    ]


def _joined(request: Request, line_s: int, short: Answer, long: Answer | None) -> Answer:
    """One answer of two; *long* is None where the request had nothing to ask there, or was refused before."""
    granted = short.granted and (long is None or long.granted)
    grants = (iter(short.grants), iter(() if long is None else long.grants))
    found = []
    for claim in request:
        is_long = claim.limit.window_s > line_s
        grant = next(grants[is_long], None)
        if grant is None:
            grant = Grant(0, claim.limit.count, float(claim.limit.window_s), 0)
        elif not granted and grant.units:  # it was given back
            grant = Grant(0, grant.free + grant.units, grant.ends_in, grant.opened)
        found.append(grant)
    return Answer(granted, tuple(found))

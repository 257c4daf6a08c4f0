"""The two clocks: wall time, which never runs backwards here, for dates; CLOCK_BOOTTIME for windows and leases."""

from __future__ import annotations

import logging
from time import CLOCK_BOOTTIME, clock_gettime, time

_log = logging.getLogger("limen.clock")

ALARM_S = 1.0
"""By how much the wall clock must have been set back for it to count."""


class Clock:
    """Reads both clocks. A wall clock that is set back revives no expired key: here it goes on at its own pace."""

    __slots__ = ("_ahead", "_alarmed")

    def __init__(self) -> None:
        self._ahead = time() - clock_gettime(CLOCK_BOOTTIME)
        self._alarmed = False

    def read(self) -> tuple[float, float]:
        """Unix seconds, and seconds since boot with the time spent asleep. 0.3 µs."""
        wall = time()  # first: a pause between the two must not put the wall clock ahead for good
        at = clock_gettime(CLOCK_BOOTTIME)
        ahead = wall - at
        if ahead > self._ahead:  # a comparison, not max(): this runs on every request
            self._ahead = ahead
        elif self._ahead - ahead > ALARM_S and not self._alarmed:
            self._alarmed = True
            _log.warning("the wall clock was set back by %.0f s; dates go on as before", self._ahead - ahead)
        return at + self._ahead, at

    def set_back_s(self) -> float:
        """By how much the wall clock stands behind what it has been; 0 within what is usual."""
        behind = self._ahead - (time() - clock_gettime(CLOCK_BOOTTIME))
        return behind if behind > ALARM_S else 0.0

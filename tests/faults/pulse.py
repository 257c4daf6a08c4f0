"""Whether the machine stood still meanwhile: what is lost by that says nothing of the product."""

from __future__ import annotations

import os
import time
from threading import Event, Thread
from types import TracebackType

STILL_S = 0.25
"""Who was to wake every 10 ms and did not for so long was on a machine that stood still. The shortest patience of the
product is twice that."""


class Pulse:
    """A thread on each processor that wakes again and again, for as long as it is entered."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        """The longest sleep of one of them."""
        self._over = Event()
        self._threads = [Thread(target=self._beat, args=(cpu,), daemon=True) for cpu in os.sched_getaffinity(0)]

    def __enter__(self) -> Pulse:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def stood_still(self) -> bool:
        """Whether the machine did."""
        return self.longest_s > STILL_S

    def _beat(self, cpu: int) -> None:
        os.sched_setaffinity(0, {cpu})  # of this thread alone
        while not self._over.is_set():
            began = time.monotonic()
            time.sleep(0.01)
            self.longest_s = max(self.longest_s, time.monotonic() - began)

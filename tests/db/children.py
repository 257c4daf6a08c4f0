"""Work done in processes of its own. They are forked, so the caller has no database open meanwhile (SQLite's rule)."""

from __future__ import annotations

import os
import signal
import traceback
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_S = 60


class Child:
    """A process that does *work*, and ends without cleaning up: as if killed there, if *work* says ``os._exit``."""

    def __init__(self, work: Callable[[], object]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # a test runner's threads hold nothing that work needs
            self.pid = os.fork()
        if self.pid == 0:
            self._do(work)

    def _do(self, work: Callable[[], object]) -> None:
        status = 70
        try:
            signal.alarm(LONGEST_S)
            work()
            status = 0
        except BaseException:  # whatever it is, the parent's test must not go on in this process
            traceback.print_exc()
        finally:
            os._exit(status)

    def wait(self) -> int:
        """The status with which it ended; negative: the signal."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def in_child(work: Callable[[], object]) -> int:
    """Do *work* in a process of its own, and wait for it: its exit status, 70 where it raised."""
    return Child(work).wait()


class Starter:
    """Lets a number of processes start at one moment. Made before they are."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def wait(self) -> None:
        """Wait until ``open`` is called."""
        os.close(self._write)
        os.read(self._read, 1)

    def open(self) -> None:
        """Let everybody go who waits, and whoever comes later."""
        os.close(self._write)

    def close(self) -> None:
        """No more is asked of it."""
        os.close(self._read)

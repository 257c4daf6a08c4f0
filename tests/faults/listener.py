"""What ``limen.listener`` is, with another factory and another level of its log: ``FACTORY ADDRESS LEVEL``."""

from __future__ import annotations

import signal
import sys
from typing import Any

from granian.log import LogLevels

import limen.listener


def main() -> None:
    """Serve, until the process is told to end."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    factory, where, level = sys.argv[1:]

    class Other(limen.listener.OneSocket):
        """The product's server, of something else."""

        def __init__(self, _target: str, **how: Any) -> None:
            super().__init__(factory, **how | {"log_level": LogLevels(level)})

    limen.listener.OneSocket = Other  # type: ignore[misc]
    limen.listener.listener("gate_app", where, 1).serve()


if __name__ == "__main__":
    main()

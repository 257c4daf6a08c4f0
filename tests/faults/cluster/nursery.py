"""A process that has imported everything and opened nothing: of it, nodes and revokers are forked, in a moment each.

Standard input says, one line of JSON at a time, what is to be born: ``role`` (``node``, ``hand``), ``name``, ``line``
(the socket at which the driver waits for it), ``settings``, ``build``, and what the role asks for.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, NamedTuple

from limen.settings import Settings, read_settings
from tests.faults.cluster import builds, hand, node


class Born(NamedTuple):
    """What a child is given."""

    name: str
    settings: Settings
    line: socket.socket
    order: dict[str, Any]

    def say(self, **answer: Any) -> None:
        """Tell the driver."""
        self.line.sendall(json.dumps(answer).encode() + b"\n")


def _live(order: dict[str, Any]) -> None:
    line = socket.socket(socket.AF_UNIX)
    line.connect(order["line"])
    line.sendall(json.dumps({"name": order["name"], "pid": os.getpid()}).encode() + b"\n")
    settings = read_settings(order["settings"], Path(order["folder"]))
    builds.BUILDS[order["build"]]()
    born = Born(order["name"], settings, line, order)
    (node if order["role"] == "node" else hand).live(born)


def main() -> None:
    """Give birth until standard input ends."""
    faulthandler.register(signal.SIGUSR1)  # where a test hangs, somebody may want to know what it hangs at
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they died
    for line in sys.stdin.buffer:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(0)
            status = 1
            try:
                _live(json.loads(line))
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)  # whatever threads wait for


if __name__ == "__main__":
    main()

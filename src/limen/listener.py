"""One listener: Granian's workers on one socket. ``python -m limen.listener FACTORY ADDRESS WORKERS [CERT KEY]``.

It imports nothing else of Limen's, so that a reload (SIGHUP) starts workers with the code that is installed by then.
Granian would give each worker on TCP a socket of its own, and what waits in that of a worker that ends is reset; here
all accept from one, as they do from a Unix socket. How a worker leaves it is said in ``limen.http.leaving``.
"""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path
from typing import Any

from granian import Granian
from granian._granian import ListenerSpec
from granian.constants import Interfaces, Loops, RuntimeModes, SSLProtocols
from granian.log import LogLevels

OVERLAP_S = 3.0
"""How long, at a reload, a new worker runs beside the old one before that is told to end: it has to open its gates."""

STOP_S = 8
"""How long a worker may take to answer what it has accepted before it is killed."""


class OneSocket(Granian):  # type: ignore[valid-type, misc]  # which server it is depends on the build of the interpreter
    """Granian, with all workers on a socket that the parent holds."""

    def _init_shared_socket(self) -> None:
        if self.bind_uds:
            super()._init_shared_socket()
            return
        self._shd = ListenerSpec(self.bind_addr, self.bind_port, self.backlog).build()
        self._sfd = self._shd.get_fd()
        self._sso = socket.socket(fileno=self._sfd)
        self._sso.set_inheritable(True)


def listener(factory: str, where: str, workers: int, tls: tuple[str, ...] = ()) -> Any:
    """The server that serves *factory* of ``limen.server`` at *where* (HOST:PORT, unix:PATH); not started yet."""
    place: dict[str, Any] = {"uds": Path(where.removeprefix("unix:"))}
    if not where.startswith("unix:"):
        host, _, port = where.rpartition(":")
        place = {"address": host.strip("[]"), "port": int(port)}
    if tls:
        certificate, key = tls
        place |= {"ssl_cert": Path(certificate), "ssl_key": Path(key), "ssl_protocol_min": SSLProtocols.tls12}
    return OneSocket(
        f"limen.server:{factory}",
        factory=True,
        interface=Interfaces.ASGI,
        workers=workers,
        runtime_mode=RuntimeModes.st,  # 1.3 times the speed of ``mt``
        loop=Loops.uvloop,
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        respawn_interval=OVERLAP_S,
        workers_kill_timeout=STOP_S,
        **place,
    )


if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there are workers to be replaced
    _, named, address, count, *files = sys.argv
    listener(named, address, int(count), tuple(files)).serve()

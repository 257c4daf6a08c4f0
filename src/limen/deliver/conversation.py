"""A conversation with a mail server that is over when its time is: ``smtplib`` gives that time to each read anew."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from io import BufferedReader, RawIOBase
from smtplib import SMTP, SMTP_SSL, SMTPException
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CONNECT_S = 5.0
"""How long it may take to connect, and as long again to agree on TLS at once."""


class Conversation(SMTP):
    """What is said to a server until ``until``. Raises what SMTP does."""

    def __init__(self, host: str, port: int, *, until: float, **more: Any) -> None:
        self.until = until
        super().__init__(host, port, timeout=min(CONNECT_S, _left(until)), **more)

    def send(self, s: Any) -> None:
        """As SMTP does, within what is left."""
        if self.sock is not None:
            self.sock.settimeout(_left(self.until))
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        """As SMTP does, within what is left, however slowly it comes."""
        if self.file is None and self.sock is not None:
            self.file = BufferedReader(_Timed(self.sock, self.until))
        reply = super().getreply()
        if self.sock is not None:
            self.sock.settimeout(_left(self.until))  # of which TLS may be agreed on next
        return reply

    def leave(self) -> None:
        """It has ended, whether or not the server says so too: what it took before is taken."""
        with suppress(SMTPException, OSError):
            self.quit()
        self.close()


class ConversationTls(Conversation, SMTP_SSL):
    """The same, over TLS from its beginning."""


class _Timed(RawIOBase):
    """What comes from a socket until a moment."""

    def __init__(self, sock: socket.socket | ssl.SSLSocket, until: float) -> None:
        self._sock, self._until = sock, until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._sock.settimeout(_left(self._until))
        return self._sock.recv_into(buffer)


def _left(until: float) -> float:
    """How many seconds are left. Raises TimeoutError where none is."""
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError
    return left

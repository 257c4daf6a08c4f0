"""One request to an address that somebody else gave us, and nothing that such an address could do with it.

The name is resolved once, here; every address that it has must be allowed, and the connection goes to one of them. So
what was looked at is what is called, whatever the name resolves to a moment later. No redirect is followed, no proxy is
asked, nothing of what is answered is kept but the status, and it is over after ``TOTAL_S``.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, Queue
from threading import Thread
from time import monotonic

from limen.core.endpoints import Endpoint, EndpointError, Network, is_allowed, is_own, read_endpoint

CONNECT_S, TOTAL_S = 5.0, 15.0
HEAD_BYTES, BODY_BYTES = 16_384, 65_536
_DRAIN_S = 1.0
"""How long is waited for a body that nobody needs: so that whoever answers is not cut off in the middle of it."""

Resolver = Callable[[str, int], Sequence[str]]
"""A name and a port to all of its addresses, as text. Raises OSError where there is none."""


class Refused(Exception):
    """The request came to nothing. *result* is one of ``core.delivering.RESULTS``."""

    def __init__(self, result: str) -> None:
        self.result = result
        super().__init__(result)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered."""

    status: int
    retry_after_s: float = 0.0


def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of *host*, as this machine's resolver has them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


@dataclass(frozen=True, slots=True)
class Dialler:
    """How endpoints are called. *allowed*: networks of one's own that may be, for development."""

    allowed: Sequence[Network] = ()
    resolver: Resolver = resolve
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    connect_s: float = CONNECT_S
    total_s: float = TOTAL_S

    def post(self, address: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """POST the very bytes *body*. Raises Refused."""
        deadline = monotonic() + self.total_s
        try:
            endpoint = read_endpoint(
                address, self.allowed
            )  # again: what is allowed may have changed since it was added
        except EndpointError as error:
            raise Refused("blocked") from error
        try:
            with self._connected(endpoint, deadline) as connection:
                connection.settimeout(_left(deadline))
                connection.sendall(_request(endpoint, headers, body))
                return _answered(connection, deadline)
        except ssl.SSLError as error:
            raise Refused("timeout" if isinstance(error, TimeoutError) else "tls") from error
        except TimeoutError as error:
            raise Refused("timeout") from error
        except OSError as error:
            raise Refused("unreachable") from error

    def _connected(self, endpoint: Endpoint, deadline: float) -> socket.socket:
        addresses = self._addresses(endpoint, min(deadline, monotonic() + self.connect_s))
        first_failure: OSError | None = None
        until = min(deadline, monotonic() + self.connect_s)
        for number, address in enumerate(addresses):
            try:
                its_part = _left(until) / (len(addresses) - number)  # one that hangs leaves the others their time
                plain = socket.create_connection((address, endpoint.port), timeout=its_part)
            except OSError as error:
                first_failure = first_failure or error
                continue
            if not endpoint.tls:
                return plain
            plain.settimeout(_left(deadline))
            try:
                return self.context.wrap_socket(plain, server_hostname=endpoint.host)
            except BaseException:
                plain.close()
                raise
        if isinstance(first_failure, TimeoutError) or first_failure is None:
            raise Refused("timeout")
        raise Refused("unreachable") from first_failure

    def _addresses(self, endpoint: Endpoint, deadline: float) -> Sequence[str]:
        """What may be connected to. One address that may not be, and none is: a name with two faces is not trusted."""
        found = _within(lambda: self.resolver(endpoint.host, endpoint.port), deadline)
        if not found:
            raise Refused("dns")
        if not all(is_allowed(address, self.allowed) for address in found):
            raise Refused("blocked")
        if not endpoint.tls and not all(is_own(address, self.allowed) for address in found):
            raise Refused("blocked")
        return found


def _within(look: Callable[[], Sequence[str]], deadline: float) -> Sequence[str]:
    """What *look* finds; nothing where it fails, or takes longer: this machine's resolver cannot be told to hurry."""
    found: Queue[Sequence[str]] = Queue()  # a SimpleQueue's timed get may wait for ever (CPython 3.11.7)

    def run() -> None:
        try:
            found.put(look())
        except (OSError, UnicodeError):
            found.put(())

    Thread(target=run, name="limen-resolve", daemon=True).start()
    try:
        return found.get(timeout=_left(deadline))
    except Empty:
        return ()


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _request(endpoint: Endpoint, headers: Mapping[str, str], body: bytes) -> bytes:
    said = {"Host": endpoint.authority, **headers, "Content-Length": str(len(body)), "Connection": "close"}
    if any("\r" in part or "\n" in part for line in said.items() for part in line):
        raise Refused("blocked")
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    return f"POST {endpoint.target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def _answered(connection: socket.socket, deadline: float) -> Answer:
    """The status, as soon as the head is there, however slowly it comes. Raises Refused."""
    head = b""
    while b"\r\n\r\n" not in head:
        connection.settimeout(_left(deadline))
        part = connection.recv(HEAD_BYTES)
        head += part
        if not part or len(head) > HEAD_BYTES + BODY_BYTES:
            raise Refused("http")
        if head.startswith(b"HTTP/1.") and b"\r\n\r\n" in head and _status(head) < 200:
            head = head.partition(b"\r\n\r\n")[2]  # 100 Continue, which nobody asked for
    status = _status(head)
    _drain(connection, deadline)
    return Answer(status, _retry_after(head))


def _status(head: bytes) -> int:
    version, _, rest = head.partition(b" ")
    code = rest[:3]
    if not version.startswith(b"HTTP/1.") or not code.isdigit() or len(code) != 3:
        raise Refused("http")
    return int(code)


def _retry_after(head: bytes) -> float:
    """Seconds; a date is not read."""
    for line in head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"retry-after" and value.strip().isdigit() and len(value.strip()) < 9:
            return float(value)
    return 0.0


def _drain(connection: socket.socket, deadline: float) -> None:
    """Take what else is answered, up to a bound of bytes and of time, and keep nothing of it."""
    until, taken = min(deadline, monotonic() + _DRAIN_S), 0
    with suppress(OSError):
        while taken < BODY_BYTES:
            connection.settimeout(_left(until))
            part = connection.recv(16_384)
            if not part:
                return
            taken += len(part)

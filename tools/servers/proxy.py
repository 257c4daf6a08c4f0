"""A proxy that lies between processes and a server, and does to what they say what networks do: on loopback only.

Each client is given a way of its own, which is a port, so that one can be cut off and the others not. A way is switched
while it is used; what it does then holds for connections that are open and for new ones.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
_CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with which closing a socket says RST, as a host does that knows nothing of the connection."""

_OPEN = (1, 4, 5)
"""What TCP_INFO begins with where the other side has not hung up: established, and twice where we have."""


@dataclass
class Direction:
    """What happens to the bytes that travel in one direction of a way."""

    delay_s: float = 0.0
    held: bool = False
    """Nothing arrives while this is so; afterwards all of it does, as TCP would send it again."""
    lost: bool = False
    """Nothing arrives, and what would have is gone: the connections concerned are reset when the way is healed."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def turn(self) -> None:
        """Let whoever waits look again."""
        self.changed.set()
        self.changed = asyncio.Event()


class _Pair:
    """One connection: the client's socket, ours to the server, and the task that carries it and closes both."""

    def __init__(self, client: socket.socket) -> None:
        self.sockets = (client, socket.socket())
        self.task: asyncio.Task[None] | None = None
        self.doomed = False
        """Whether bytes of it were lost."""

    def reset(self) -> None:
        """End it with RST on both sides."""
        self.broken()
        if self.task is not None:
            self.task.cancel()

    def departed(self) -> bool:
        """Whether the client has hung up."""
        client = self.sockets[0]
        told = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        return told[0] not in _OPEN

    def broken(self) -> None:
        """When it is closed, both sides are told by RST."""
        for each in self.sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


class Way:
    """One client's way to the server. Connect to ``port``. What these methods say holds when they return."""

    def __init__(self, proxy: Proxy, target: int) -> None:
        self._proxy, self._target = proxy, target
        self._listener = self._listening(0)
        self.port: int = self._listener.getsockname()[1]
        self.up, self.down = Direction(), Direction()
        """To the server, and from it."""
        self._pairs: set[_Pair] = set()
        proxy.do(self._accept_from_now)

    def _listening(self, port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
        listener.setblocking(False)
        return listener

    def open(self) -> int:
        """How many connections there are now."""
        return self._proxy.do(lambda: len(self._pairs))

    def departed(self) -> int:
        """How many connections there are whose clients have hung up: what they sent last may not have arrived yet."""
        return self._proxy.do(lambda: sum(pair.departed() for pair in self._pairs))

    def delay(self, *, up_s: float = 0.0, down_s: float = 0.0) -> None:
        """Whatever is sent arrives so much later."""

        def change() -> None:
            self.up.delay_s, self.down.delay_s = up_s, down_s

        self._proxy.do(change)

    def hold(self, *, up: bool = False, down: bool = False) -> None:
        """Nothing arrives in the directions named, until ``heal``; then all of it does."""
        self._block("held", up=up, down=down)

    def lose(self, *, up: bool = False, down: bool = False) -> None:
        """Nothing arrives in the directions named, now or ever; ``heal`` resets the connections that were hit."""
        self._block("lost", up=up, down=down)

    def _block(self, how: str, *, up: bool, down: bool) -> None:
        def change() -> None:
            for direction, named in ((self.up, up), (self.down, down)):
                if named:
                    setattr(direction, how, True)
                    direction.turn()

        self._proxy.do(change)

    def partition(self) -> None:
        """Nothing arrives in either direction, new connections' bytes among it, until ``heal``."""
        self.hold(up=True, down=True)

    def reset(self) -> None:
        """Every open connection ends with RST on both sides; new ones are as good as before."""
        self._proxy.do(self._reset_all)

    def refuse(self) -> None:
        """New connections are refused, until ``heal``. Those that are open stay."""
        self._proxy.do(self._accept_no_more)

    def _accept_no_more(self) -> None:
        if self._listener.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()

    def heal(self) -> None:
        """All is passed on at once again; what was held arrives, what lost bytes is reset."""

        def change() -> None:
            for pair in [pair for pair in self._pairs if pair.doomed]:
                pair.reset()
            for direction in (self.up, self.down):
                direction.delay_s, direction.held, direction.lost = 0.0, False, False
                direction.turn()
            if self._listener.fileno() < 0:
                self._listener = self._listening(self.port)
                self._accept_from_now()

        self._proxy.do(change)

    def _reset_all(self) -> None:
        for pair in list(self._pairs):
            pair.reset()

    def _accept_from_now(self) -> None:
        """Not by a task that waits for ``sock_accept``: one that is cancelled loses what had just been accepted."""
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        with suppress(OSError):  # it has gone again
            client, _ = self._listener.accept()
            pair = _Pair(client)
            self._pairs.add(pair)
            pair.task = asyncio.get_running_loop().create_task(self._carry(pair))
            pair.task.add_done_callback(partial(self._close, pair))

    async def _carry(self, pair: _Pair) -> None:
        """Carry one connection until both sides have closed, or either is broken."""
        loop = asyncio.get_running_loop()
        client, server = pair.sockets
        try:
            for each in pair.sockets:
                each.setblocking(False)
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._passes(self.up)  # the first packet too
            await loop.sock_connect(server, ("127.0.0.1", self._target))
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(pair, self.up, client, server))
                both.create_task(self._pump(pair, self.down, server, client))
        except* OSError:
            pair.broken()

    def _close(self, pair: _Pair, _done: asyncio.Task[None]) -> None:
        """Close its sockets. Not sooner: one that is closed while the loop waits on it confuses the loop."""
        for each in pair.sockets:
            each.close()
        self._pairs.discard(pair)

    async def _passes(self, direction: Direction) -> None:
        while direction.held:
            await direction.changed.wait()

    async def _pump(self, pair: _Pair, direction: Direction, source: socket.socket, sink: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            data = await loop.sock_recv(source, _CHUNK)
            if direction.delay_s:
                await asyncio.sleep(direction.delay_s)
            await self._passes(direction)
            if direction.lost:
                pair.doomed = True
            elif data:
                await loop.sock_sendall(sink, data)
            else:
                sink.shutdown(socket.SHUT_WR)
            if not data:
                return

    async def end(self) -> None:
        """Listen no more, and cut every connection."""
        self._accept_no_more()
        tasks = [pair.task for pair in self._pairs if pair.task is not None]
        self._reset_all()
        await asyncio.gather(*tasks, return_exceptions=True)


class Proxy:
    """All the ways to one server, carried by a thread of this process. ``way`` makes one; ``close`` ends all."""

    def __init__(self, target: int) -> None:
        """*target*: the server's port on loopback."""
        self._target, self._loop = target, asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()
        self.ways: list[Way] = []

    def do(self, change: Callable[[], T]) -> T:
        """Do *change* in the proxy's thread; what it returns."""

        async def doing() -> T:
            return change()

        return self.wait(doing())

    def wait(self, doing: Coroutine[Any, Any, T]) -> T:
        """Let the proxy's thread run *doing*; what it returns."""
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(30)

    def way(self) -> Way:
        """A new way to the server, on which all is passed on at once."""
        self.ways.append(Way(self, self._target))
        return self.ways[-1]

    def heal(self) -> None:
        """Every way is as it was made."""
        for way in self.ways:
            way.heal()

    def close(self) -> None:
        """Nothing is passed on any more, and every connection is cut."""
        for way in self.ways:
            self.wait(way.end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

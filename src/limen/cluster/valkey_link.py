"""The way to a Valkey or Redis server: connections that wait for nothing without end, and our function on it.

In cluster mode the server that holds an API's keys is found as the others tell of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha1, sha256
from importlib.resources import files
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import (
    MaxConnectionsError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    RedisError,
    ResponseError,
)
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

ANSWER_S = 0.5
"""How long an answer is waited for, and a connection, before the server counts as gone."""

_CONNECTIONS = 32
_BODY = files("limen.cluster").joinpath("counters.lua").read_text("utf-8")
_NAME = f"limen_{sha256(_BODY.encode()).hexdigest()[:16]}"  # two releases may work side by side
_LIBRARY = f"#!lua name={_NAME}\n{_BODY}\nredis.register_function('{_NAME}', limen)\n"
_SCRIPT = f"{_BODY}\nreturn limen(KEYS, ARGV)\n"
_SHA = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()

Reply = Any
"""What a server answered: an integer, bytes, a list of them, or the error that it answered with."""


class Unreachable(Exception):
    """Nothing was asked: there is no connection, or the server refused before it did anything."""


class Elsewhere(Unreachable):
    """The keys are at another server, which is known now."""


class Unanswered(Exception):
    """It was asked, and may have done it or not."""


@dataclass(frozen=True, slots=True)
class Server:
    """What a server said of itself when it was connected to."""

    run: str
    """What tells this run of this server from every other."""
    facts: dict[str, str]


class Link:
    """The connections of this process. Used by several threads at once."""

    def __init__(self, url: str) -> None:
        """*url*: as ``LIMEN_VALKEY_URL``. Nothing is connected to before it is asked. Raises ValueError."""
        self._first = self._pool(url=url)
        self._moved: dict[str, ConnectionPool] = {}
        self._servers: WeakKeyDictionary[AbstractConnection, Server] = WeakKeyDictionary()
        self._lock = Lock()
        self.functions = True
        """Whether functions are loaded; False: scripts, which is all that the server knows or we may."""

    @contextmanager
    def line(self, api: str) -> Iterator[Line]:
        """A connection to the server that holds the keys of *api*. Raises Unreachable, Unanswered."""
        pool = self._moved.get(api, self._first)
        try:
            connection: Any = pool.get_connection()
        except (RedisError, OSError) as error:
            if not isinstance(error, MaxConnectionsError):
                self._moved.pop(api, None)
            raise Unreachable(_said(error)) from error
        try:
            yield Line(self, api, connection, self._servers[connection])
        except BaseException:
            connection.disconnect()  # what may still come on it is nobody's answer
            raise
        finally:
            pool.release(connection)

    def close(self) -> None:
        """Let go of the connections."""
        for pool in (self._first, *self._moved.values()):
            pool.disconnect()

    def _pool(self, **where: Any) -> ConnectionPool:
        how: dict[str, Any] = {
            "max_connections": _CONNECTIONS,
            "protocol": 3,
            "socket_timeout": ANSWER_S,
            "socket_connect_timeout": ANSWER_S,
            "retry": Retry(NoBackoff(), 0),  # what is given back twice is given away
            "redis_connect_func": self._greet,
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        }
        if "url" in where:
            return ConnectionPool.from_url(where["url"], **how)
        return ConnectionPool(
            **{**self._first.connection_kwargs, **where}, connection_class=self._first.connection_class
        )

    def _greet(self, connection: Any) -> None:
        """Ask who it is: whoever holds our keys now may not be who held them when windows were opened."""
        connection.on_connect()
        connection.send_command("INFO")
        said = connection.read_response()
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        facts = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        if facts.get("role") != "master":
            raise NoConnection("a replica answers: it may be behind, and counts nothing")
        self._servers[connection] = Server(facts["run_id"], facts)

    def follow(self, api: str, moved: MovedError) -> None:
        """Where the keys of *api* are by now, as a server of a cluster tells it."""
        with self._lock:
            pool = self._pool(host=moved.host or self._first.connection_kwargs["host"], port=moved.port)
            before, self._moved[api] = self._moved.get(api), pool
        if before is not None:
            before.disconnect()


@dataclass(slots=True)
class Line:
    """One connection, for as long as one call takes."""

    link: Link
    api: str
    connection: Any
    server: Server

    def call(self, keys: Sequence[str], calls: Sequence[Sequence[Any]]) -> list[Reply]:
        """Our function with *keys*, once for each of *calls*, in one go; what it answered to each.

        Raises Unreachable where none of them was done, Unanswered.
        """
        for _ in range(3):
            name = ("FCALL", _NAME) if self.link.functions else ("EVALSHA", _SHA)
            replies = self.send([(*name, len(keys), *keys, *call) for call in calls])
            wrong = next((reply for reply in replies if isinstance(reply, ResponseError)), None)
            if wrong is None:
                return replies
            if wrong is not replies[0]:
                raise Unanswered(_said(wrong))
            self._help(wrong)
        raise Unreachable("the server knows our function only for a moment")

    def send(self, commands: Sequence[Sequence[Any]]) -> list[Reply]:
        """*commands* in one go, and an answer to each. Raises Unreachable, Unanswered."""
        try:
            self.connection.send_packed_command(self.connection.pack_commands(commands))
            return [self._reply() for _ in commands]
        except (RedisError, OSError) as error:
            raise Unanswered(_said(error)) from error

    def _reply(self) -> Reply:
        try:
            return self.connection.read_response(disconnect_on_error=False)
        except ResponseError as error:
            return error

    def _help(self, wrong: ResponseError) -> None:
        """The same may be asked again, for something has been done about what was *wrong*; else it is raised."""
        if isinstance(wrong, MovedError):
            self.link.follow(self.api, wrong)
            raise Elsewhere(_said(wrong)) from wrong
        if isinstance(wrong, NoScriptError) or "Function not found" in str(wrong) or "unknown command" in str(wrong):
            self._load()
        elif isinstance(wrong, NoPermissionError) and self.link.functions:
            self.link.functions = False
        else:
            raise Unreachable(_said(wrong)) from wrong

    def _load(self) -> None:
        if self.link.functions:
            loaded = self.send([("FUNCTION", "LOAD", "REPLACE", _LIBRARY)])[0]
            if not isinstance(loaded, ResponseError):
                return
            if "unknown" not in str(loaded) and not isinstance(loaded, NoPermissionError):
                raise Unreachable(_said(loaded))
            self.link.functions = False
        loaded = self.send([("SCRIPT", "LOAD", _SCRIPT)])[0]
        if isinstance(loaded, ResponseError):
            raise Unreachable(_said(loaded))


def _said(error: BaseException) -> str:
    """What went wrong, in a line."""
    return (str(error) or type(error).__name__).partition("\n")[0]

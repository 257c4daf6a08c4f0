"""What counts over several hosts, on servers of its own: PostgreSQL, and Valkey with it. Both on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from limen.cluster.authorities import Authorities
from limen.db import schema
from limen.db.engine import Store, open_engine
from limen.gate.sharing import SharedCounters
from tools.servers.postgres import Postgres
from tools.servers.valkey import Valkey

PROCESSES = 4

NewCounters = Callable[[], SharedCounters]


@contextmanager
def postgresql() -> Iterator[NewCounters]:
    """Counters whose windows are in PostgreSQL. Unlike a server in use, this one does not wait for its disk."""
    with ExitStack() as stack:
        yield _counters(stack, "")


@contextmanager
def valkey() -> Iterator[NewCounters]:
    """Counters whose short windows are in Valkey."""
    with ExitStack() as stack:
        server = Valkey()
        stack.callback(server.remove)
        yield _counters(stack, server.start().url)


def _counters(stack: ExitStack, valkey_url: str) -> NewCounters:
    server = Postgres()
    stack.callback(server.remove)
    server.start()
    url = server.url(server.create())
    store = Store(open_engine(url), None)
    schema.upgrade(store)
    store.engine.dispose()
    authorities = Authorities(url, valkey_url, processes=lambda: PROCESSES)
    stack.callback(authorities.close)
    numbers = iter(range(1_000))

    def make() -> SharedCounters:
        found = authorities.join(f"api{next(numbers)}").counters
        assert isinstance(found, SharedCounters)
        return found

    return make

"""The authorities that count on a server, made as the contract needs them."""

from __future__ import annotations

import itertools
from secrets import token_hex
from typing import TYPE_CHECKING

import psycopg
import redis

from limen.cluster.postgresql import Counting
from limen.cluster.valkey import ValkeyWindows
from limen.cluster.valkey_link import Link
from limen.db import schema
from limen.db.engine import Store, open_engine
from limen.db.windows import WindowTable
from tests.contracts.authorities import Made, NewAuthority

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tools.servers.postgres import Postgres


MORE_S = 0.05
"""By how much sooner than it was told a window ends here: no process knows to the millisecond what time it is."""


def migrated(server: Postgres) -> str:
    """The URL of a new database with the schema in it."""
    url = server.url(server.create())
    store = Store(open_engine(url), None)
    schema.upgrade(store)
    store.engine.dispose()
    return url


def _postgresql(request: pytest.FixtureRequest) -> NewAuthority:
    url = migrated(request.getfixturevalue("postgres"))
    counting, hand = Counting(WindowTable(url)), psycopg.connect(url, autocommit=True)
    request.addfinalizer(counting.close)
    request.addfinalizer(hand.close)
    numbers = itertools.count()

    def make() -> Made:
        api = f"api{next(numbers)}"

        def advance(seconds: float) -> None:
            sooner = seconds and seconds + MORE_S
            hand.execute("update windows set ends_at = ends_at - %s where api = %s", (sooner, api))

        return Made(counting.of(api), advance, exact=False)

    return make


_SOONER = """
for _, key in ipairs({KEYS[2], KEYS[3]}) do
    local kept = redis.call('HGETALL', key)
    for at = 1, #kept, 2 do
        local ends, used, opened = string.match(kept[at + 1], '^(%d+) (%d+) (%d+)$')
        if ends then
            local sooner = string.format('%.0f', math.max(0, ends - ARGV[1]))
            redis.call('HSET', key, kept[at], sooner .. ' ' .. used .. ' ' .. opened)
        end
    end
end
"""


def _valkey(request: pytest.FixtureRequest) -> NewAuthority:
    url = request.getfixturevalue("valkey").url
    link, hand = Link(url), redis.Redis.from_url(url)
    request.addfinalizer(link.close)
    request.addfinalizer(hand.close)
    sooner = hand.register_script(_SOONER)

    def make() -> Made:
        api = token_hex(8)  # never counted before: nothing that was kept of it can be lost

        def advance(seconds: float) -> None:
            keys = [f"limen:{{{api}}}:{part}" for part in ("clock", "0", "1")]
            sooner(keys, [int((seconds and seconds + MORE_S) * 1_000_000)])

        return Made(ValkeyWindows(link, api, lambda _, era: era, longest_s=1_000), advance, exact=False)

    return make


SERVERS: dict[str, Callable[[pytest.FixtureRequest], NewAuthority]] = {
    "postgresql": _postgresql,
    "valkey": _valkey,
}
"""What makes each kind, from the fixtures of the servers."""

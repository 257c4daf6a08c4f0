"""Whoever comes anew does not know what time it is among those who count: no window lasts longer for that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from secrets import token_hex

import pytest

from limen.cluster.authorities import Keeping
from limen.cluster.postgresql import Counting
from limen.cluster.valkey import ValkeyWindows
from limen.cluster.valkey_link import Link
from limen.core.limits import Limit
from limen.db.windows import WindowTable
from limen.gate.counting import Claim, Grant
from tests.contracts.servers import migrated

LIMIT = Limit("allowance", 4, 1)


@pytest.fixture(params=["postgresql", "valkey"])
def two(request: pytest.FixtureRequest) -> Iterator[list[Keeping]]:
    """Two processes' ways to the windows of one API."""
    with ExitStack() as open_:
        if request.param == "postgresql":
            url = migrated(request.getfixturevalue("postgres"))
            ways = [Counting(WindowTable(url)) for _ in range(2)]
            for way in ways:
                open_.callback(way.close)
            yield [way.of("creator") for way in ways]
        else:
            links = [Link(request.getfixturevalue("valkey").url) for _ in range(2)]
            for link in links:
                open_.callback(link.close)
            api = token_hex(8)
            yield [ValkeyWindows(link, api, lambda _api, era: era) for link in links]


def _take(authority: Keeping) -> tuple[bool, Grant]:
    answer = authority.decide([(Claim(LIMIT, b"a"),)])[0]
    return answer.granted, answer.grants[0]


@pytest.mark.req("R41", "R115")
@pytest.mark.check("C056")
def test_a_window_that_a_newcomer_opened_ends_in_time_once_another_has_asked(two: list[Keeping]) -> None:
    there, newcomer = two
    for _ in range(3):
        there.decide(())
        time.sleep(0.3)  # so that it vouches for what time it is
    assert there.settled
    assert _take(newcomer)[0]
    assert not newcomer.settled
    granted, grant = _take(there)
    assert granted
    assert grant.free == LIMIT.count - 2
    opened = grant.opened
    assert [_take(newcomer)[0] for _ in range(3)] == [True, True, False]
    assert _take(newcomer)[1].ends_in <= LIMIT.window_s, "nobody is told to come again later than a window can last"
    time.sleep(LIMIT.window_s + 0.1)
    granted, grant = _take(there)
    assert granted
    assert grant.free == LIMIT.count - 1
    assert grant.opened > opened

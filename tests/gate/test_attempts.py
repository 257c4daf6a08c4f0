"""Failed attempts: counted per address, held for longer and longer, and never at the cost of a good key."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.gate.strangers import ADDRESSES, FREE, HELD, LONGEST_S, SHARE, Attempts

HOME = "192.0.2.7"


def waits(attempts: Attempts, address: str = HOME, *, count: int, now: float = 0.0) -> list[float]:
    """For how long each of *count* failed attempts would be held."""
    return [attempts._wait_s(address, now) for _ in range(count)]


async def held(attempts: Attempts, address: str | None = HOME, now: float = 0.0) -> tuple[bool, float]:
    """Whether one attempt was waited for, and for how many seconds."""
    began = time.perf_counter()
    return await attempts.hold(address, now), time.perf_counter() - began


def test_the_first_of_a_minute_are_answered_at_once_and_the_next_ever_later() -> None:
    found = waits(Attempts(), count=FREE * 9)
    assert found[::FREE] == pytest.approx([0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])
    assert found == sorted(found)


def test_a_flood_is_held_for_the_longest_and_no_longer() -> None:
    attempts = Attempts()
    attempts._failed[HOME] = 10**9
    assert waits(attempts, count=1) == [LONGEST_S]


def test_a_new_minute_begins_anew() -> None:
    attempts = Attempts()
    waits(attempts, count=FREE * 5, now=119.0)
    assert waits(attempts, count=1, now=119.9)[0] > 0
    assert waits(attempts, count=FREE, now=120.0) == [0.0] * FREE


def test_another_address_is_not_slowed() -> None:
    attempts = Attempts()
    for _ in range(FREE * 5):
        attempts._wait_s("192.0.2.8", 0.0)
    assert waits(attempts, count=1) == [0.0]


@pytest.mark.parametrize("other", ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9"])
async def test_what_one_caller_is_given_of_ipv6_is_one(other: str) -> None:
    attempts = Attempts()
    for number in range(FREE):
        assert await attempts.hold(f"2001:db8:1:2::{number:x}", 0.0)
    assert (await held(attempts, other))[1] >= 0.05
    assert await attempts.hold("2001:db8:1:3::1", 0.0)
    assert attempts._failed["2001:db8:1:3::/64"] == 1


async def test_a_mapped_address_is_the_one_it_maps() -> None:
    attempts = Attempts()
    for _ in range(FREE):
        assert await attempts.hold(f"::ffff:{HOME}", 0.0)
    assert (await held(attempts, HOME))[1] >= 0.05


async def test_no_more_than_a_share_of_the_held_answers_goes_to_one_address() -> None:
    attempts = Attempts()
    waits(attempts, count=FREE)
    answers = await asyncio.gather(*(attempts.hold(HOME, 0.0) for _ in range(SHARE + 10)))
    assert (answers.count(True), answers.count(False)) == (SHARE, 10)


async def test_no_more_than_so_many_are_held_and_each_leaves_its_place() -> None:
    attempts = Attempts()
    addresses = [f"192.0.2.{number}" for number in range(HELD // SHARE + 2)]
    for address in addresses:
        waits(attempts, address, count=FREE)
    for _ in range(2):
        answers = await asyncio.gather(*(attempts.hold(each, 0.0) for each in addresses for _ in range(SHARE)))
        assert answers.count(True) == HELD
    assert not attempts._held


async def test_a_caller_who_leaves_gives_up_the_place() -> None:
    attempts = Attempts()
    waits(attempts, count=FREE * 7)
    waiting = asyncio.create_task(attempts.hold(HOME, 0.0))
    await asyncio.sleep(0.01)
    assert attempts._held[HOME] == 1
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not attempts._held


def test_however_many_addresses_there_are_the_table_is_bounded_and_still_slows() -> None:
    attempts = Attempts()
    for number in range(ADDRESSES + 10 * FREE):
        attempts._wait_s(f"10.{number >> 16}.{(number >> 8) & 255}.{number & 255}", 0.0)
    assert len(attempts._failed) <= ADDRESSES + 1
    assert waits(attempts, "203.0.113.1", count=1)[0] > 0


@given(st.none() | st.text(max_size=80))
def test_whatever_a_header_says_is_an_address_that_is_counted(address: str | None) -> None:
    attempts = Attempts()
    assert asyncio.run(attempts.hold(address, 0.0))
    assert attempts._failed.total() == 1

"""Refusals without a known key: counted, in a bounded table, and handed over minute by minute."""

from __future__ import annotations

from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.core import addresses
from limen.gate.strangers import BOUND, Strangers, Tally

Written = list[tuple[int, dict[Tally, int]]]


def _strangers() -> tuple[Strangers, Written]:
    written: Written = []
    return Strangers(lambda minute, counts: written.append((minute, dict(counts)))), written


@pytest.mark.req("R100")
def test_they_are_counted_by_code_prefix_and_block() -> None:
    strangers, written = _strangers()
    for address in ("192.0.2.1", "192.0.2.254", "192.0.3.1", None):
        strangers.count("credential_missing", "", address, 60.0)
    strangers.count("unknown_id", "sk_live_", "192.0.2.1", 60.0)
    strangers.flush()
    assert written == [
        (
            1,
            {
                ("credential_missing", "", "192.0.2.0/24"): 2,
                ("credential_missing", "", "192.0.3.0/24"): 1,
                ("credential_missing", "", ""): 1,
                ("unknown_id", "sk_live_", "192.0.2.0/24"): 1,
            },
        )
    ]


def test_each_minute_is_handed_over_once_when_the_next_begins() -> None:
    strangers, written = _strangers()
    for now in (0.0, 59.999, 60.0, 61.0, 200.0):
        strangers.count("credential_missing", "", None, now)
    assert [(minute, sum(counts.values())) for minute, counts in written] == [(0, 2), (1, 2)]
    strangers.flush()
    strangers.flush()
    assert [(minute, sum(counts.values())) for minute, counts in written] == [(0, 2), (1, 2), (3, 1)]


def test_a_thread_that_is_late_at_the_turn_of_a_minute_loses_no_count() -> None:
    strangers, written = _strangers()
    for now in (59.9, 60.1, 59.95, 60.2):
        strangers.count("credential_missing", "", None, now)
    strangers.flush()
    assert sum(count for minute, counts in written for count in counts.values() if minute == 0) == 2
    assert sum(count for minute, counts in written for count in counts.values() if minute == 1) == 2


@pytest.mark.req("R100")
def test_what_comes_beyond_the_bound_is_still_counted_per_code() -> None:
    strangers, written = _strangers()
    total = BOUND + 1_000
    for number in range(total):
        strangers.count("credential_missing", "", f"10.{number // 256}.{number % 256}.1", 0.0)
    strangers.count("credential_malformed", "", "192.0.2.1", 0.0)
    strangers.flush()
    ((_, counts),) = written
    assert len(counts) <= BOUND + 2
    assert sum(count for (code, _, _), count in counts.items() if code == "credential_missing") == total
    assert counts["credential_missing", "", ""] == total - BOUND
    assert counts["credential_malformed", "", ""] == 1


def test_threads_lose_no_count() -> None:
    strangers, written = _strangers()

    def many() -> None:
        for number in range(2_000):
            strangers.count("credential_missing", "", "192.0.2.1", float(number % 180))

    threads = [Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    strangers.flush()
    assert sum(count for _, counts in written for count in counts.values()) == 8_000


@pytest.mark.parametrize(
    ("address", "block"),
    [
        (None, ""),
        ("", ""),
        ("192.0.2.7", "192.0.2.0/24"),
        ("255.255.255.255", "255.255.255.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("2001:db8:1::6", "2001:db8:1::/48"),
        ("2001:0DB8:0001::6", "2001:db8:1::/48"),
        ("2001:db8::", "2001:db8::/48"),
        ("::1", "::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("unix", ""),
        ("192.0.2.7:4711", ""),
        ("192.0.2", ""),
        ("a\0.b", ""),
        ("192.0.2.7, 192.0.2.8", ""),
        ("1" * 100_000 + ".1", ""),
        (":" * 100_000, ""),
    ],
)
def test_the_block_of_an_address(address: str | None, block: str) -> None:
    assert addresses.block(address) == block


@given(st.text(max_size=70) | st.ip_addresses().map(str) | st.text(".:/%0af", max_size=50))
def test_a_block_is_short_and_printable_whatever_a_header_said(address: str) -> None:
    block = addresses.block(address)
    assert len(block) <= 43
    assert block.isascii()
    assert block == "" or block.endswith(("/24", "/48"))

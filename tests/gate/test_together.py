"""Beside one another on a host: windows change hands once, whoever counts in them just then."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from limen.core.limits import Limit
from limen.gate.counters import Counters, MemoryCounters
from limen.gate.counting import AuthorityBusy
from limen.gate.sharing import SharedCounters
from limen.gate.together import HeldAlone, Together
from limen.gate.windows import HostWindows, boottime

LIMIT = Limit("allowance", 300, 600)


@contextmanager
def _beside(folder: Path) -> Iterator[Together]:
    made = Together(folder, "creator")
    try:
        yield made
    finally:
        made.close()


def _takes(counters: Counters, limit: Limit = LIMIT, whose: bytes = b"a") -> bool:
    taken = counters.take([(limit, whose)], boottime())
    return (taken or counters.count([(limit, whose)], boottime()).result(30))[0]


def test_who_is_alone_counts_in_memory_and_who_is_not_counts_in_the_file(tmp_path: Path) -> None:
    with _beside(tmp_path) as first:
        assert isinstance(first.counters, MemoryCounters)
        told: list[Counters] = []
        first.tell(told.append)
        assert [_takes(first.counters) for _ in range(3)] == [True] * 3
        with _beside(tmp_path) as second, _beside(tmp_path) as third:
            assert all(isinstance(each.counters, SharedCounters) for each in (first, second, third))
            assert [type(each) for each in told] == [MemoryCounters, SharedCounters]
            assert (tmp_path / "gate-creator.lock").read_text() == f"{os.getpid()}"
            for each in (second, third, first):
                assert _takes(each.counters)
            taken = second.counters.take([(LIMIT, b"a")], boottime())
            assert taken is not None
            assert taken[2] == LIMIT.count - 7
    with _beside(tmp_path) as later:
        assert isinstance(later.counters, MemoryCounters)
        taken = later.counters.take([(LIMIT, b"a")], boottime())
        assert taken is not None
        assert taken[2] == LIMIT.count - 8, "what was counted is not forgotten"
        assert _takes(later.counters, LIMIT, b"b"), "nor does anybody have it who has not"


@pytest.mark.req("R41", "R115")
@pytest.mark.check("C058")
def test_windows_that_change_hands_in_a_crowd_admit_nobody_twice(tmp_path: Path) -> None:
    """Also where a request still holds the counters of before."""
    first, crowd, admitted = Together(tmp_path, "creator"), 6, list[bool]()
    held, barrier = first.counters, Barrier(crowd + 1)
    limit, keys = Limit("allowance", 900, 600), [b"%d" % number for number in range(60)]

    def ask(counters: Counters) -> None:
        barrier.wait()
        while any(found := [_takes(counters, limit, key) for key in keys]):
            admitted.extend(found)

    threads = [Thread(target=ask, args=(held,)) for _ in range(crowd)]
    for thread in threads:
        thread.start()
    barrier.wait()
    with _beside(tmp_path) as second:
        before = sum(admitted)
        while any(mine := [_takes(second.counters, limit, key) for key in keys]):
            admitted.extend(mine)
        for thread in threads:
            thread.join()
    first.close()
    assert before < sum(admitted) == limit.count * len(keys)


class _Forgetful(MemoryCounters):
    """A build whose stragglers are counted where nobody looks. Broken."""

    def hand_over(self, put: Any, to: Counters) -> None:
        """As ``MemoryCounters.hand_over``, without what it is for."""
        super().hand_over(put, MemoryCounters())


def test_a_build_that_counts_stragglers_apart_is_caught(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("limen.gate.together.MemoryCounters", _Forgetful)
    with pytest.raises(AssertionError):
        test_windows_that_change_hands_in_a_crowd_admit_nobody_twice(tmp_path)


def test_windows_that_cannot_be_handed_over_stay_where_they_are(tmp_path: Path, monkeypatch: Any) -> None:
    def unable(*_: Any) -> None:
        raise AuthorityBusy("it is not its turn")

    monkeypatch.setattr("limen.gate.together.HAND_OVER_S", 0.2)
    with _beside(tmp_path) as first:
        assert _takes(first.counters)
        with monkeypatch.context() as patched:
            patched.setattr(HostWindows, "put", unable)
            with pytest.raises(HeldAlone) as held:
                Together(tmp_path, "creator")
            assert held.value.holders == str(os.getpid())
        taken = first.counters.take([(LIMIT, b"a")], boottime())
        assert taken is not None
        assert taken[2] == LIMIT.count - 2


def test_whoever_is_stopped_while_it_begins_keeps_others_waiting_for_a_time_only(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("limen.gate.together.HAND_OVER_S", 0.1)
    with (tmp_path / "gate-creator.door").open("w") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        with pytest.raises(HeldAlone):
            Together(tmp_path, "creator")
    with _beside(tmp_path) as made:
        assert _takes(made.counters)


def test_what_is_not_spent_goes_back_to_the_others(tmp_path: Path) -> None:
    wide = Limit("allowance", 6_000, 60)
    with _beside(tmp_path) as first, _beside(tmp_path) as second:
        assert _takes(second.counters, wide)
        time.sleep(1.8)
        taken = first.counters.take([(wide, b"a")], boottime())
        assert taken is not None
        assert taken[2] == wide.count - 2

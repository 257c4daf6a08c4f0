"""The host's file of windows: all who open it count in the same, and whoever is killed leaves none too empty."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from limen.core.limits import Limit
from limen.gate import windows
from limen.gate.counting import AuthorityBusy, AuthorityGone, Claim, Return
from limen.gate.windows import HostWindows, mark
from tests.contracts.authorities import Moved

LIMIT = Limit("allowance", 3, 10)


@contextmanager
def _opened(folder: Path, clock: Moved | None = None, **more: Any) -> Iterator[HostWindows]:
    clock = clock or Moved()
    made = HostWindows(folder, "creator", **{"now": clock, "wall": clock} | more)
    try:
        yield made
    finally:
        made.close()


def _takes(made: HostWindows, limit: Limit = LIMIT, whose: bytes = b"a") -> bool:
    return made.decide([(Claim(limit, whose),)])[0].granted


def test_whoever_opens_it_counts_in_the_same_windows(tmp_path: Path) -> None:
    with _opened(tmp_path) as one, _opened(tmp_path) as other:
        assert [_takes(each) for each in (one, other, one, other)] == [True] * 3 + [False]
    with _opened(tmp_path) as later:
        assert not _takes(later)


def test_it_grows_for_as_many_windows_as_are_open_and_uses_again_what_has_ended(tmp_path: Path) -> None:
    clock, few = Moved(), 3_000
    with _opened(tmp_path, clock) as one, _opened(tmp_path, clock) as other:
        for turn in range(3):
            for number in range(4 * few if turn else few):
                assert _takes((one, other)[number % 2], LIMIT, b"%d" % number)
            if turn == 0:
                assert (tmp_path / "creator").stat().st_size < 400_000
            for number in range(few):
                answers = [_takes(other, LIMIT, b"%d" % number) for _ in range(3)]
                assert answers == [True, True, False]
            size = (tmp_path / "creator").stat().st_size
            clock.advance(10)
        assert size == (tmp_path / "creator").stat().st_size < 2_000_000


def test_where_there_is_no_room_for_another_window_nothing_is_admitted(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(windows, "LARGEST", 4_096)
    clock = Moved()
    with _opened(tmp_path, clock) as made:
        opened = 0
        with suppress(AuthorityGone):
            while _takes(made, LIMIT, b"%d" % opened):
                opened += 1
        assert 1_000 < opened <= 4_096
        with pytest.raises(AuthorityGone, match="no room"):
            _takes(made, LIMIT, b"%d" % opened)
        assert _takes(made, LIMIT, b"0"), "the windows that are there are counted in"
        clock.advance(10)
        assert _takes(made, LIMIT, b"%d" % opened)


def test_who_cannot_have_its_turn_is_told_so_and_nothing_is_done(tmp_path: Path) -> None:
    with _opened(tmp_path) as made:
        holder = os.open(tmp_path / "creator.lock", os.O_RDWR)
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(AuthorityBusy):
            made.decide([(Claim(LIMIT, b"a"),)], wait_s=0.01)
        os.close(holder)
        assert [_takes(made) for _ in range(4)] == [True] * 3 + [False]
    with pytest.raises(AuthorityGone):
        _takes(made)


class _Killed(Exception):
    """Here the process dies."""


class _Stores:
    """A view of a file that dies before its *last* store."""

    def __init__(self, view: Any, left: list[int]) -> None:
        self.view, self.left = view, left

    def __getitem__(self, at: Any) -> Any:
        return self.view[at]

    def __len__(self) -> int:
        return len(self.view)

    def __setitem__(self, at: int, value: Any) -> None:
        if not self.left[0]:
            raise _Killed
        self.left[0] -= 1
        self.view[at] = value


def _dying(made: HostWindows, stores: int) -> None:
    """Let *made* die before its next store but so many."""
    left, whole = [stores], made._map

    def mapped() -> None:
        whole()
        made._words, made._moments = _Stores(made._words, left), _Stores(made._moments, left)  # type: ignore[assignment]

    made._map = mapped  # type: ignore[method-assign]
    mapped()


def _admitted_over_a_death(folder: Path, stores: int) -> tuple[int, int]:
    """How often a holder of 3 is admitted whose process dies at one store, and how often one of another window is."""
    clock, other = Moved(), Limit("emergency", 3, 10)
    with _opened(folder, clock) as before:  # so that slots are those of windows that have ended
        for number in range(5_000):
            _takes(before, Limit("allowance", 1, 1), b"%d" % number)
        clock.advance(5)
    first = second = 0
    with _opened(folder, clock) as dying, _opened(folder, clock) as living:
        assert _takes(living, other, b"b")
        second += 1
        _dying(dying, stores)
        try:
            for _ in range(3):
                answer = dying.decide([(Claim(LIMIT, b"a"), Claim(other, b"b"))])[0]
                first, second = first + answer.granted, second + answer.granted
                grant = answer.grants[0]
                if grant.units and first == 1:
                    dying.decide([], [Return(LIMIT, b"a", grant.opened, 1)])
                    first -= 1
        except _Killed:
            pass
        for _ in range(5):
            first += _takes(living)
            second += _takes(living, other, b"b")
    return first, second


def test_whoever_is_killed_at_any_store_leaves_no_window_too_empty(tmp_path: Path) -> None:
    found = [_admitted_over_a_death(tmp_path / str(stores), stores) for stores in range(18)]
    assert all(first <= 3 and second <= 3 for first, second in found), found
    assert found[-1] == (3, 3), "and where nobody dies they are full"
    assert len(set(found)) > 1, "some died"


def test_a_build_that_clears_a_window_before_it_opens_it_is_caught(tmp_path: Path, monkeypatch: Any) -> None:
    """Killed between the two, it leaves the holder's old window open and empty."""

    def broken(self: HostWindows, place: tuple[int, int, int], ends_at: float, used: int) -> int:
        at, first, second = place
        at = at or self._room(first)
        self._moments[at + 2] = ends_at
        self._words[at] = first
        self._words[at + 1] = second
        self._words[at + 3] = 0
        self._words[at + 3] = used
        return at

    monkeypatch.setattr(HostWindows, "_open_window", broken)
    monkeypatch.setattr(windows, "_FULL", 0)
    with _opened(tmp_path) as one:
        one.put([("allowance/10", b"a", (1_010.0, 3))])
        _dying(one, 4)
        with pytest.raises(_Killed):
            one.put([("allowance/10", b"a", (1_010.0, 3))])
        with _opened(tmp_path) as other, pytest.raises(AssertionError):
            assert not _takes(other)


Started = Callable[[float, float], HostWindows]


def test_windows_go_on_after_the_machine_was_started_anew(tmp_path: Path) -> None:
    at, wall = Moved(50_000.0), Moved(1_700_000_000.0)
    with _opened(tmp_path, at, wall=wall, run=bytes(16)) as made:
        made.live()
        assert made.decide([(Claim(LIMIT, b"a", 2, 2), Claim(Limit("allowance", 3, 600), b"a", 2, 2))])[0].granted
    at, wall = Moved(7.0), Moved(1_700_000_000.0 + 100)
    with _opened(tmp_path, at, wall=wall, run=bytes([1] * 16)) as made:
        assert made.decide([(Claim(LIMIT, b"a"),)])[0].grants[0].free == 2, "this one had ended"
        answer = made.decide([(Claim(Limit("allowance", 3, 600), b"a"),)])[0]
        assert answer.grants[0][:2] == (1, 0)
        assert answer.grants[0].ends_in == pytest.approx(500)
        assert len(made.left()) == 2


def test_a_wall_clock_that_was_set_back_meanwhile_prolongs_no_window(tmp_path: Path) -> None:
    at, wall = Moved(50_000.0), Moved(1_700_000_000.0)
    with _opened(tmp_path, at, wall=wall, run=bytes(16)) as made:
        assert _takes(made)
        at.advance(4)
        made.live()
    with _opened(tmp_path, Moved(7.0), wall=Moved(0.0), run=bytes([1] * 16)) as made:
        assert made.decide([(Claim(LIMIT, b"a"),)])[0].grants[0].ends_in == pytest.approx(6)


@pytest.mark.parametrize("garbage", [b"", b"LIMENW01", bytes(200_000), b"\xff" * 200_000])
def test_what_is_no_such_file_is_replaced(tmp_path: Path, garbage: bytes) -> None:
    (tmp_path / "creator").write_bytes(garbage)
    with _opened(tmp_path) as made:
        assert [_takes(made) for _ in range(4)] == [True] * 3 + [False]
        assert made.left() == {mark("allowance/10", b"a"): (1_010.0, 3)}


def test_processes_say_that_they_are_alive_and_are_counted_until_they_are_silent(tmp_path: Path) -> None:
    clock = Moved()
    with _opened(tmp_path, clock) as one, _opened(tmp_path, clock) as other:
        assert [one.live(), other.live(), one.live()] == [1, 2, 2]
        clock.advance(4)
        assert one.live() == 2
        clock.advance(2)
        assert one.live() == 1
        other.live()
        other.close()
        assert one.live() == 1

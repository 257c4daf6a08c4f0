"""Counting: every counter agrees with the oracle, takes from all limits or from none, and forgets what has ended."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from threading import Barrier, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.core.limits import Limit, Window
from limen.gate.counters import Counters, MemoryCounters, Taken, Want

COUNTERS: dict[str, Callable[[], Counters]] = {"memory": MemoryCounters}
"""Everything that counts. Whatever is added here is held to the same contract."""

LIMIT = Limit("allowance", 3, 10)
NAMES = ("allowance", "operation:send", "emergency")

limits = st.builds(Limit, st.sampled_from(NAMES), st.integers(0, 4), st.sampled_from([5, 20]), st.booleans())
whoses = st.sampled_from([b"a", b"b", b"c"])
gaps = st.sampled_from([0.0, 0.0, 0.25, 1.0, 4.9, 5.0, 19.75, 20.0, 60.0]) | st.floats(0, 40)


@st.composite
def asks(draw: st.DrawFn) -> tuple[Sequence[Want], float]:
    """A request: its limits, several windows of a name and shadows among them, and how long after the last it comes."""
    wanted = draw(st.lists(limits, min_size=1, max_size=5, unique_by=lambda limit: limit.windows))
    return [(limit, draw(whoses)) for limit in wanted], draw(gaps)


@pytest.fixture(scope="module", params=COUNTERS.values(), ids=COUNTERS)
def new_counters(request: pytest.FixtureRequest) -> Callable[[], Counters]:
    """Makes counters of one kind."""
    made: Callable[[], Counters] = request.param
    return made


class Oracle:
    """What the definition says, window by window."""

    def __init__(self) -> None:
        self.windows: dict[tuple[str, bytes], Window] = {}

    def take(self, wants: Sequence[Want], at: float) -> tuple[bool, list[Limit]]:
        """Whether there is room in all of *wants* that are no shadows; then it is taken from all that have room.

        And the shadows that had none.
        """
        windows = [(self.windows.setdefault((limit.windows, whose), Window()), limit) for limit, whose in wants]
        if any(window.remaining(limit, at) < 1 for window, limit in windows if not limit.shadow):
            return False, []
        return True, [limit for window, limit in windows if not window.take(limit, at)]

    def full_again(self, wants: Sequence[Want], at: float) -> float:
        """Seconds until the last of those that have no room is full again."""
        windows = [(self.windows[limit.windows, whose], limit) for limit, whose in wants if not limit.shadow]
        empty = [(window, limit) for window, limit in windows if window.remaining(limit, at) < 1]
        return max(window.ends_at - at if at < window.ends_at else float(limit.window_s) for window, limit in empty)

    def said(self, wants: Sequence[Want], at: float) -> set[tuple[int, float]]:
        """Remaining, and seconds to the end, of each of the tightest of *wants*."""
        windows = [(self.windows[limit.windows, whose], limit) for limit, whose in wants if not limit.shadow]
        least = min(window.remaining(limit, at) for window, limit in windows)
        return {(least, w.ends_at - at) for w, limit in windows if w.remaining(limit, at) == least}


@pytest.mark.req("R41", "R115", "R118", "R119", "R120")
@given(st.floats(0, 1e9), st.lists(asks(), max_size=60))
def test_counters_agree_with_the_oracle_take_by_take(
    new_counters: Callable[[], Counters], at: float, requests: list[tuple[Sequence[Want], float]]
) -> None:
    counters, oracle = new_counters(), Oracle()
    for wants, gap in requests:
        at += gap
        expected = oracle.take(wants, at)
        granted, limit, remaining, ends_in, over = counters.take(wants, at)
        assert (granted, list(over)) == expected
        refusing = [wanted for wanted, _ in wants if not wanted.shadow]
        assert limit in refusing or (limit, refusing) == (None, [])
        if not refusing:
            assert (granted, remaining, ends_in) == (True, 0, 0.0)
        elif granted:
            assert (remaining, ends_in) in oracle.said(wants, at)
        else:
            assert (remaining, ends_in) == (0, oracle.full_again(wants, at))


@given(st.lists(asks(), max_size=40))
def test_waiting_as_long_as_a_refusal_says_is_enough(
    new_counters: Callable[[], Counters], requests: list[tuple[Sequence[Want], float]]
) -> None:
    """In all of the limits, where several refused at once."""
    counters, at = new_counters(), 0.0
    for wants, gap in requests:
        at += gap
        granted, _, _, ends_in, _ = counters.take(wants, at)
        if not granted and all(limit.count > 0 for limit, _ in wants):
            at += ends_in + 1e-6
            assert counters.take(wants, at)[0]


def _takes(counters: Counters, times: Sequence[float], limit: Limit = LIMIT) -> list[bool]:
    return [counters.take([(limit, b"a")], at)[0] for at in times]


def _a_window_refills_completely_and_only_when_it_ends(counters: Counters) -> None:
    """R115, on a limit of 3 per 10 s: full until 10 s after the first, then three at once, not one now and then."""
    assert _takes(counters, [0.0, 5.0, 9.0]) == [True] * 3
    assert _takes(counters, [9.1, 9.5, 9.999]) == [False] * 3
    assert _takes(counters, [10.0, 10.0, 10.0, 10.0]) == [True, True, True, False]
    assert _takes(counters, [14.0, 19.999, 20.0]) == [False, False, True]


@pytest.mark.req("R115")
def test_a_window_refills_completely_and_only_when_it_ends(new_counters: Callable[[], Counters]) -> None:
    _a_window_refills_completely_and_only_when_it_ends(new_counters())


class _Leaking(MemoryCounters):
    """A build that refills drop by drop: the next request is admitted as soon as its share of the window has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.level, self.seen = 0.0, 0.0

    def take(self, wants: Sequence[Want], at: float) -> Taken:
        limit, _ = wants[0]
        self.level = max(0.0, self.level - (at - self.seen) * limit.count / limit.window_s)
        self.seen = at
        if self.level + 1 > limit.count:
            return False, limit, 0, 1.0, ()
        self.level += 1
        return True, limit, int(limit.count - self.level), 1.0, ()


class _Rolling(MemoryCounters):
    """A build that counts the seconds before each request: it never refills completely."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def take(self, wants: Sequence[Want], at: float) -> Taken:
        limit, _ = wants[0]
        if sum(time > at - limit.window_s for time in self.times) >= limit.count:
            return False, limit, 0, 1.0, ()
        self.times.append(at)
        return True, limit, 0, 1.0, ()


class _Endless(MemoryCounters):
    """A build that never refills."""

    def take(self, wants: Sequence[Want], at: float) -> Taken:
        return super().take(wants, 0.0)


@pytest.mark.req("R115")
@pytest.mark.parametrize("broken", [_Leaking, _Rolling, _Endless])
def test_a_build_that_refills_otherwise_is_caught(broken: type[MemoryCounters]) -> None:
    with pytest.raises(AssertionError):
        _a_window_refills_completely_and_only_when_it_ends(broken())


def test_no_limit_is_taken_from_where_another_refuses(new_counters: Callable[[], Counters]) -> None:
    counters = new_counters()
    wide, narrow = Limit("allowance", 5, 60), Limit("operation:send", 1, 60)
    both = [(wide, b"a"), (narrow, b"a")]
    assert counters.take(both, 0.0)[:3] == (True, narrow, 0)
    for order in itertools.permutations(both):
        assert counters.take(list(order), 1.0)[:3] == (False, narrow, 0)
    assert counters.take([(wide, b"a")], 1.0)[2] == 3


def test_a_limit_of_nothing_admits_nobody_and_opens_no_window(new_counters: Callable[[], Counters]) -> None:
    counters, none, some = new_counters(), Limit("allowance", 0, 60), Limit("allowance", 1, 60)
    assert counters.take([(none, b"a")], 0.0) == (False, none, 0, 60.0, ())
    assert counters.take([(some, b"b"), (Limit("emergency", 0, 5), b"")], 0.0)[3] == 5.0
    assert counters.take([(some, b"a")], 59.0) == (True, some, 0, 60.0, ())


@pytest.mark.req("R123")
@pytest.mark.check("C062")
@pytest.mark.parametrize(
    ("count", "codes"), [(1, [False] * 4), (3, [False] * 4), (4, [True] + [False] * 3), (6, [True] * 3 + [False])]
)
def test_what_was_used_stays_used_when_the_count_changes(
    new_counters: Callable[[], Counters], count: int, codes: list[bool]
) -> None:
    counters = new_counters()
    assert _takes(counters, [0.0] * 3, Limit("allowance", 5, 10)) == [True] * 3
    assert _takes(counters, [1.0] * 4, Limit("allowance", count, 10)) == codes


def test_windows_of_another_length_are_other_windows(new_counters: Callable[[], Counters]) -> None:
    """An open window is neither cut short nor drawn out when staff change how long it is to be."""
    counters, long, short = new_counters(), Limit("allowance", 1, 100), Limit("allowance", 1, 10)
    assert counters.take([(long, b"a")], 0.0)[3] == 100
    assert counters.take([(short, b"a")], 1.0)[0]
    assert [counters.take([(limit, b"a")], 2.0)[::3] for limit in (long, short)] == [(False, 98.0), (False, 9.0)]


@pytest.mark.req("R41", "R123")
def test_several_windows_hold_at_once_and_each_refills_at_its_own_end(new_counters: Callable[[], Counters]) -> None:
    counters = new_counters()
    wants = [(Limit("allowance", 3, 10), b"a"), (Limit("allowance", 5, 60), b"a")]
    short, long = (limit for limit, _ in wants)
    assert [counters.take(wants, 0.0)[:2] for _ in range(4)] == [(True, short)] * 3 + [(False, short)]
    assert [counters.take(wants, 10.0)[:2] for _ in range(3)] == [(True, long)] * 2 + [(False, long)]
    assert counters.take(wants, 59.0) == (False, long, 0, 1.0, ())
    assert counters.take(wants, 60.0)[:3] == (True, short, 2)


@pytest.mark.req("R123")
def test_a_shadow_limit_counts_and_never_refuses(new_counters: Callable[[], Counters]) -> None:
    counters, real, shadow = new_counters(), Limit("allowance", 5, 10), Limit("allowance", 2, 10, shadow=True)
    wants = [(shadow, b"a"), (real, b"a")]
    takes = [counters.take(wants, 0.0) for _ in range(6)]
    assert [taken[0] for taken in takes] == [True] * 5 + [False]
    assert [taken[2] for taken in takes] == [4, 3, 2, 1, 0, 0], "it shows in no header either"
    assert [taken[4] for taken in takes] == [(), (), (shadow,), (shadow,), (shadow,), ()]
    assert [counters.take([(shadow, b"b")], 0.0)[::4] for _ in range(3)] == [(True, ()), (True, ()), (True, (shadow,))]
    assert counters.take([(shadow, b"b")], 0.0)[1] is None


def test_a_shadow_limit_becomes_one_that_refuses_with_a_window_of_its_own(new_counters: Callable[[], Counters]) -> None:
    counters, shadow, real = new_counters(), Limit("allowance", 2, 10, shadow=True), Limit("allowance", 2, 10)
    for _ in range(5):
        counters.take([(shadow, b"a")], 0.0)
    assert [counters.take([(real, b"a")], 1.0)[0] for _ in range(3)] == [True, True, False]


@pytest.mark.check("C058")
def test_of_a_thousand_at_once_for_the_last_one_exactly_one_is_admitted(new_counters: Callable[[], Counters]) -> None:
    counters, at_once, each = new_counters(), 20, 50
    limit = Limit("allowance", 101, 60)
    assert all(_takes(counters, [0.0] * 100, limit))
    wants, barrier = [(limit, b"a"), (Limit("emergency", 10_000, 60), b"")], Barrier(at_once)
    admitted: list[bool] = []

    def crowd() -> None:
        barrier.wait()
        admitted.extend(counters.take(wants, 1.0)[0] for _ in range(each))

    threads = [Thread(target=crowd) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == at_once * each
    assert sum(admitted) == 1
    assert counters.take([(wants[1])], 1.0)[2] == 10_000 - 2


def test_windows_that_have_ended_are_let_go_of() -> None:
    counters = MemoryCounters()
    for number in range(20_000):
        at = number / 100  # a hundred new callers a second, each with a window of 10 s
        counters.take([(LIMIT, b"%d" % number)], at)
        assert len(counters) <= 3 * 10 * 100
    for number in range(2):
        counters.take([(LIMIT, b"late")], 1_000.0 + 100 * number)
    assert len(counters) <= 2


def test_a_window_that_was_opened_before_the_turn_goes_on_after_it(new_counters: Callable[[], Counters]) -> None:
    counters = new_counters()
    assert _takes(counters, [0.0])
    assert [counters.take([(LIMIT, b"b")], 9.0)[0] for _ in range(3)] == [True] * 3
    assert _takes(counters, [10.0]), "the first window has ended; this one opens in the next generation"
    assert counters.take([(LIMIT, b"b")], 10.0) == (False, LIMIT, 0, 9.0, ())
    assert counters.take([(LIMIT, b"b")], 18.999)[0] is False
    assert counters.take([(LIMIT, b"b")], 19.0)[0] is True


@pytest.mark.parametrize("callers", [37, 39, 40, 41, 79, 81])
def test_in_a_dense_row_of_callers_each_window_lasts_to_its_end(
    new_counters: Callable[[], Counters], callers: int
) -> None:
    """Every quarter of a second a newcomer, and somebody who was there about when his window of 10 s began."""
    counters, oracle, limit = new_counters(), Oracle(), Limit("allowance", 1, 10)
    for number in range(1_000):
        for whose in (b"%d" % (number % callers), b"newcomer %d" % number):
            wants = [(limit, whose)]
            assert counters.take(wants, number / 4)[0] == oracle.take(wants, number / 4)[0]


@given(st.lists(st.tuples(st.sampled_from([3, 10]), whoses, st.floats(0, 8)), max_size=60))
def test_no_window_is_let_go_of_before_it_has_ended(steps: list[tuple[int, bytes, float]]) -> None:
    counters, oracle, at = MemoryCounters(), Oracle(), 0.0
    for length, whose, gap in steps:
        at += gap
        wants = [(Limit("allowance", 2, length), whose)]
        assert counters.take(wants, at)[0] == oracle.take(wants, at)[0]

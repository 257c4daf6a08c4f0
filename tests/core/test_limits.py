"""Limits: the window that every counter must agree with, how limits are written, and which of them apply."""

from __future__ import annotations

import dataclasses
import itertools
import math
from types import SimpleNamespace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from limen.core.limits import (
    MOST,
    Limit,
    Limits,
    Window,
    named,
    read_limit,
    read_limits,
    seconds_until,
    warnings,
    write_limits,
)
from limen.core.profile import Plan
from limen.core.routes import Operation
from limen.core.verdict import Ask

LIMIT = Limit("default", 3, 10)

limits = st.builds(Limit, st.just("default"), st.integers(0, 6), st.integers(1, 12))
starts = st.sampled_from([0.0, 0.1, 1e9 + 1 / 3]) | st.floats(0, 4e9)
gaps = st.lists(st.sampled_from([0.0, 0.0, 0.1, 1 / 3, 1.0, 3.0, 11.999, 12.0, 30.0]) | st.floats(0, 20), max_size=60)


@st.composite
def moments(draw: st.DrawFn) -> list[float]:
    """When requests come, on a clock that never goes back but may stand still."""
    return list(itertools.accumulate(draw(gaps), initial=draw(starts)))


def _admitted(limit: Limit, times: list[float]) -> list[float]:
    window = Window()
    return [at for at in times if window.take(limit, at)]


def _openings(admitted: list[float], window_s: float) -> list[float]:
    """By the definition: the first admitted request, and each first one that finds the window before it over."""
    found: list[float] = []
    for at in admitted:
        if not found or at >= found[-1] + window_s:
            found.append(at)
    return found


@pytest.mark.req("R41", "R115")
@given(limits, moments())
def test_a_window_never_admits_more_than_its_count(limit: Limit, times: list[float]) -> None:
    admitted = _admitted(limit, times)
    for opened in _openings(admitted, limit.window_s):
        assert sum(opened <= at < opened + limit.window_s for at in admitted) <= limit.count


@pytest.mark.req("R41", "R115")
@given(limits, moments())
def test_nobody_is_refused_while_fewer_than_the_count_were_admitted(limit: Limit, times: list[float]) -> None:
    admitted = _admitted(limit, times)
    openings = _openings(admitted, limit.window_s)
    for refused in set(times) - set(admitted):
        holding = [opened for opened in openings if opened <= refused < opened + limit.window_s]
        assert len(holding) == (limit.count > 0), "only an open window refuses"
        assert sum(holding[0] <= at <= refused for at in admitted) == limit.count if holding else limit.count == 0


@pytest.mark.req("R115")
@given(limits.filter(lambda limit: limit.count > 0), moments(), st.floats(0, 100))
def test_a_window_that_is_over_refills_completely_whatever_was_used(
    limit: Limit, times: list[float], late: float
) -> None:
    window = Window()
    for at in times:
        window.take(limit, at)
    again = window.ends_at + late
    assert window.remaining(limit, again) == limit.count
    assert [window.take(limit, again) for _ in range(limit.count + 2)] == [True] * limit.count + [False] * 2


def test_a_window_opens_at_the_first_admitted_request_and_not_on_a_grid() -> None:
    window = Window()
    assert [window.take(LIMIT, at) for at in (7.0, 9.0, 16.9, 16.9, 16.999)] == [True, True, True, False, False]
    assert window.ends_at == 17.0
    assert [window.take(LIMIT, at) for at in (25.0, 34.9, 34.9, 34.9)] == [True, True, True, False]
    assert window.ends_at == 35.0, "it opened with the request at 25, not when the one before it ended"


def test_a_refused_request_moves_nothing() -> None:
    window = Window()
    for _ in range(3):
        window.take(LIMIT, 0.0)
    before = dataclasses.replace(window)
    assert not any(window.take(LIMIT, at / 10) for at in range(100))
    assert window == before


@given(limits, starts, st.integers(0, 20))
def test_a_clock_that_stands_still_admits_exactly_the_count(limit: Limit, at: float, asked: int) -> None:
    assert len(_admitted(limit, [at] * asked)) == min(asked, limit.count)


@given(limits.filter(lambda limit: limit.count > 0), st.lists(st.floats(0, 100), max_size=30))
def test_a_clock_that_was_set_back_refills_nothing(limit: Limit, earlier: list[float]) -> None:
    window = Window()
    window.take(limit, 100.0)
    assert sum(window.take(limit, at) for at in earlier) <= limit.count - 1


@given(st.integers(1, 12), moments())
def test_a_count_of_nothing_never_admits(window_s: int, times: list[float]) -> None:
    nothing = Limit("default", 0, window_s)
    window = Window()
    assert [(window.take(nothing, at), window.remaining(nothing, at)) for at in times] == [(False, 0)] * len(times)


@given(limits, moments(), st.floats(0, 30))
def test_remaining_is_how_many_more_would_be_admitted_now(limit: Limit, times: list[float], later: float) -> None:
    window = Window()
    for at in times:
        window.take(limit, at)
    now = times[-1] + later
    said = window.remaining(limit, now)
    assert said == sum(window.take(limit, now) for _ in range(limit.count + 2))
    assert window.remaining(limit, now) == 0


@given(limits.filter(lambda limit: limit.count > 0), moments(), st.floats(0, 1, exclude_max=True))
def test_waiting_until_the_reset_is_enough_and_not_less(limit: Limit, times: list[float], part: float) -> None:
    window = Window()
    for at in times + times[-1:] * limit.count:
        window.take(limit, at)
    refused = times[-1] + part * (window.ends_at - times[-1])
    assume(refused < window.ends_at)
    for moment in (refused, math.nextafter(window.ends_at, -math.inf)):
        assert not dataclasses.replace(window).take(limit, moment)
    assert dataclasses.replace(window).take(limit, window.ends_at)
    told = seconds_until(window.ends_at, refused)
    waited = math.nextafter(refused + told, math.inf)  # the sum of two floats may be rounded down, by a femtosecond
    assert dataclasses.replace(window).take(limit, waited), "what Retry-After says is enough"


@given(limits.filter(lambda limit: limit.count > 0), moments())
def test_any_stretch_of_a_windows_length_admits_less_than_twice_the_count(limit: Limit, times: list[float]) -> None:
    """What a fixed window is known for: it touches two windows at most, and the opening of one of them at most."""
    admitted = _admitted(limit, times)
    for begins in admitted:
        assert sum(begins <= at < begins + limit.window_s for at in admitted) <= 2 * limit.count - 1


def test_the_worst_case_of_a_fixed_window_is_reached_so_the_bound_is_not_loose() -> None:
    admitted = _admitted(LIMIT, [0.0, 9.9, 9.9, 9.9, 10.0, 10.0, 10.0, 10.0])
    assert sum(9.9 <= at < 19.9 for at in admitted) == 2 * LIMIT.count - 1


def test_when_staff_change_the_count_what_was_used_stays_used() -> None:
    window = Window()
    assert [window.take(LIMIT, 0.0) for _ in range(2)] == [True, True]
    lower, higher = Limit("default", 1, 10), Limit("default", 5, 10)
    assert window.remaining(lower, 1.0) == 0
    assert not window.take(lower, 1.0)
    assert window.remaining(higher, 1.0) == 3
    assert [window.take(higher, 1.0) for _ in range(4)] == [True, True, True, False]
    assert [window.take(lower, 10.0) for _ in range(2)] == [True, False]
    assert [window.take(higher, 10.0) for _ in range(5)] == [True] * 4 + [False], "the next window began with one"


@given(st.floats(0, 4e9), st.floats(-1e6, 1e6))
@example(1.0, 0.0)
def test_seconds_are_rounded_up_to_whole_ones_and_at_least_one(now: float, away: float) -> None:
    moment = now + away
    told = seconds_until(moment, now)
    assert isinstance(told, int)
    assert told == 1 or told - 1 < moment - now <= told
    assert told >= max(1, moment - now)


@pytest.mark.parametrize(
    ("ahead", "told"), [(-5, 1), (0, 1), (0.001, 1), (1, 1), (1.001, 2), (59.5, 60), (60, 60), (60.25, 61)]
)
def test_seconds_until_by_example(ahead: float, told: int) -> None:
    assert seconds_until(1000 + ahead, 1000) == told


@pytest.mark.parametrize(
    ("text", "count", "window_s"),
    [
        ("100 per 60 s", 100, 60),
        ("100 per 60s", 100, 60),
        ("  100 per 60 s\n", 100, 60),
        ("1000 per 1 min", 1000, 60),
        ("5 per 2 h", 5, 7200),
        ("5000000 per 1 d", 5_000_000, 86_400),
        ("0 per 1 s", 0, 1),
        ("007 per 060 s", 7, 60),
        ("999999999999 per 11574 d", 999_999_999_999, 11_574 * 86_400),
    ],
)
def test_a_limit_is_read_as_it_is_written(text: str, count: int, window_s: int) -> None:
    limit = read_limit(text, "default")
    assert (limit.name, limit.count, limit.window_s) == ("default", count, window_s)


NO_LIMITS = """
|100|100 per|per 60 s|100 per s|100 per 60|100 per 60 m|100 per 60 sec|100 per 60 S|100 PER 60 s|100/60s|100 in 60 s
|-1 per 60 s|+1 per 60 s|1.5 per 60 s|1 per 1.5 s|1e3 per 60 s|1,000 per 60 s|1_000 per 60 s|0x10 per 60 s
|1 per 0 s|1 per 00 d|1 per -1 s|100  per 60 s|100 per  60 s|100 per 60  s|100per60s|100 per 60 s.|100 per 60 s x
|shadow|shadow 1|Shadow 1 per 1 s|shadow  1 per 1 s|1 per 1 s shadow
|1000000000000 per 60 s|1 per 1000000000 s|1 per 11575 d
|1 per 999999999 d|unlimited|none|∞ per 60 s|１００ per 60 s|100 per ٦٠ s
"""  # noqa: RUF001


@pytest.mark.parametrize(
    "text", [*NO_LIMITS.replace("\n", "").split("|"), "100\u00a0per\u00a060\u00a0s", "100\nper 60 s"]
)
def test_what_is_no_limit_is_refused_and_told_how_one_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="write it as '100 per 60 s'") as refusal:
        read_limit(text, "default")
    assert repr(text) in str(refusal.value)


shadowed = st.builds(Limit, st.just("default"), st.integers(0, 6), st.integers(1, 12), st.booleans())


def _facts(limit: Limit) -> tuple[object, ...]:
    return limit.name, limit.count, limit.window_s, limit.shadow, limit.windows


@given(shadowed)
def test_a_limit_as_it_is_shown_is_read_back(limit: Limit) -> None:
    assert _facts(read_limit(str(limit), limit.name)) == _facts(limit)


def test_a_shadow_limit_is_marked_and_has_windows_of_its_own() -> None:
    limit = read_limit("shadow 100 per 1 min", "allowance")
    assert (limit.shadow, str(limit), limit.windows) == (True, "shadow 100 per 60 s", "shadow allowance/60")
    assert read_limit("100 per 60 s", "allowance").windows == "allowance/60"


@given(st.lists(shadowed, min_size=1, max_size=MOST, unique_by=lambda limit: limit.windows))
def test_limits_as_they_are_shown_are_read_back_in_their_order(held: list[Limit]) -> None:
    again = read_limits(write_limits(tuple(held)), "default")
    assert [_facts(limit) for limit in again] == [_facts(limit) for limit in held]


def test_several_windows_are_written_with_commas() -> None:
    found = read_limits("100 per 60 s,5000 per 1 d , shadow 10 per 1 s", "allowance")
    assert write_limits(found) == "100 per 60 s, 5000 per 86400 s, shadow 10 per 1 s"
    assert write_limits(()) == ""


@pytest.mark.parametrize("text", ["", ",", "100 per 60 s,", "100 per 60 s, , 1 per 1 d", "100 per 60 s; 1 per 1 d"])
def test_what_is_no_list_of_limits_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it as '100 per 60 s'"):
        read_limits(text, "default")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("200 per 60 s, 100 per 1 min", "'200 per 60 s' and '100 per 60 s' have one length"),
        ("shadow 2 per 60 s, shadow 1 per 60 s", "have one length"),
        (", ".join(f"1 per {second} s" for second in range(1, MOST + 2)), f"at most {MOST} hold at once"),
    ],
)
def test_two_of_one_length_or_too_many_are_refused(text: str, said: str) -> None:
    """Two of one length would share a window, and every request would be counted in it twice."""
    with pytest.raises(ValueError, match=said):
        read_limits(text, "default")


def test_limits_get_another_name_and_stay_what_they_are() -> None:
    found = named(read_limits("100 per 60 s, shadow 5 per 1 d", "allowance"), "measure:1")
    assert [limit.windows for limit in found] == ["measure:1/60", "shadow measure:1/86400"]
    assert write_limits(found) == "100 per 60 s, shadow 5 per 86400 s"


# Limits that are odd: those that refuse everything, and those that can never be reached.


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("100 per 60 s", []),
        ("100 per 60 s, 5000 per 1 d", []),
        ("0 per 60 s", ["'0 per 60 s' refuses every request"]),
        ("shadow 0 per 60 s", []),
        ("0 per 60 s, 100 per 1 h", ["'0 per 60 s' refuses every request"]),
        ("1 per 60 s, 61 per 1 h", ["'61 per 3600 s' can never be reached: '1 per 60 s' admits at most 61"]),
        ("1 per 60 s, 60 per 1 h", []),
        ("10 per 7 s, 20 per 10 s", []),
        ("10 per 7 s, 30 per 10 s", ["'30 per 10 s' can never be reached"]),
        ("100 per 60 s, shadow 200 per 60 s", ["'shadow 200 per 60 s' can never be exceeded"]),
        ("100 per 60 s, shadow 199 per 60 s", []),
        ("shadow 100 per 60 s, 200 per 60 s", []),
        ("100 per 1 h, 50 per 60 s", []),
    ],
)
def test_odd_limits_are_told(text: str, said: list[str]) -> None:
    found = warnings(read_limits(text, "allowance"))
    assert len(found) == len(said)
    assert all(line.startswith(start) for line, start in zip(found, said, strict=True))


@given(
    st.integers(1, 4),
    st.integers(1, 6),
    st.integers(0, 8),
    st.integers(1, 15),
    st.lists(st.integers(0, 3), max_size=80),
    st.booleans(),
)
def test_what_is_told_to_be_out_of_reach_is_never_what_refuses(
    count: int, window_s: int, longer_s: int, larger: int, gaps: list[int], shadow: bool
) -> None:
    """The formula against the definition: as much is asked as the shorter limit lets through."""
    short = Limit("allowance", count, window_s)
    long = Limit("allowance", larger, window_s + longer_s, shadow or longer_s == 0)
    one, other, refused = Window(), Window(), False
    for at in itertools.accumulate(gaps):
        if one.remaining(short, at):
            free = other.remaining(long, at)
            refused = refused or not free
            if free or long.shadow:
                one.take(short, at)
                other.take(long, at)
    if warnings((short, long)):
        assert not refused


@pytest.mark.parametrize(("count", "window_s"), [(-1, 60), (1, 0), (1, -60), (-5, 0)])
def test_a_limit_of_less_than_nothing_or_in_no_time_is_refused(count: int, window_s: int) -> None:
    with pytest.raises(ValueError, match=f"not {count} per {window_s} s"):
        Limit("default", count, window_s)


# Which limits apply to a request, and in whose window each counts (C8).

PLAIN = Operation("list", "GET", "/things")
ASK = Ask(None, b"GET", b"/things", None, b"live", 0.0, 0.0)
DEFAULT, OF_PLAN, OF_OWNER, OF_KEY = ((Limit(name, 10, 60),) for name in ("default", "plan:pro", "owner", "key"))
CEILING, OF_OPERATION, EMERGENCY = ((Limit(name, 5, 60),) for name in ("class:public", "operation:send", "emergency"))


@pytest.mark.req("R113", "R123")
@pytest.mark.parametrize("key", [(), OF_KEY])
@pytest.mark.parametrize("owner", [(), OF_OWNER])
@pytest.mark.parametrize("plan", ["pro", "custom", "left the profile"])
def test_the_allowance_is_the_first_that_is_set_of_key_owner_plan_and_default(
    key: Limits, owner: Limits, plan: str, new: SimpleNamespace
) -> None:
    plans = {"pro": Plan("pro", "Pro", OF_PLAN), "custom": Plan("custom", "Custom", ())}
    rules = new.rules(new.profile(plans=plans, default_limits=DEFAULT))
    record = new.record(limits=key, owner=new.owner(limits=owner, plan=plan), window=b"whose")
    (expected,) = key or owner or (OF_PLAN if plan == "pro" else DEFAULT)
    assert rules.limits(record, PLAIN, ASK) == ((expected, b"whose"),)


def test_an_allowance_of_nothing_is_one_that_is_set(new: SimpleNamespace) -> None:
    nothing = Limit("owner", 0, 60)
    ((allowance, _),) = new.rules().limits(new.record(owner=new.owner(limits=(nothing,))), PLAIN, ASK)
    assert allowance is nothing


@pytest.mark.req("R114", "R123", "R124")
@pytest.mark.parametrize("ceiling", [(), CEILING])
@pytest.mark.parametrize("operation", [(), OF_OPERATION])
@pytest.mark.parametrize("emergency", [(), EMERGENCY])
def test_every_other_limit_applies_beside_the_allowance_each_in_its_own_window(
    ceiling: Limits, operation: Limits, emergency: Limits, new: SimpleNamespace
) -> None:
    """The class's ceiling and the operation's limit count per chain of replaced keys, the emergency's for all."""
    record = new.record(limits=OF_KEY, ceiling=ceiling, locator=b"this key", lineage=b"first key", window=b"owner")
    found = new.rules(emergency=emergency).limits(record, dataclasses.replace(PLAIN, limits=operation), ASK)
    every = [(OF_KEY, b"owner"), (ceiling, b"first key"), (operation, b"first key"), (emergency, b"")]
    assert list(found) == [(limit, whose) for limits, whose in every for limit in limits]

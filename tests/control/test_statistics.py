"""Statistics: what roll-ups say is what the readings say, of every key, owner and API, and of every time."""

from __future__ import annotations

import csv
import importlib.util
import io
import itertools
import json
import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from limen.control import apis, keys, owners, recording, statistics
from limen.control.statistics import Asked
from limen.core.problems import ProblemError
from limen.core.rollup import DAY_S, HOUR_S
from limen.core.usage import Decided, Outcome
from limen.profiles import load
from limen.server import bring_up_to_date
from tests.gate.scene import changed

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.control.keys import Issued
    from tests.control.desk import Desk

NOON = 1_798_545_600.0
"""Noon of a day, UTC."""

_numbers = itertools.count(1)


def told(desk: Desk, issued: Issued, at: float, code: str = "ok", *, status: int | None = None, **more: Any) -> None:
    """A decision on the key, in the readings."""
    number = next(_numbers)
    usual = {"method": "GET", "operation": "getMe", "version": "2025-06-26", "path": "/users/me", "address": ""}
    took_us = more.pop("took_us", None)
    entries: list[Any] = [Decided(number, at, issued.key.key.encode(), code, **usual | more)]
    if status is not None:
        entries.append(Outcome(7, number, status, at, took_us))
    desk.act(recording.record, "a-segment", number, api=issued.key.api, incarnation=7, entries=entries)


@pytest.fixture
def issued(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> Issued:
    """A key of ``creator``; the desk stands at noon."""
    desk.now = max(desk.now, NOON)
    return new_key("creator", owner)


@pytest.mark.req("R260", "R261", "R262", "R263", "R264")
def test_refusals_are_no_errors_and_rates_are_over_what_is_known(desk: Desk, issued: Issued) -> None:
    now = desk.now
    for number in range(6):
        told(desk, issued, now - 100 - number, status=200, took_us=1_000, address=f"192.0.2.{number % 2}")
    told(desk, issued, now - 90, status=404, took_us=50_000)
    told(desk, issued, now - 80, status=503)
    told(desk, issued, now - 70)
    for _ in range(3):
        told(desk, issued, now - 60, "limit_exceeded", status=429)  # the proxy's log has these too
    told(desk, issued, now - DAY_S - 100, status=200)
    found = desk.ask(statistics.totals, Asked(key=issued.key.key))
    assert (found.calls, found.admitted, found.refused) == (12, 9, 3)
    assert (found.answered, found.succeeded, found.client_errors, found.server_errors) == (8, 6, 1, 1)
    assert (found.known_percent, found.success_percent, found.error_percent) == (88.89, 75.0, 25.0)
    assert (found.before.calls, found.change_percent, found.addresses) == (1, 1100.0, 2)
    assert found.last_used_at == now - 60
    assert found.latency.answers == 7
    assert found.latency.p50_ms == pytest.approx(1.0, rel=0.1)
    assert found.latency.p99_ms == pytest.approx(50.0, rel=0.1)


def test_without_calls_there_are_no_rates(desk: Desk, issued: Issued) -> None:
    found = desk.ask(statistics.totals, Asked(key=issued.key.key))
    assert (found.calls, found.success_percent, found.known_percent, found.latency) == (0, None, None, None)
    assert (found.last_used_at, found.change_percent) == (None, None)


@pytest.fixture
def crowd(desk: Desk, issued: Issued, new_key: Callable[..., Issued]) -> list[Any]:
    """Decisions of 120 days on three keys of two owners, drawn; what each was."""
    other = desk.act(owners.create, owners.NewOwner("user", "Other")).owner
    desk.act(owners.allow, other, "creator")
    held = [issued, new_key("creator", other), new_key("creator", other)]
    rng, made = random.Random(4), []
    entries: list[Any] = []
    for number in range(900):
        key = rng.choice(held)
        ago = rng.choice((rng.random() * HOUR_S, rng.random() * 2 * DAY_S, rng.random() * 120 * DAY_S))
        code = rng.choice(("ok", "ok", "ok", "scope_missing", "limit_exceeded"))
        status = rng.choice((None, 200, 204, 404, 500)) if code == "ok" else None
        operation, version = rng.choice(("getMe", "listChats", "")), rng.choice(("2025-06-26", ""))
        at = desk.now - ago
        place = key.key.key.encode()
        entries.append(Decided(number + 1, at, place, code, "GET", operation, version, "/x", "192.0.2.1"))
        if status is not None:
            entries.append(Outcome(9, number + 1, status, at))
        made.append((key.key, at, operation, version, code, status))
    desk.act(recording.record, "crowd", 1, api="creator", incarnation=9, entries=entries)
    return made


def _counts(made: list[Any]) -> tuple[int, int, int, int]:
    admitted = [each for each in made if each[4] == "ok"]
    answered = [each for each in admitted if each[5] is not None]
    return len(made), len(admitted), len(answered), sum(each[5] >= 400 for each in answered)


def _shown(found: Any) -> tuple[int, int, int, int]:
    return found.calls, found.admitted, found.answered, found.client_errors + found.server_errors


@pytest.mark.req("R260", "R261", "R262")
def test_whatever_is_asked_is_what_the_readings_come_to(desk: Desk, crowd: list[Any]) -> None:
    key, owner = crowd[0][0].key, crowd[0][0].owner
    whom: list[tuple[Any, Callable[[Any], bool]]] = [
        ({}, lambda each: True),
        ({"api": "creator", "operation": "getMe"}, lambda each: each[2] == "getMe"),
        ({"key": key}, lambda each: each[0].key == key),
        ({"owner": owner}, lambda each: each[0].owner == owner),
        ({"owner": owner, "version": "2025-06-26"}, lambda each: each[0].owner == owner and each[3] != ""),
        ({"code": "limit_exceeded"}, lambda each: each[4] == "limit_exceeded"),
    ]
    for days, (asked, which) in itertools.product((0.01, 0.3, 1.9, 30, 100), whom):
        wanted = Asked(since=desk.now - days * DAY_S, **asked)
        found = desk.ask(statistics.totals, wanted)
        assert found.since_at <= desk.now - days * DAY_S
        assert found.until_at >= desk.now
        within = [each for each in crowd if which(each) and found.since_at <= each[1] < found.until_at]
        assert _shown(found) == _counts(within)
        length = found.until_at - found.since_at
        earlier = [each for each in crowd if which(each) and found.since_at - length <= each[1] < found.since_at]
        if found.before is not None:
            assert _shown(found.before) == _counts(earlier)
        for of, place in (("operation", 2), ("version", 3), ("code", 4)):
            parts = desk.ask(statistics.by, wanted, of)
            assert {part.value: part.calls for part in parts} == Counter(each[place] for each in within)
        parts = desk.ask(statistics.by, wanted, "key")
        assert {part.value: part.calls for part in parts} == Counter(each[0].key for each in within)
        statuses = {part.value: part.calls for part in desk.ask(statistics.by, wanted, "status")}
        classes = (f"{each[5] // 100}xx" if each[5] else "unknown" for each in within if each[4] == "ok")
        assert statuses == Counter(classes)


def test_a_series_has_every_span_and_is_what_the_readings_come_to(desk: Desk, crowd: list[Any]) -> None:
    for grain, days in (("minute", 1), ("hour", 20), ("day", 110), ("month", 110)):
        found = desk.ask(statistics.series, Asked(since=desk.now - days * DAY_S), grain)
        begins = [point.at for point in found]
        assert begins == sorted(set(begins))
        assert begins[0] <= desk.now - days * DAY_S < begins[1]
        for point, until in zip(found, [*begins[1:], desk.now + 1], strict=True):
            assert _shown(point) == _counts([each for each in crowd if point.at <= each[1] < until])
        step = {"minute": 60, "hour": HOUR_S, "day": DAY_S}.get(grain)
        assert step is None or {later - each for each, later in itertools.pairwise(begins)} == {step}
        assert all(point.at % DAY_S == 0 for point in found) or grain != "month"


def test_a_series_without_a_granularity_has_one_that_suits(desk: Desk, issued: Issued) -> None:
    for days, points in ((0.1, 145), (1, 25), (30, 31), (4000, 132)):
        found = desk.ask(statistics.series, Asked(key=issued.key.key, since=desk.now - days * DAY_S))
        assert len(found) == pytest.approx(points, abs=3), days


def test_what_is_too_much_or_gone_is_refused(desk: Desk, issued: Issued) -> None:
    key, now = issued.key.key, desk.now
    said = desk.refused("request_malformed", statistics.series, Asked(key=key, since=now - 3 * DAY_S), "minute")
    assert "at most 1500" in said
    said = desk.refused(
        "usage_gone", statistics.series, Asked(key=key, since=now - 9 * DAY_S, until=now - 8.9 * DAY_S), "minute"
    )
    assert "kept since" in said
    for wrong in (Asked(key=key, since=now + 5), Asked(key=key, since=now - 5, until=now - 9)):
        desk.refused("request_malformed", statistics.totals, wrong)
    desk.refused("request_malformed", statistics.by, Asked(), "colour")
    desk.refused("request_malformed", statistics.series, Asked(), "year")
    desk.refused("key_unknown", statistics.totals, Asked(key="nobodyhasit0"))
    desk.refused("key_unknown", statistics.totals, Asked(key=key, owner="someone-else"))
    desk.refused("owner_unknown", statistics.totals, Asked(owner="nobody"))
    desk.refused("api_unknown", statistics.totals, Asked(api="nothing"))


def test_where_the_minutes_are_gone_it_is_told_by_the_hour(desk: Desk, issued: Issued) -> None:
    at = desk.now - 20 * DAY_S
    told(desk, issued, at)
    found = desk.ask(statistics.totals, Asked(key=issued.key.key, since=at - 600, until=at + 600))
    assert found.calls == 1
    assert found.since_at % HOUR_S == found.until_at % HOUR_S == 0
    assert (found.addresses, desk.ask(statistics.totals, Asked(since=at - 600)).last_used_at) == (0, at // 60 * 60)
    kept = changed(usage={"readings": "1 d", "minutes": "1 d", "hours": "1 d", "days": "10 d"})
    desk.act(apis.apply_profile, "creator", kept)
    desk.refused("usage_gone", statistics.totals, Asked(key=issued.key.key, since=at - 600, until=at + 600))
    assert desk.ask(statistics.totals, Asked(key=issued.key.key, since=desk.now - 5 * DAY_S)).addresses is None
    while desk.act(recording.purge):
        pass
    told(desk, issued, desk.now - 5 * DAY_S)
    while desk.act(recording.purge):
        pass
    gone = desk.ask(statistics.totals, Asked(since=desk.now - 5 * DAY_S))
    assert (gone.calls, gone.last_used_at) == (1, (desk.now - 5 * DAY_S) // DAY_S * DAY_S)


@pytest.mark.req("R261", "R262")
def test_the_top_is_by_calls_refusals_or_errors_beside_the_time_before(desk: Desk, crowd: list[Any]) -> None:
    week = Asked(since=desk.now - 7 * DAY_S)
    calls = desk.ask(statistics.by, week, "owner", limit=1)
    assert len(calls) == 1
    refused = desk.ask(statistics.by, week, "key", order="refused")
    assert [part.refused for part in refused] == sorted((part.refused for part in refused), reverse=True)
    errors = desk.ask(statistics.by, week, "key", order="errors")
    made = [part.client_errors + part.server_errors for part in errors]
    assert made == sorted(made, reverse=True)
    at = desk.ask(statistics.totals, week)
    length = at.until_at - at.since_at
    earlier = Counter(each[0].key for each in crowd if at.since_at - length <= each[1] < at.since_at)
    minutes_gone = [each for each in errors if each.before not in (None, earlier[each.value])]
    assert minutes_gone == []


def test_limens_own_api_counts_where_it_is_named(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    bring_up_to_date(desk.app)
    own = new_key("limen", owner, key_class="staff", scopes=("admin",))
    told(desk, own, desk.now - 1)
    assert desk.ask(statistics.totals, Asked()).calls == 0
    assert desk.ask(statistics.totals, Asked(owner=owner)).calls == 0
    assert desk.ask(statistics.totals, Asked(api="limen")).calls == 1
    assert desk.ask(statistics.totals, Asked(key=own.key.key)).calls == 1


# -- what a key holds, and what of its limits is used ----------------------------------------------------------------


@pytest.mark.req("R234")
def test_scopes_that_were_not_needed_are_told(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    desk.now = max(desk.now, NOON)
    issued = new_key("creator", owner, scopes=("read:self", "read:chat", "write:chat"))
    operations = {frozenset(each.scopes): each.name for each in load("creator").operations}
    needs_chat = operations[frozenset({"read:chat"})]
    told(desk, issued, desk.now - 50, operation=needs_chat)
    told(desk, issued, desk.now - 40, "scope_missing", operation=operations[frozenset({"read:self"})])
    told(desk, issued, desk.now - 3 * DAY_S, operation=operations[frozenset({"read:self"})])
    found = {each.scope: each for each in desk.ask(statistics.scopes, Asked(key=issued.key.key))}
    assert {scope for scope, each in found.items() if each.used} == {"read:chat"}
    assert (found["read:chat"].operations, found["read:chat"].calls) == ((needs_chat,), 1)
    assert desk.now - 2 * HOUR_S < found["read:chat"].last_at <= desk.now - 50
    assert found["write:chat"].last_at is None
    week = Asked(key=issued.key.key, since=desk.now - 7 * DAY_S)
    assert {each.scope for each in desk.ask(statistics.scopes, week) if each.used} == {"read:self", "read:chat"}
    desk.refused("request_malformed", statistics.scopes, Asked(owner=owner))


@pytest.mark.req("R275")
def test_what_is_left_of_a_limit_is_at_least_what_is_said(desk: Desk, issued: Issued) -> None:
    desk.act(apis.switch, "creator", "emergency", load("creator").default_limits)
    key = Asked(key=issued.key.key)
    for ago in (1, 2, 30, 61, 300):
        told(desk, issued, desk.now - ago)
    told(desk, issued, desk.now - 3, "scope_missing")
    first, *others = desk.ask(statistics.window, key)
    assert (first.limit, first.source) == ("100 per 60 s", "the API's default")
    assert (first.used_at_most, first.left_at_least, first.estimate) == (3, 97, True)
    assert [(each.source, each.count) for each in others] == [("emergency", 100)]
    assert others[0].used_at_most >= 3
    again = desk.act(keys.regenerate, issued.key.key, overlap_s=0)
    assert desk.ask(statistics.window, Asked(key=again.key.key))[0].used_at_most == 3  # one window, one chain


def test_a_long_window_is_counted_by_roll_ups(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    desk.now = max(desk.now, NOON)
    profile = changed(limits__default="5 per 60 s, 20 per 30 d", limits__per="owner")
    desk.act(apis.apply_profile, "creator", profile)
    one = new_key("creator", owner)
    for ago in (10, 2 * DAY_S, 29 * DAY_S, 40 * DAY_S):
        told(desk, one, desk.now - ago)
    short, long = desk.ask(statistics.window, Asked(key=one.key.key))
    assert (short.used_at_most, long.used_at_most, long.left_at_least) == (1, 3, 17)


@pytest.mark.req("R275")
@pytest.mark.parametrize("per", ["key", "owner"])
def test_of_many_keys_at_once_each_has_its_own_windows(
    desk: Desk, owner: str, new_key: Callable[..., Issued], per: str
) -> None:
    desk.now = max(desk.now, NOON)
    limits = {"limits__default": "5 per 60 s, 20 per 1 h, 90 per 30 d", "limits__per": per}
    profile = changed(**limits, operations__1__limit="7 per 60 s")
    desk.act(apis.apply_profile, "creator", profile)
    other = desk.act(owners.create, owners.NewOwner("user", "Other")).owner
    desk.act(owners.allow, other, "creator")
    issued = [new_key("creator", owner)]
    desk.act(keys.revoke, issued[0].key.key)
    issued += [new_key("creator", each) for each in (owner, other)]
    called = [(0, 10), (1, 10), (1, 61), (1, 3_000), (2, 61), (2, 2 * DAY_S), (3, 5), (3, 90)]
    issued.append(desk.act(keys.regenerate, issued[1].key.key, overlap_s=0))
    for number, ago in called:
        told(desk, issued[number], desk.now - ago, operation=profile.operations[1].name if ago == 5 else "getMe")
    places = dict(desk.rows("select key, locator from keys"))
    at_once = desk.ask(statistics.windows, "creator", [places[each.key.key] for each in issued])
    of_owner, of_chain = {0: "013", 1: "013", 2: "2", 3: "013"}, {0: "0", 1: "13", 2: "2", 3: "13"}
    for number, each in enumerate(issued):
        together = (of_owner if per == "owner" else of_chain)[number]
        used = [sum(str(n) in together and ago < length for n, ago in called) for length in (60, 3_600, 30 * DAY_S)]
        found = at_once[places[each.key.key]]
        assert [use.used_at_most for use in found if not use.operation] == used
        assert [use.used_at_most for use in found if use.operation] == [1] * ("3" in of_chain[number])
        assert found == desk.ask(statistics.window, Asked(key=each.key.key))


# -- export ----------------------------------------------------------------------------------------------------------


def _exported(desk: Desk, form: str, asked: Asked | None = None, grain: str = "hour") -> bytes:
    return b"".join(statistics.export(desk.ask, asked or Asked(), granularity=grain, form=form))


@pytest.mark.check("C121")
def test_what_is_exported_adds_up_and_is_no_formula(
    desk: Desk, crowd: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics.rows, "_STRETCH", 7)
    wanted = Asked(since=desk.now - 50 * DAY_S)
    rows = list(csv.DictReader(io.StringIO(_exported(desk, "csv", wanted).decode())))
    lines = [json.loads(line) for line in _exported(desk, "jsonl", wanted).splitlines()]
    assert [{name: str(value) for name, value in line.items()} for line in lines] == rows
    total = desk.ask(statistics.totals, wanted)
    assert sum(line["calls"] for line in lines) == total.calls
    assert sum(line["answered_5xx"] for line in lines if line["code"] == "ok") == total.server_errors
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    key = crowd[0][0].key
    one = [json.loads(line) for line in _exported(desk, "jsonl", replace(wanted, key=key, code="ok")).splitlines()]
    assert one == [line for line in lines if line["key"] == key and line["code"] == "ok"]
    assert [statistics.rows.unsteered(text) for text in ("=1+1", "@x", "\tx", "plain", "a=b")] == [
        "'=1+1",
        "'@x",
        "'\tx",
        "plain",
        "a=b",
    ]


def test_an_export_of_what_is_gone_or_cannot_be_is_refused(desk: Desk, issued: Issued) -> None:
    for code, words in (
        ("usage_gone", {"asked": Asked(since=desk.now - 30 * DAY_S), "grain": "minute"}),
        ("request_malformed", {"grain": "month"}),
        ("key_unknown", {"asked": Asked(key="nobodyhasit0")}),
    ):
        with pytest.raises(ProblemError) as caught:
            _exported(desk, "csv", **words)
        assert caught.value.problem.code == code
    with pytest.raises(ProblemError, match="Request malformed"):
        _exported(desk, "xlsx")


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_without_pyarrow_is_refused(desk: Desk, issued: Issued) -> None:
    with pytest.raises(ProblemError, match=r"limen\[parquet\]"):
        _exported(desk, "parquet")


def test_parquet_says_the_same(desk: Desk, crowd: list[Any]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(io.BytesIO(_exported(desk, "parquet")))
    lines = [json.loads(line) for line in _exported(desk, "jsonl").splitlines()]
    assert [row["calls"] for row in table.to_pylist()] == [line["calls"] for line in lines]
    assert {row["at"].isoformat() for row in table.to_pylist()} == {line["at"][:19] + "+00:00" for line in lines}

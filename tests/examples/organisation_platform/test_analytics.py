"""POST /analytics/query against the same worked out by hand, in both databases."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.organisation_platform.analytics.spans import Span
from tests.examples.organisation_platform.conftest import UNTIL, Ask, AsKey

COLUMNS = {"amount": "amount", "quantity": "quantity", "waitSeconds": "wait_seconds"}
GROUPS = {"experienceId": "experience_id", "country": "country", "device": "device"}
SPAN = {"start": "2025-09-03T10:30:00Z", "end": "2025-11-06T00:00:00Z"}
START, END = datetime(2025, 9, 3, 10, 30, tzinfo=UTC), UNTIL
MEASURES = [
    ("order.completed", "count", None),
    ("order.completed", "sum", "amount"),
    ("order.completed", "avg", "amount"),
    ("order.created", "min", "quantity"),
    ("auction.bid.placed", "max", "amount"),
    ("queue.consumer.admitted", "avg", "waitSeconds"),
    ("queue.consumer.left", "sum", "amount"),
    ("queue.consumer.left", "max", "amount"),
]


def ask(client: Any, *measures: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = client.post("/analytics/query", json={"measures": list(measures), "timeRange": SPAN} | more)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def asked_for(measure: tuple[str, str, str | None]) -> dict[str, Any]:
    event, op, field = measure
    return {"name": "it", "event": event, "op": op} | ({"field": field} if field else {})


def by_hand(op: str, values: Iterable[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    if op == "count":
        return len(known)
    if op == "sum":
        return sum(known)
    if not known:
        return None
    return round(math.fsum(known) / len(known), 4) if op == "avg" else {"min": min, "max": max}[op](known)


def beginning(moment: datetime, granularity: str) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    monday = day - timedelta(days=day.weekday())
    return {"hour": hour, "day": day, "week": monday, "month": day.replace(day=1)}[granularity]


def rows(seen: Ask, event: str, column: str, *more: str) -> list[tuple[Any, ...]]:
    ms = [int(moment.timestamp() * 1000) for moment in (START, END)]
    asked = f"SELECT {', '.join((column, 'at', *more))} FROM events WHERE organisation = 1 AND name = ?"
    return seen(f"{asked} AND at >= ? AND at < ?", event, *ms)


@pytest.mark.req("R230")
@pytest.mark.parametrize("granularity", ["hour", "day", "week", "month"])
def test_measures_and_their_series(reader: AsKey, seen: Ask, granularity: str) -> None:
    result = ask(reader(), *map(asked_for, MEASURES), granularity=granularity)
    for (event, op, field), measure in zip(MEASURES, result["measures"], strict=True):
        found = rows(seen, event, COLUMNS[field] if field else "number")
        assert measure["value"] == pytest.approx(by_hand(op, (value for value, _ in found)))
        parts: dict[str, list[int]] = defaultdict(list)
        for value, ms in found:
            begin = beginning(datetime.fromtimestamp(ms / 1000, UTC), granularity)
            parts[begin.strftime("%Y-%m-%dT%H:%M:%S.000Z")].append(value)
        series = {point["timestamp"]: point["value"] for point in measure["series"]}
        assert set(parts) <= set(series)
        assert series == {begin: pytest.approx(by_hand(op, parts.get(begin, []))) for begin in series}
        assert list(series) == sorted(series)
        assert len(series) == {"hour": 24 * 63 + 14, "day": 64, "week": 10, "month": 3}[granularity]


@pytest.mark.parametrize("dimension", GROUPS)
def test_groups_are_the_largest_first(reader: AsKey, seen: Ask, dimension: str) -> None:
    result = ask(reader(), *map(asked_for, MEASURES), groupBy=dimension)
    for (event, op, field), measure in zip(MEASURES, result["measures"], strict=True):
        parts: dict[str, list[int | None]] = defaultdict(list)
        for value, _, key in rows(seen, event, COLUMNS[field] if field else "number", GROUPS[dimension]):
            parts[key].append(value)
        worked_out = [(by_hand(op, values), key) for key, values in parts.items()]
        expected = sorted(worked_out, key=lambda pair: (-(pair[0] or 0), pair[1]))[:20]
        groups = measure["groups"]
        assert [group["key"] for group in groups] == [key for _, key in expected]
        assert [group["value"] for group in groups] == pytest.approx([value for value, _ in expected])


def test_filters_of_the_query_and_of_the_measure_narrow_together(reader: AsKey, seen: Ask) -> None:
    found = rows(seen, "order.created", "amount", "country", "device")
    measure = {"name": "it", "event": "order.created", "op": "sum", "field": "amount", "unit": "currency"}
    result = ask(
        reader(), measure | {"filters": {"device": ["phone"]}}, measure, filters={"country": ["AT", "DE", "nowhere"]}
    )
    both = [value for value, _, country, device in found if country in ("AT", "DE") and device == "phone"]
    one = [value for value, _, country, _ in found if country in ("AT", "DE")]
    assert [(each["value"], each["unit"]) for each in result["measures"]] == [
        (sum(both), "currency"),
        (sum(one), "currency"),
    ]
    assert result["currencyCode"] == "EUR"
    assert result["timeRange"] == {"start": "2025-09-03T10:30:00.000Z", "end": "2025-11-06T00:00:00.000Z"}
    assert set(result["measures"][0]) == {"name", "value", "unit"}


@pytest.mark.parametrize("days", [7, 30, 90])
def test_so_many_days_end_now(reader: AsKey, days: int) -> None:
    measure = {"name": "it", "event": "order.created", "op": "count"}
    result = ask(reader(), measure, timeRange=f"{days}d")
    start, end = (datetime.fromisoformat(result["timeRange"][name]) for name in ("start", "end"))
    assert end - start == timedelta(days=days)
    assert abs(datetime.now(UTC) - end) < timedelta(minutes=1)


def test_each_environment_and_organisation_counts_its_own(reader: AsKey, seen: Ask) -> None:
    measure = {"name": "it", "event": "queue.consumer.entered", "op": "count"}
    for owner, environment, number in seen("SELECT id, environment, number FROM organisations"):
        asked = "SELECT count(*) FROM events WHERE organisation = ? AND name = ? AND at >= ? AND at < ?"
        ms = [int(moment.timestamp() * 1000) for moment in (START, END)]
        expected = seen(asked, number, measure["event"], *ms)
        assert [(ask(reader(owner, environment), measure)["measures"][0]["value"],)] == expected


COUNT = {"name": "n", "event": "order.created", "op": "count"}
WRONG = [
    {"measures": []},
    {"measures": [COUNT] * 11},
    {"measures": [COUNT | {"op": "median"}]},
    {"measures": [COUNT | {"op": "sum"}]},
    {"measures": [COUNT | {"event": "order.deleted"}]},
    {"measures": [COUNT | {"field": "id"}]},
    {"measures": [COUNT | {"unit": "euro"}]},
    {"measures": [COUNT | {"name": ""}]},
    *({"timeRange": bad} for bad in ("8d", "", None, 7, {}, {"start": SPAN["start"]}, "all")),
    {"timeRange": {"start": SPAN["end"], "end": SPAN["start"]}},
    {"timeRange": {"start": SPAN["start"], "end": SPAN["start"]}},
    {"timeRange": {"start": "2025-01-01T00:00:00Z", "end": "2025-04-01T00:00:01Z"}},
    *({"granularity": bad} for bad in ("minute", "year", 1)),
    *({"groupBy": bad} for bad in ("amount", "organisation", "", ["country"])),
    *({"filters": bad} for bad in ({"amount": ["1"]}, {"country": []}, {"country": "AT"}, {"country": [None]}, [])),
    {"limit": 5},
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: str(wrong)[:70])
def test_a_question_that_makes_no_sense_is_refused(reader: AsKey, wrong: dict[str, Any]) -> None:
    answer = reader().post("/analytics/query", json={"measures": [COUNT], "timeRange": "7d"} | wrong)
    assert (answer.status_code, answer.json()["error"]) == (400, "validation_error"), answer.text
    assert answer.json()["details"][0]["field"]


MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(MOMENTS, st.timedeltas(timedelta(milliseconds=1), timedelta(days=90)), st.sampled_from(["day", "week", "month"]))
def test_the_parts_of_a_span_cover_it_without_gaps(start: datetime, length: timedelta, granularity: Any) -> None:
    begins = list(Span(start, start + length).parts(granularity))
    assert begins[0] <= start
    assert begins[-1] < start + length
    assert begins == [beginning(each, granularity) for each in begins]
    assert beginning(start + length - timedelta(microseconds=1), granularity) == begins[-1]
    ends = [beginning(later - timedelta(microseconds=1), granularity) for later in begins[1:]]
    assert ends == begins[:-1]

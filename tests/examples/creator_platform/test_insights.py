"""Insights: what is listed and summed up is what was paid, in the range that was asked for."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient

AsUser = Callable[..., TestClient]
Ask = Callable[..., list[tuple[Any, ...]]]

SINCE, UNTIL = datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 6, 1, 12, 30, tzinfo=UTC)
DAY_MS = 86_400_000


def ms(moment: datetime) -> int:
    """A moment as the database keeps it."""
    return round(moment.timestamp() * 1000)


def iso(milliseconds: int) -> str:
    """What the API shows of it."""
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def walked(client: TestClient, path: str, **query: str) -> list[dict[str, Any]]:
    """The whole list, part by part."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    for _ in range(1_000):
        answer = client.get(path, params={"size": "7", **query, **cursor})
        assert answer.status_code == 200, answer.text
        found += answer.json()["data"]
        if answer.json()["nextCursor"] is None:
            return found
        assert len(answer.json()["data"]) == 7
        cursor = {"cursor": answer.json()["nextCursor"]}
    raise AssertionError("the list does not end")


@pytest.fixture(scope="session")
def earner(seen: Ask) -> str:
    """The creator who was paid for the most different things."""
    by_variety = "SELECT creator_uuid FROM earnings GROUP BY 1 ORDER BY count(DISTINCT source) DESC, count(*) DESC, 1"
    return str(seen(by_variety)[0][0])


@pytest.mark.req("R91", "R98")
def test_earnings_are_every_transaction_once_the_latest_first(reader: AsUser, seen: Ask, earner: str) -> None:
    expected = seen(
        "SELECT at, gross, net, source, currency, message_uuid, post_uuid, fan_uuid FROM earnings"
        " WHERE creator_uuid = ? ORDER BY at DESC, id DESC",
        earner,
    )
    assert len(expected) > 50
    listed = walked(reader(earner), "/insights/earnings")
    plain = ("gross", "net", "source", "currency", "messageUuid", "postUuid")
    assert [(row["date"], *(row[name] for name in plain), row["user"] and row["user"]["uuid"]) for row in listed] == [
        (iso(at), *rest) for at, *rest in expected
    ]
    assert any(row["user"] is None for row in listed)
    for row in listed:
        assert set(row) == {*plain, "date", "user"}
        assert row["user"] is None or set(row["user"]) == {"uuid", "handle", "displayName", "nickname", "isTopSpender"}


@pytest.mark.req("R91", "R98")
def test_a_range_has_its_start_and_not_its_end(writer: AsUser, written: Ask, earner: str) -> None:
    written("DELETE FROM earnings WHERE creator_uuid = ?", earner)
    for number, at in enumerate((ms(SINCE) - 1, ms(SINCE), ms(UNTIL) - 1, ms(UNTIL)), start=1):
        written(
            "INSERT INTO earnings (id, creator_uuid, at, source, gross, net) VALUES (?, ?, ?, 'tip', ?, 0)",
            *(1_000_000 + number, earner, at, number),
        )
    for zone in (UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-3))):
        query = {"startDate": SINCE.astimezone(zone).isoformat(), "endDate": UNTIL.astimezone(zone).isoformat()}
        assert [row["gross"] for row in walked(writer(earner), "/insights/earnings", **query)] == [3, 2]
    assert [row["gross"] for row in walked(writer(earner), "/insights/earnings", startDate="2025-03-01T00:00:00")] == [
        *(4, 3, 2),
    ]
    assert [row["gross"] for row in walked(writer(earner), "/insights/earnings", endDate="2025-03-01T00:00Z")] == [1]


@pytest.mark.req("R91", "R98")
@pytest.mark.parametrize("source", ["tip", "subscription,renewal", "affiliate,referral,giveaway", "all", "tip,all"])
def test_earnings_are_narrowed_to_sources(reader: AsUser, seen: Ask, earner: str, source: str) -> None:
    wanted = {source for (source,) in seen("SELECT DISTINCT source FROM earnings")}
    if "all" not in source:
        wanted &= set(source.split(","))
    expected = seen("SELECT source FROM earnings WHERE creator_uuid = ? ORDER BY at DESC, id DESC", earner)
    listed = [row["source"] for row in walked(reader(earner), "/insights/earnings", source=source)]
    assert listed == [source for (source,) in expected if source in wanted] != []


@pytest.mark.req("R98")
def test_transactions_of_one_moment_are_neither_repeated_nor_skipped(writer: AsUser, written: Ask, earner: str) -> None:
    written("UPDATE earnings SET at = 1750000000000 WHERE creator_uuid = ?", earner)
    rows = written("SELECT gross FROM earnings WHERE creator_uuid = ? ORDER BY id DESC", earner)
    assert [(row["gross"],) for row in walked(writer(earner), "/insights/earnings")] == rows


@pytest.mark.req("R98", "R125")
def test_a_cursor_shows_no_more_than_the_callers_own(reader: AsUser, seen: Ask, earner: str) -> None:
    cursor = reader(earner).get("/insights/earnings").json()["nextCursor"]
    ((fan,),) = seen("SELECT uuid FROM users WHERE uuid NOT IN (SELECT user_uuid FROM creators) ORDER BY 1 LIMIT 1")
    assert reader(fan).get("/insights/earnings", params={"cursor": cursor}).json() == {"data": [], "nextCursor": None}


WRONG = [
    *(
        ("/insights/earnings", {"startDate": bad})
        for bad in ("yesterday", "2025", "2025-13-01T00:00:00Z", "1750000000")
    ),
    ("/insights/earnings", {"startDate": "2025-01-01T00:00:00 01:00"}),  # a + that was not escaped
    ("/insights/earnings", {"startDate": "0001-01-01T00:00:00+14:00"}),
    ("/insights/earnings", {"startDate": "9999-12-31T23:59:59-14:00"}),
    ("/insights/earnings", {"startDate": "2025-01-01T00:00:00Z", "endDate": "2025-01-01T00:00:00Z"}),
    ("/insights/earnings", {"startDate": "2025-01-02T00:00:00Z", "endDate": "2025-01-01T00:00:00Z"}),
    *(("/insights/earnings", {"cursor": bad}) for bad in ("", "x", "é", "MTc2", "LTEuMQ", "MTc2MC4xCg", "9" * 101)),
    *(("/insights/earnings", {"source": bad}) for bad in ("", "gold", "tip,", "tip;post", "TIP")),
    *(("/insights/earnings", {"size": bad}) for bad in ("0", "51", "many")),
    ("/insights/earnings", {"page": "1"}),
    *(
        ("/insights/earnings/summary", {"timezone": bad})
        for bad in ("", "Mars/Olympus", "../UTC", "/etc/passwd", "Europe")
    ),
    *(("/insights/earnings/summary", {"granularity": bad}) for bad in ("", "year", "DAY")),
    ("/insights/earnings/summary", {"startDate": "2024-01-01T00:00:00Z", "endDate": "2025-01-01T00:00:01Z"}),
    ("/insights/top-spenders", {"endDate": "soon"}),
    ("/insights/top-spenders", {"page": "0"}),
    ("/insights/subscribers", {"granularity": "day"}),
]


@pytest.mark.req("R91", "R92", "R93", "R98")
@pytest.mark.parametrize(("path", "query"), WRONG, ids=ascii)
def test_a_query_that_makes_no_sense_is_refused(anybody: TestClient, path: str, query: dict[str, str]) -> None:
    answer = anybody.get(path, params=query)
    assert answer.status_code == 400, answer.text
    (line,) = answer.json()["errors"]
    assert line.startswith(list(query)[-1])


@pytest.mark.req("R92", "R98")
def test_top_spenders_are_who_spent_most_ever(reader: AsUser, seen: Ask, earner: str) -> None:
    expected = seen(
        "SELECT fan_uuid, sum(gross), sum(net), sum(CASE source WHEN 'message' THEN 1 ELSE 0 END) FROM earnings"
        " WHERE creator_uuid = ? AND fan_uuid IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 DESC",
        earner,
    )
    page = reader(earner).get("/insights/top-spenders", params={"size": 4, "page": 2}).json()
    assert page["pagination"] == {"page": 2, "size": 4, "hasMore": True}
    told = [(row["user"]["uuid"], row["gross"], row["net"], row["messages"]) for row in page["data"]]
    assert told == expected[4:8]
    assert set(page["data"][0]["user"]) >= {"avatarUrl", "registeredAt", "isTopSpender"}


@pytest.mark.req("R92", "R98")
def test_top_spenders_of_a_range_are_who_spent_most_in_it(reader: AsUser, seen: Ask, earner: str) -> None:
    expected = seen(
        "SELECT fan_uuid, sum(gross), sum(net), sum(CASE source WHEN 'message' THEN 1 ELSE 0 END) FROM earnings"
        " WHERE creator_uuid = ? AND fan_uuid IS NOT NULL AND at >= ? AND at < ? GROUP BY 1 ORDER BY 2 DESC, 1 DESC",
        *(earner, ms(SINCE), ms(UNTIL)),
    )
    query = {"startDate": SINCE.isoformat(), "endDate": UNTIL.isoformat(), "size": "50"}
    page = reader(earner).get("/insights/top-spenders", params=query).json()
    told = [(row["user"]["uuid"], row["gross"], row["net"], row["messages"]) for row in page["data"]]
    assert told == expected[:50] != []


@pytest.mark.req("R93", "R98")
@pytest.mark.parametrize("hours", [0, 5.75, -3])
def test_subscribers_are_counted_day_by_day(reader: AsUser, seen: Ask, busiest: str, hours: float) -> None:
    offset = timedelta(hours=hours)
    start = datetime(2025, 8, 1, 17, 45, tzinfo=timezone(offset))  # the time of day is ignored
    end = datetime(2025, 10, 3, 9, 0, tzinfo=timezone(offset))
    first = ms(datetime(2025, 8, 1, tzinfo=timezone(offset)))
    runs = seen("SELECT started_at, ended_at FROM subscriptions WHERE creator_uuid = ?", busiest)
    expected, total = [], 0
    for day in range(63):
        since, until = first + day * DAY_MS, first + (day + 1) * DAY_MS
        new = sum(since <= started < until for started, _ in runs)
        cancelled = sum(ended is not None and since <= ended < until for _, ended in runs)
        total += new - cancelled
        expected.append((iso(since), total, new, cancelled))
    days = walked(reader(busiest), "/insights/subscribers", startDate=start.isoformat(), endDate=end.isoformat())
    names = ("date", "total", "newSubscribersCount", "cancelledSubscribersCount")
    assert [tuple(day[name] for name in names) for day in days] == expected
    assert any(new for *_, new, _ in expected)


@pytest.mark.req("R93")
def test_without_a_range_it_is_the_last_thirty_days_and_today(reader: AsUser, busiest: str) -> None:
    days = [day["date"] for day in walked(reader(busiest), "/insights/subscribers")]
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    expected = [today + timedelta(days=number) for number in range(-29, 1)]
    assert days == [iso(ms(day)) for day in expected]
    one_day = {"startDate": "2025-08-01T00:00:00Z", "endDate": "2025-08-01T23:00:00Z"}
    assert reader(busiest).get("/insights/subscribers", params=one_day).json() == {"data": [], "nextCursor": None}


def summed(rows: list[tuple[Any, ...]]) -> dict[str, int]:
    """Gross and net of transactions."""
    return {"gross": sum(row[2] for row in rows), "net": sum(row[3] for row in rows)}


@pytest.mark.req("R91", "R98")
@pytest.mark.parametrize("granularity", ["hour", "day", "week", "month"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"])
def test_a_summary_adds_up_what_was_paid(reader: AsUser, seen: Ask, earner: str, granularity: str, zone: str) -> None:
    answer = reader(earner).get(
        "/insights/earnings/summary",
        params={
            "startDate": SINCE.isoformat(),
            "endDate": UNTIL.isoformat(),
            "granularity": granularity,
            "timezone": zone,
        },
    )
    assert answer.status_code == 200, answer.text
    summary = answer.json()
    every = seen("SELECT at, source, gross, net FROM earnings WHERE creator_uuid = ?", earner)
    rows = [row for row in every if ms(SINCE) <= row[0] < ms(UNTIL)]
    assert summary["totals"]["allTime"] == summed(every)
    assert summary["period"] == {"startDate": iso(ms(SINCE)), "endDate": iso(ms(UNTIL))}

    by_type = summary["earningsByType"]
    assert by_type == {source: summed([row for row in rows if row[1] == source]) for source in by_type}
    names = {"subs": "subscription", "messages": "message", "posts": "post", "tips": "tip", "renewals": "renewal"}
    breakdown = summary["breakdownBySource"]
    assert {name: breakdown[name] for name in names} == {name: by_type[source] for name, source in names.items()}
    assert sum(part["gross"] for part in breakdown.values()) == summed(rows)["gross"] > 0

    over_time = summary["overTime"]
    starts = [datetime.fromisoformat(period["periodStart"]) for period in over_time]
    assert starts == sorted(starts)
    assert starts[0] <= SINCE < starts[1]
    assert starts[-1] < UNTIL
    for start, end, period in zip(starts, [*starts[1:], UNTIL], over_time, strict=True):
        local = start.astimezone(ZoneInfo(zone))
        assert (local.minute, local.second) == (0, 0)
        assert granularity == "hour" or local.hour == 0
        assert granularity != "week" or local.isoweekday() == 1
        assert granularity != "month" or local.day == 1
        within = [row for row in rows if ms(start) <= row[0] < ms(end)]
        assert {name: period[name] for name in ("gross", "net")} == summed(within)

    hour = max(summary["averageByHourOfDay"], key=lambda hour: summary["averageByHourOfDay"][hour]["gross"])
    there = ZoneInfo(zone)
    days = (UNTIL.astimezone(there).date() - SINCE.astimezone(there).date()).days + 1
    in_hour = [row for row in rows if datetime.fromtimestamp(row[0] / 1000, there).hour == int(hour)]
    assert summary["averageByHourOfDay"][hour]["gross"] == round(summed(in_hour)["gross"] / days)
    assert list(summary["averageByHourOfDay"]) == [str(number) for number in range(24)]
    assert list(summary["averageByDayOfWeek"]) == [str(number) for number in range(1, 8)]


@pytest.mark.req("R91")
def test_this_month_stands_beside_the_whole_month_before(writer: AsUser, written: Ask, earner: str) -> None:
    written("DELETE FROM earnings WHERE creator_uuid = ?", earner)
    now = datetime.now(UTC)
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for number, (at, gross) in enumerate(((month, 150), (month - timedelta(milliseconds=1), 60), (month, 30)), start=1):
        written(
            "INSERT INTO earnings (id, creator_uuid, at, source, gross, net) VALUES (?, ?, ?, 'tip', ?, ?)",
            *(1_000_000 + number, earner, ms(at), gross, 0),
        )
    told = writer(earner).get("/insights/earnings/summary").json()["totals"]["thisMonth"]
    assert told == {
        **{"gross": 180, "net": 0, "previousMonthGross": 60, "previousMonthNet": 0},
        **{"grossChangePercentage": 200.0, "netChangePercentage": None},
    }


@pytest.mark.req("R92")
def test_a_fan_is_described_by_what_they_did(reader: AsUser, seen: Ask, earner: str) -> None:
    statuses = set()
    for creator, fan, followed, subscribed, is_subscribed, expires, renews, gross, most, last in seen(
        "SELECT creator_uuid, fan_uuid, followed_at, subscribed_at, is_subscribed, expires_at, auto_renews,"
        " spent_gross, max_payment_gross, last_purchase_at FROM fans WHERE creator_uuid = ? ORDER BY 1, 2",
        earner,
    ):
        answer = reader(creator).get(f"/insights/fans/{fan}")
        assert answer.status_code == 200
        sources = seen(
            "SELECT source, sum(gross) FROM earnings WHERE creator_uuid = ? AND fan_uuid = ? GROUP BY 1", creator, fan
        )
        status = (
            "subscriber"
            if is_subscribed
            else "expired"
            if subscribed
            else "follower"
            if followed
            else "not_contactable"
        )
        assert answer.json() == {
            "status": status,
            "spending": {
                "lastPurchaseAt": last and iso(last),
                "total": {"gross": gross},
                "maxSinglePayment": {"gross": most},
                "sources": {source: {"gross": cents} for source, cents in sources},
            },
            "subscription": {
                "createdAt": iso(subscribed) if is_subscribed else None,
                "renewsAt": iso(expires) if renews else None,
                "autoRenewalEnabled": bool(renews),
            },
        }
        statuses.add(status)
    assert statuses >= {"subscriber", "expired", "follower"}


@pytest.mark.req("R92", "R125")
def test_somebody_elses_fan_is_not_found(reader: AsUser, seen: Ask, earner: str) -> None:
    ((other,),) = seen(
        "SELECT fan_uuid FROM fans WHERE fan_uuid NOT IN (SELECT fan_uuid FROM fans WHERE creator_uuid = ?) LIMIT 1",
        earner,
    )
    for uuid in (other, str(uuid4()), earner):
        answer = reader(earner).get(f"/insights/fans/{uuid}")
        assert (answer.status_code, answer.json()) == (404, {"message": "Fan not found"})

"""What the readings tell of abuse: who goes on inside a ``Retry-After``, and who is refused, how often, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from limen.control import recording, usage
from limen.control.recording.disregard import TOLD_AT
from limen.core.usage import Decided, Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.control.keys import Issued
    from tests.control.desk import Desk

LIMITED, OK = "limit_exceeded", "ok"


class Journal:
    """Decisions on keys, in a journal that is drained batch by batch."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.number = desk, 0
        desk.now = desk.now // 3600 * 3600

    def drained(self, *codes: str, key: Issued, after_s: float = 1.0) -> None:
        """A batch of decisions on *key*, each *after_s* behind the one before, in the readings."""
        entries = []
        for code in codes:
            self.number += 1
            self.desk.now += after_s
            place = key.key.key.encode()
            entries.append(Decided(self.number, self.desk.now, place, code, "GET", "getCurrentUser", "", "/users/me"))
        self.desk.act(recording.record, "segment", self.number, api="creator", incarnation=7, entries=entries)

    def counts(self) -> list[int]:
        """What was counted, hour by hour, the newest first."""
        return [found.count for found in self.desk.ask(usage.disregards)]

    def told(self) -> list[dict[str, object]]:
        """The events that say so."""
        found = self.desk.rows("select payload from outbox where event = 'key.limit_disregarded' order by id")
        return [json.loads(payload) for (payload,) in found]


@pytest.fixture
def journal(desk: Desk) -> Journal:
    """A journal that is drained at the desk."""
    return Journal(desk)


@pytest.fixture
def key(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> Issued:
    """A key of ``creator``."""
    return new_key("creator", owner)


@pytest.mark.req("R102", "R103")
@pytest.mark.parametrize(
    ("batches", "count"),
    [
        ([[LIMITED]], 0),
        ([[LIMITED, LIMITED]], 1),
        ([[LIMITED], [LIMITED]], 1),
        ([[OK, LIMITED, LIMITED, LIMITED]], 2),
        ([[LIMITED, OK, LIMITED]], 0),
        ([[LIMITED, OK], [LIMITED]], 0),
        ([[LIMITED], [OK, LIMITED]], 0),
        ([[LIMITED], [OK], [LIMITED]], 0),
        ([[LIMITED, LIMITED, OK, LIMITED, LIMITED]], 2),
        ([[LIMITED], ["scope_missing"], [LIMITED]], 1),  # it says nothing of whether there was room
        ([["scope_missing", "scope_missing"]], 0),
        ([[LIMITED, OK, LIMITED], [LIMITED], [LIMITED, OK], [LIMITED]], 2),
    ],
)
def test_a_call_after_a_refusal_for_the_limit_and_before_an_admission_is_counted(
    journal: Journal, key: Issued, batches: list[list[str]], count: int
) -> None:
    for codes in batches:
        journal.drained(*codes, key=key)
    assert journal.counts() == ([count] if count else [])


def test_each_key_is_followed_by_itself(journal: Journal, key: Issued, new_key: Callable[..., Issued]) -> None:
    other = new_key("creator", "u-1")
    journal.drained(LIMITED, LIMITED, key=key)
    journal.drained(LIMITED, key=other)
    journal.drained(OK, key=other)
    journal.drained(LIMITED, key=key)
    (found,) = journal.desk.ask(usage.disregards)
    assert (found.key, found.owner, found.api, found.count) == (key.key.key, "u-1", "creator", 2)


def test_the_moment_since_when_a_key_is_limited_is_the_first(journal: Journal, key: Issued) -> None:
    began = journal.desk.now
    journal.drained(OK, LIMITED, LIMITED, key=key)
    journal.drained(LIMITED, "scope_missing", key=key)
    assert journal.desk.rows("select limited_at, last_used_at from keys") == [(began + 2, began + 5)]
    journal.drained(OK, key=key)
    assert journal.desk.rows("select limited_at, last_used_at from keys") == [(None, began + 6)]


@pytest.mark.req("R103")
def test_it_is_told_once_for_a_key_and_an_hour(journal: Journal, key: Issued) -> None:
    hour = journal.desk.now
    journal.drained(*[LIMITED] * TOLD_AT, key=key)
    assert (journal.counts(), journal.told()) == ([TOLD_AT - 1], [])
    journal.drained(*[LIMITED] * 3, key=key)
    expected = {"api": "creator", "subject": key.key.key, "owner": "u-1", "hour_at": hour, "count": TOLD_AT + 2}
    assert journal.told() == [expected]
    journal.drained(*[LIMITED] * TOLD_AT * 2, key=key)
    assert len(journal.told()) == 1
    journal.desk.now = hour + 3600
    journal.drained(*[LIMITED] * TOLD_AT, key=key)
    assert [told["hour_at"] for told in journal.told()] == [hour, hour + 3600]
    assert journal.counts() == [TOLD_AT, TOLD_AT * 3 + 2]


def test_they_are_found_by_key_by_api_and_by_moment(journal: Journal, key: Issued) -> None:
    journal.drained(LIMITED, LIMITED, key=key)
    ask, now = journal.desk.ask, journal.desk.now
    assert ask(usage.disregards, key=key.key.key, api="creator", since=now) != []
    assert ask(usage.disregards, key="another") == ask(usage.disregards, api="another") == []
    assert ask(usage.disregards, since=now + 3600) == []


@pytest.mark.req("R100")
def test_refusals_of_strangers_are_added_up_the_most_first(desk: Desk, creator: object) -> None:
    minute = int(desk.now // 60)
    entries = [
        Tally(minute - 90, "credential_invalid", "fvak_", "192.0.2.0/24", 50),
        Tally(minute - 3, "credential_invalid", "fvak_", "192.0.2.0/24", 4),
        Tally(minute, "credential_invalid", "fvak_", "192.0.2.0/24", 5),
        Tally(minute, "credential_malformed", "", "192.0.2.0/24", 10),
        Tally(minute, "credential_invalid", "fvak_", "2001:db8::/48", 1),
    ]
    desk.act(recording.record, "segment", 1, api="creator", incarnation=7, entries=entries)
    most, second, third = desk.ask(usage.refusals, since=desk.now - 3600)
    assert (most.code, most.count) == ("credential_malformed", 10)
    assert (second.api, second.prefix, second.block, second.count) == ("creator", "fvak_", "192.0.2.0/24", 9)
    assert (second.first_at, second.last_at) == ((minute - 3) * 60, minute * 60)
    assert third.block == "2001:db8::/48"
    assert desk.ask(usage.refusals)[0].count == 59
    assert desk.ask(usage.refusals, api="another") == []
    assert len(desk.ask(usage.refusals, limit=1)) == 1


def test_what_shadow_limits_would_have_refused_is_told_apart(desk: Desk, creator: object) -> None:
    minute = int(desk.now // 60)
    entries = [
        Tally(minute, "limit_shadow", "shadow allowance/60", "", 7),
        Tally(minute, "credential_invalid", "fvak_", "", 1),
    ]
    desk.act(recording.record, "segment", 1, api="creator", incarnation=7, entries=entries)
    assert [found.code for found in desk.ask(usage.refusals)] == ["credential_invalid"]
    assert [(found.prefix, found.count) for found in desk.ask(usage.refusals, shadow=True)] == [
        ("shadow allowance/60", 7)
    ]


@pytest.mark.req("R101")
def test_refusals_of_known_keys_are_added_up_by_key_and_code(journal: Journal, key: Issued) -> None:
    began = journal.desk.now
    journal.drained(OK, "scope_missing", "scope_missing", LIMITED, key=key)
    most, second = journal.desk.ask(usage.refused_keys, since=began)
    assert (most.key, most.owner, most.code, most.count) == (key.key.key, "u-1", "scope_missing", 2)
    assert (most.first_at, most.last_at) == (began + 2, began + 3)
    assert (second.code, second.count) == (LIMITED, 1)
    assert journal.desk.ask(usage.refused_keys, since=began + 4)[0].code == LIMITED

"""Alerts: what fires, who is told of it and how often, what acknowledging and muting do, and what a rule would say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from limen.control import alerts, keys, owners, recording, versions
from limen.control.alerts import looking
from limen.core.limits import Limit
from limen.core.rollup import DAY_S, HOUR_S
from limen.core.usage import Decided, Outcome
from limen.drain import Rota
from limen.drain.chores import raise_alerts, usual

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.control.keys import Issued
    from tests.control.desk import Desk


class Watch:
    """Keys that are used, and rules that look at them, at moments that the test names."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.number = desk, 0

    def used(self, key: Issued, count: int = 1, **how: Any) -> None:
        """The key was used *count* times at *at*; *how*: ``code``, ``status``, ``address``, ``operation``, ``path``."""
        at, place = (
            how.get("at", self.desk.now - 30),
            next(row[1] for row in self.desk.rows("select key, locator from keys") if row[0] == key.key.key),
        )
        entries: list[Any] = []
        for _ in range(count):
            self.number += 1
            operation, path = how.get("operation", "getSelf"), how.get("path", "/users/me")
            address, version = how.get("address", "192.0.2.1"), how.get("version", "2025-06-26")
            code = how.get("code", "ok")
            entries.append(Decided(self.number, at, place, code, "GET", operation, version, path, address))
            if status := how.get("status"):
                entries.append(Outcome(7, self.number, status, at, None))
        name = f"{7:012x}-{self.number:06d}.seg"
        self.desk.act(recording.record, name, 64, api="creator", incarnation=7, entries=entries)

    def look(self, *paces: str) -> int:
        """Every rule had its turn; how many alerts changed."""
        changed = 0
        for pace in paces or ("minute", "hour", "day"):
            for _ in range(60):
                looked = self.desk.ask(alerts.look, pace)
                if looked is None:
                    break
                changed += self.desk.act(alerts.settle, looked)
            else:
                raise AssertionError("it never ends")
        return changed

    def told(self) -> list[tuple[str, str]]:
        """What was told so far: the event, and the rule."""
        found = self.desk.rows("select event, payload from outbox where event like 'alert.%' order by id")
        return [(event, self._read(payload)["rule"]) for event, payload in found]

    def last(self) -> dict[str, Any]:
        """The last event of alerts."""
        return self._read(
            self.desk.rows("select payload from outbox where event like 'alert.%' order by id desc")[0][0]
        )

    def _read(self, payload: Any) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(payload) if isinstance(payload, str) else payload
        return read

    def states(self) -> dict[str, str]:
        """The alerts by their rules, and how they are."""
        return {each.rule: each.state for each in self.desk.ask(alerts.listed, over=True)}


@pytest.fixture
def watch(desk: Desk, owner: str) -> Watch:
    """Rules that look at the keys of ``creator``; the clock stands in the middle of an hour, at noon."""
    desk.now += DAY_S - desk.now % DAY_S + 12.5 * HOUR_S
    return Watch(desk)


@pytest.fixture
def key(watch: Watch, owner: str, new_key: Callable[..., Issued]) -> Issued:
    """A key that was just issued, and was looked at."""
    issued = new_key("creator", owner)
    watch.look()
    return issued


@pytest.mark.req("R268")
def test_many_errors_fire_and_are_told_once_until_they_are_over(watch: Watch, key: Issued) -> None:
    watch.used(key, 40, status=200)
    watch.used(key, 20, status=500)
    watch.desk.now += 60
    watch.look()
    watch.desk.now += 60
    watch.look()
    assert watch.told() == [("alert.fired", "error_rate")]
    said = watch.last()
    assert (said["subject"], said["owner"], said["api"]) == (key.key.key, "u-1", "creator")
    assert said["facts"] == {"answered": 60, "failed": 20, "percent": 33.3}
    assert "20 of 60 answers" in said["text"]
    watch.desk.now += 1_000  # of the last quarter of an hour nothing is left; but it is not calm for long
    watch.look()
    assert watch.states() == {"error_rate": "firing"}
    watch.desk.now += 1_800
    watch.look()
    assert watch.states() == {"error_rate": "resolved"}
    assert watch.told() == [("alert.fired", "error_rate"), ("alert.resolved", "error_rate")]


@pytest.mark.req("R268")
def test_few_answers_or_few_errors_are_no_alert(watch: Watch, key: Issued) -> None:
    watch.used(key, 49, status=500)
    watch.desk.now += 60
    watch.look()
    assert watch.states() == {}
    watch.used(key, 300, status=200)
    watch.desk.now += 60
    watch.look()
    assert watch.states() == {}


@pytest.mark.req("R266")
def test_a_limit_that_is_near_fires_by_steps_and_what_gets_worse_is_told_at_once(watch: Watch, key: Issued) -> None:
    watch.desk.act(owners.set_plan, "u-1", "creator", plan="", limits=(Limit("allowance", 100, 86_400),))
    watch.used(key, 74)
    watch.desk.now += 60
    watch.look()
    assert watch.states() == {}
    watch.used(key, 2)
    watch.desk.now += 60
    watch.look()
    assert watch.told() == [("alert.fired", "limit_near")]
    assert watch.last()["severity"] == "info"
    watch.used(key, 24)
    watch.used(key, 1, code="limit_exceeded")
    watch.desk.now += 60
    watch.look()
    assert watch.told() == [("alert.fired", "limit_near")] * 2  # it may be over before the period is
    assert watch.last()["severity"] == "critical"
    assert watch.last()["facts"]["percent"] == 100
    watch.desk.now += HOUR_S
    watch.look()
    assert len(watch.told()) == 2


def test_many_keys_at_once_are_one_digest(watch: Watch, firm: str, new_key: Callable[..., Issued]) -> None:
    issued = [
        new_key("organisation", firm, name=f"key {number}", expires_at=watch.desk.now + DAY_S) for number in range(4)
    ]
    watch.look()
    assert watch.told() == [("alert.digest", "expiring")]
    said = watch.last()
    assert said["facts"]["count"] == 4
    assert set(said["facts"]["keys"]) == {each.key.key for each in issued}
    assert (said["owner"], said["subject"]) == (firm, "")
    watch.look()
    assert len(watch.told()) == 1


@pytest.mark.req("R269")
def test_a_key_that_nobody_uses_fires_after_30_days_and_again_after_90(watch: Watch, key: Issued) -> None:
    for days, expected in ((29, 0), (2, 1), (30, 1), (30, 2)):
        watch.desk.now += days * DAY_S
        watch.look()
        assert sum(rule == "unused_key" for _, rule in watch.told()) == expected
    watch.used(key)
    watch.desk.now += DAY_S
    watch.look()
    assert watch.states()["unused_key"] == "resolved"


@pytest.mark.req("R248")
@pytest.mark.req("R251")
def test_live_keys_are_to_be_rotated_after_90_days_and_test_keys_never(
    watch: Watch, firm: str, new_key: Callable[..., Issued]
) -> None:
    live, test = new_key("organisation", firm), new_key("organisation", firm, environment="test")
    watch.desk.now += 89 * DAY_S
    watch.look()
    assert "rotation_due" not in watch.states()
    watch.desk.now += 2 * DAY_S
    watch.look()
    found = watch.desk.ask(alerts.listed, kind="rotation_due")
    assert [each.key for each in found] == [live.key.key]
    assert test.key.key not in {each.key for each in found}
    watch.desk.act(keys.revoke, live.key.key)
    watch.desk.now += DAY_S
    watch.look()
    assert watch.states()["rotation_due"] == "resolved"


@pytest.mark.req("R167")
def test_calls_of_a_deprecated_version_are_told_with_its_sunset(watch: Watch, key: Issued) -> None:
    watch.used(key, 3)
    sunset = watch.desk.now + 20 * DAY_S
    watch.desk.act(versions.register, "creator", "2026-01-01")
    watch.desk.act(versions.deprecate, "creator", "2025-06-26", at=watch.desk.now, successor="2026-01-01")
    watch.desk.act(versions.sunset, "creator", "2025-06-26", at=sunset)
    watch.desk.now += HOUR_S
    watch.look()
    assert watch.told() == [("alert.fired", "deprecated_version")]
    assert watch.last()["facts"] == {"version": "2025-06-26", "calls": 3, "sunset_at": sunset}
    assert watch.last()["severity"] == "warning"


@pytest.mark.req("R267")
def test_what_a_key_never_did_before_fires(watch: Watch, key: Issued) -> None:
    begins = watch.desk.now
    for day in range(20):
        watch.used(key, 5, at=begins + day * DAY_S)
    watch.desk.now = begins + 20 * DAY_S
    watch.look()
    assert watch.states() == {}
    watch.used(key, 1, operation="listChats", address="198.51.100.7", path=f"/x/{key.text}")
    watch.used(key, 1, address="192.0.2.99")  # of a network that is known
    watch.desk.now += HOUR_S
    watch.look()
    assert watch.states() == {"new_operation": "firing", "new_address_range": "firing", "key_in_url": "firing"}
    assert "198.51.100.0/24" in watch.desk.ask(alerts.listed, kind="new_address_range")[0].text
    watch.desk.now += 40 * DAY_S
    watch.used(key, 1)
    watch.desk.now += HOUR_S
    watch.look()
    assert watch.states()["silent_key_wakes"] == "firing"
    assert "after 40 days" in watch.desk.ask(alerts.listed, kind="silent_key_wakes")[0].text


@pytest.mark.req("R267")
def test_a_key_that_wakes_after_longer_than_calls_are_looked_at_fires_and_a_new_one_does_not(
    watch: Watch, key: Issued
) -> None:
    watch.used(key, 1)
    watch.desk.now += HOUR_S
    watch.look()
    assert watch.states() == {}
    watch.desk.now += 200 * DAY_S
    watch.used(key, 1)
    watch.desk.now += HOUR_S
    watch.look("hour")
    assert watch.states() == {"silent_key_wakes": "firing"}
    assert watch.last()["text"].endswith("It is used again after at least 63 days of silence.")


@pytest.mark.req("R267")
def test_one_key_from_many_networks_in_an_hour_fires(watch: Watch, key: Issued) -> None:
    for number in range(30):
        watch.used(key, 1, address=f"198.51.{number}.7")
    watch.desk.now += HOUR_S
    watch.look()
    assert watch.states() == {"many_addresses": "firing"}
    assert watch.last()["facts"] == {"networks": 30, "usual": None}


def _expiring(watch: Watch, owner: str, new_key: Callable[..., Issued], days: float = 20) -> str:
    new_key("creator", owner, expires_at=watch.desk.now + days * DAY_S)
    watch.look()
    found: str = watch.desk.ask(alerts.listed)[0].alert
    return found


def test_what_is_acknowledged_is_told_again_only_when_it_is_worse(
    watch: Watch, owner: str, new_key: Callable[..., Issued]
) -> None:
    alert = _expiring(watch, owner, new_key)
    before = len(watch.told())
    for _ in range(2):
        assert watch.desk.act(alerts.acknowledge, alert).state == "acknowledged"
    assert [event for event, _ in watch.told()[before:]] == ["alert.acknowledged"]  # done twice, told once
    watch.desk.now += 2 * DAY_S
    watch.look()
    assert watch.states() == {"expiring": "acknowledged"}
    watch.desk.now += 12 * DAY_S
    watch.look()
    assert watch.states()["expiring"] == "firing"
    assert watch.told()[-1] == ("alert.fired", "expiring")


def test_what_is_muted_is_told_when_it_no_longer_is(watch: Watch, owner: str, new_key: Callable[..., Issued]) -> None:
    alert = _expiring(watch, owner, new_key)
    until = watch.desk.now + 15 * DAY_S
    assert watch.desk.act(alerts.mute, alert, until=until).state == "muted"
    watch.desk.now += 14 * DAY_S  # 6 days are left: worse
    before = len(watch.told())
    watch.look()
    assert len(watch.told()) == before
    assert watch.states()["expiring"] == "muted"
    watch.desk.now = until + 1
    watch.look()
    assert watch.told()[before:] == [("alert.fired", "expiring")]
    watch.desk.refused("alert_rule_wrong", alerts.mute, alert, until=watch.desk.now - 1)


def test_what_is_over_is_neither_acknowledged_nor_muted(
    watch: Watch, owner: str, new_key: Callable[..., Issued]
) -> None:
    alert = _expiring(watch, owner, new_key)
    watch.desk.act(keys.revoke, watch.desk.ask(alerts.require, alert).key)
    watch.desk.now += DAY_S
    watch.look()
    assert watch.desk.ask(alerts.listed) == []
    watch.desk.refused("alert_over", alerts.acknowledge, alert)
    watch.desk.refused("alert_over", alerts.mute, alert, until=watch.desk.now + 1)
    watch.desk.refused("alert_unknown", alerts.acknowledge, "0123456789Ab")


@pytest.mark.req("R265")
def test_an_owner_sets_rules_for_its_keys_and_staff_for_all(
    watch: Watch, owner: str, new_key: Callable[..., Issued]
) -> None:
    desk = watch.desk
    desk.act(alerts.set_rule, "expiring", numbers={"days": 10})
    rule = desk.act(alerts.set_rule, "expiring", owner=owner, api="creator", enabled=False, numbers={})
    assert (rule.enabled, rule.numbers, rule.source) == (False, {"days": 10.0}, "owner")
    new_key("creator", owner, expires_at=desk.now + 5 * DAY_S)
    watch.look()
    assert watch.states() == {}
    desk.act(alerts.set_rule, "expiring", owner=owner, api="creator", enabled=True, numbers={})
    desk.now += DAY_S
    watch.look()
    assert watch.states() == {"expiring": "firing"}
    assert desk.ask(alerts.rules)[7].source in ("staff", "default")
    before = len(watch.told())
    desk.act(alerts.set_rule, "expiring", numbers={"days": 10})  # as it is
    assert len(desk.rows("select * from outbox where event = 'alert_rule.set'")) == 3
    assert len(watch.told()) == before
    for wrong in ({"days": 0}, {"days": float("nan")}, {"weeks": 1}):
        desk.refused("alert_rule_wrong", alerts.set_rule, "expiring", numbers=wrong)
    desk.refused("alert_rule_wrong", alerts.set_rule, "nonsense", numbers={})
    desk.refused("owner_unknown", alerts.set_rule, "expiring", owner="nobody", numbers={})


def test_a_rule_is_tried_on_what_was(watch: Watch, key: Issued) -> None:
    begins = watch.desk.now
    for number in range(30):
        watch.used(key, 1, address=f"198.51.{number}.7", at=begins)
    watch.desk.now = begins + 10 * DAY_S
    whose = {"api": "creator"}
    found = watch.desk.ask(alerts.try_rule, "many_addresses", since=begins - HOUR_S, whose=whose)
    assert [(each.key, each.fired_at) for each in found.trials] == [(key.key.key, begins + HOUR_S / 2)]
    assert found.trials[0].resolved_at == begins + 7.5 * HOUR_S
    fewer = watch.desk.ask(alerts.try_rule, "many_addresses", since=begins - HOUR_S, whose=whose, numbers={"least": 13})
    assert (fewer.keys, fewer.more, fewer.trials) == (1, False, ())
    late = watch.desk.ask(alerts.try_rule, "unused_key", since=begins, whose=whose, numbers={"days": 5})
    assert [each.rule for each in late.trials] == ["unused_key"]
    watch.desk.act(keys.revoke, key.key.key)
    watch.desk.act(keys.issue, keys.NewKey("creator", "u-1", "another", scopes=["read:self"]))
    for key_days, looked_at in ((1, 1), (2, 2)):
        some = watch.desk.ask(alerts.try_rule, "unused_key", since=watch.desk.now - DAY_S, whose={}, key_days=key_days)
        assert (some.keys, some.more) == (looked_at, looked_at == 1)
    watch.desk.refused("request_malformed", alerts.try_rule, "expiring", since=0.0, whose={})


@pytest.mark.req("R270")
def test_every_key_has_its_turn_once_a_round_by_a_list_that_does_not_grow_old(
    watch: Watch, owner: str, new_key: Callable[..., Issued], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(looking._AT_ONCE, "minute", 2)
    issued = sorted((new_key("creator", owner) for _ in range(6)), key=lambda each: each.key.key)
    names = [each.key.key for each in issued]
    for each in issued[:5]:
        watch.used(each)
    pages, listed = [], None
    while (looked := watch.desk.ask(alerts.look, "minute", listed)) is not None:
        watch.desk.act(alerts.settle, looked)
        pages.append([row.key for row in looked.keys])
        listed = looked.listed
        watch.used(issued[5])  # the list is made: its turn is in the next round
    assert pages == [names[:2], names[2:4], names[4:5]]
    watch.desk.now += 60
    first = watch.desk.ask(alerts.look, "minute")
    assert first is not None
    watch.desk.act(alerts.settle, first)
    assert first.listed is not None
    assert [*first.listed.keys] == [each.encode() for each in names[2:]]
    watch.desk.now += 600  # whoever listed them stood still
    watch.used(issued[3])
    late = watch.desk.ask(alerts.look, "minute", first.listed)
    assert late is not None
    assert [row.key for row in late.keys] == names[3:4]


@pytest.mark.req("R270")
def test_keys_that_were_called_this_minute_do_not_keep_hours_and_days_waiting(
    watch: Watch, owner: str, new_key: Callable[..., Issued], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(looking._AT_ONCE, "minute", 1)
    monkeypatch.setitem(looking._AT_ONCE, "hour", 1)
    monkeypatch.setattr("limen.drain.chores._ALERTS_S", 0.03)
    app = watch.desk.app
    watch.desk.now = app.clock.read()[0]
    for _ in range(30):
        issued = new_key("creator", owner)
        watch.used(issued)
        watch.used(issued, at=watch.desk.now - HOUR_S)
    raise_alerts(app)
    rounds = dict(watch.desk.rows("select pace, after from alert_rounds"))
    assert rounds.keys() == {"minute", "hour", "day"}
    assert rounds["minute"] is not None  # else there was time enough for all


@pytest.mark.req("R270")
def test_the_worker_looks_by_itself(watch: Watch, owner: str, new_key: Callable[..., Issued]) -> None:
    app = watch.desk.app
    new_key("creator", owner, expires_at=app.clock.read()[0] + 3 * DAY_S)
    chores = tuple(chore for chore in usual() if chore.name == "alerts")
    rota = Rota(chores)
    rota.do(app)
    assert rota.failures == {}
    assert ("alert.fired", "expiring") in watch.told()
    before = watch.desk.dump()
    Rota(chores).do(app)
    assert watch.desk.dump() == before

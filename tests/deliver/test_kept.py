"""What is said of how deliveries go, and for how long what was sent, and what was warned of, is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from limen.control import alerts, channels, delivery, inbox, keys, owners
from limen.control.alerts.looking import Looked
from limen.http.etags import etag_of, is_current
from tests.deliver.receiver import Receiver

if TYPE_CHECKING:
    from tests.deliver.conftest import Office

DAY_S = 86_400.0


def _shown(office: Office, channel: str) -> tuple[Any, ...]:
    found = office.ask(channels.require, channel)
    assert found == next(each for each in office.ask(channels.listed) if each.channel == channel)
    return found.tried_7d, found.arrived_7d, found.last_arrived_at, found.last_failed_at


def test_a_channel_says_how_much_of_the_last_week_arrived(office: Office) -> None:
    owner, answers = office.owner(), [500, 204, 204, 204]
    with Receiver(answer=lambda came: answers.pop(0)) as receiver:
        channel = office.hook(owner, receiver.url).channel.channel
        assert _shown(office, channel) == (0, 0, None, None)
        office.key(owner)
        assert office.send() == 1
        failed_at = office.now
        assert _shown(office, channel) == (1, 0, None, failed_at)
        office.now += 80
        assert office.send() == 1
        assert _shown(office, channel) == (1, 1, office.now, failed_at), "two attempts at one delivery"
        office.now += DAY_S
        office.key(owner)
        assert office.send() == 1
        arrived_at = office.now
        sent = office.deliveries()[-1].delivery
        office.act(delivery.retry, sent)
        office.send()
        assert _shown(office, channel) == (2, 2, arrived_at, failed_at), "sent twice, and one delivery"
        assert answers == []
    office.now += 6.5 * DAY_S
    assert _shown(office, channel) == (1, 1, arrived_at, None)
    office.now += DAY_S
    assert _shown(office, channel) == (0, 0, None, None)


def test_channels_are_listed_with_it_in_two_reads_however_many_there_are(office: Office) -> None:
    with Receiver() as receiver:
        owners = [office.owner() for _ in range(5)]
        for owner in owners:
            office.hook(owner, receiver.url)
            office.key(owner)
        assert office.send() == 5
    said: list[str] = []
    event.listen(office.app.store.engine, "before_cursor_execute", lambda *sent: said.append(sent[2]))
    found = office.ask(channels.listed)
    reads = [each for each in said if "channel" in each]
    assert ([each.arrived_7d for each in found], len(reads)) == ([1] * 5, 2)


def test_who_edits_a_channel_is_not_told_that_somebody_else_did_because_something_arrived(office: Office) -> None:
    owner = office.owner()
    with Receiver() as receiver:
        channel = office.hook(owner, receiver.url).channel.channel

        def shown() -> dict[str, Any]:
            found = office.ask(channels.require, channel)
            return {name: getattr(found, name) for name in ("muted_at", "tried_7d", "last_arrived_at", "failures")}

        before = shown()
        office.key(owner)
        office.send()
        assert etag_of(shown()) != etag_of(before)
        assert is_current(etag_of(before), shown())
        office.act(channels.change, channel, muted=True)
        assert not is_current(etag_of(before), shown())


@pytest.mark.req("R71")
def test_deliveries_go_when_their_time_is_over_and_take_their_attempts_along(office: Office) -> None:
    owner = office.owner()
    with Receiver(answer=lambda came: 410 if came.path == "/hooks/gone" else 204) as receiver:
        office.hook(owner, receiver.url)
        gone = office.hook(owner, receiver.url + "/gone").channel.channel
        office.key(owner)
        assert office.send() == 2
        office.act(channels.remove, gone)
    mail = office.act(channels.add, channels.NewChannel(owner, "email", "someone@example.com"), confirmed=True)
    office.key(owner)
    office.hand_on()

    def states() -> list[str]:
        return [state for (state,) in office.rows("select state from deliveries order by state")]

    before = states()
    assert sorted({"done", "dead", "due"} & set(before)) == ["dead", "done", "due"]
    office.now += 29 * DAY_S
    office.act(delivery.trim)
    assert states() == before
    office.now += 2 * DAY_S
    assert office.act(delivery.trim) is False
    left = states()
    assert "done" not in left
    assert set(left) == {"dead"}, "what nobody here can send is given up"
    assert mail.channel.state == "on"
    office.now += 91 * DAY_S
    office.act(delivery.trim)
    assert states() == []
    assert office.rows("select count(*) from delivery_attempts") == [(0,)]
    assert [each.address for each in office.ask(channels.listed, owner=owner)] == [
        each.address for each in office.ask(channels.listed)
    ]
    assert office.rows("select count(*) from channels where removed_at is not null") == [(0,)]


def test_what_was_never_tried_is_told_when_it_is_given_up(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limen.control.delivery.sending._TOLD_AT_ONCE", 2)
    owner = office.owner()
    for number in range(3):
        mail = channels.NewChannel(owner, "email", f"someone-{number}@example.com")
        office.act(delivery.test, office.act(channels.add, mail, confirmed=True).channel.channel)
    office.now += 31 * DAY_S
    assert office.act(delivery.trim) is True, "some are left"
    assert sorted(each.state for each in office.deliveries()) == ["dead", "dead", "due"]
    assert office.act(delivery.trim) is False
    office.hand_on()
    told = [each for each in office.ask(inbox.listed, owner) if each.event == "delivery.died"]
    assert len(told) == 3
    assert told[0].text.endswith("was given up after 0 attempts: untried.")
    assert [said.verb for said in office.said()].count("deliveries.give_up") == 3


def _events(office: Office) -> list[str]:
    return [event for (event,) in office.rows("select event from outbox order by id")]


@pytest.mark.req("R71")
def test_events_go_when_nobody_can_have_them_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limen.control.delivery.sending._AT_ONCE", 3)
    owner = office.owner()
    channel = office.hook(owner, "https://example.com/hooks").channel.channel
    office.key(owner)
    office.now += 29 * DAY_S
    office.key(owner)
    office.hand_on()
    since = office.now
    before = _events(office)
    assert office.act(delivery.trim) is False
    assert _events(office) == before
    assert office.act(delivery.replay, channel, since=since - 29 * DAY_S) == 2
    office.now += 2 * DAY_S
    while office.act(delivery.trim):
        continue
    assert _events(office) == ["key.issued"]
    office.refused("channel_wrong", delivery.replay, channel, since=since - 29 * DAY_S)
    assert office.act(delivery.replay, channel, since=office.now - 30 * DAY_S) == 1


@pytest.mark.req("R71")
def test_events_that_wait_stay_and_numbers_go_on_when_all_others_went(office: Office) -> None:
    owner = office.owner()
    office.now += 31 * DAY_S
    waiting = _events(office)
    office.act(delivery.trim)
    assert _events(office) == waiting, "nobody was told of them yet"
    channel = office.hook(owner, "https://example.com/hooks").channel.channel
    office.hand_on()
    ((last,),) = office.rows("select max(id) from outbox")
    office.now += 31 * DAY_S
    assert office.act(delivery.trim) is False
    assert _events(office) == ["channel.added"], "the last one stays"
    key = office.key(owner)
    office.hand_on()
    assert office.rows("select min(id), max(id) from outbox") == [(last, last + 1)]
    ((payload,),) = office.rows(f"select payload from deliveries where channel = '{channel}'")
    assert json.loads(payload)["subject"] == key


def test_of_the_log_a_channel_has_again_what_is_its_own_and_it_wants(office: Office) -> None:
    owner, other = office.owner(), office.owner()
    office.hand_on()
    some = {
        (): office.hook(owner, "https://example.com/1").channel.channel,
        ("key.revoked",): office.hook(owner, "https://example.com/2", events=("key.revoked",)).channel.channel,
        ("owner.*",): office.hook(owner, "https://example.com/3", events=("owner.*",)).channel.channel,
        ("*",): office.hook(owner, "https://example.com/4", events=("*",)).channel.channel,
    }
    office.now += 1
    since = office.now
    for each in (owner, other):
        office.act(keys.revoke, office.key(each), reason="a test")
        office.act(owners.suspend, each, reason="a test")
    office.now += 1
    found = {wanted: office.act(delivery.replay, channel, since=since) for wanted, channel in some.items()}
    assert found == {(): 3, ("key.revoked",): 1, ("owner.*",): 1, ("*",): 3}
    staffs = office.hook("", "https://example.com/5", events=("key.*", "owner.suspended")).channel.channel
    assert office.act(delivery.replay, staffs, since=since) == 6
    usual = office.hook("", "https://example.com/6").channel.channel
    assert office.act(delivery.replay, usual, since=since) == 0


@pytest.mark.req("R71")
def test_alerts_that_are_over_go_when_their_time_is_over(office: Office) -> None:
    """By the looking of each day, which has nothing else to look at here."""
    owner = office.owner()
    key = office.key(owner)
    (locator,) = office.rows("select locator from keys")[0]
    day = DAY_S

    def fired(alert: str, at: float, over: float | None, muted: float | None = None) -> None:
        with office.app.store.engine.begin() as connection:
            from limen.control.alerts import _rows

            _rows.fire(
                connection,
                {
                    **{"alert": alert, "api": "creator", "key": key, "locator": bytes(locator), "owner": owner},
                    **{"kind": alert, "level": 1, "told_level": 1, "told_alone": True, "severity": "info"},
                    **{"text": "", "facts": {}, "fired_at": at, "seen_at": at, "resolved_at": over},
                    **{"acknowledged_by": "", "muted_until": muted},
                },
            )

    now = office.now
    fired("open", now - 900 * day, None)
    fired("muted", now - 900 * day, now - 899 * day, now + day)
    fired("long", now - 900 * day, now - 10 * day)
    fired("old", now - 500 * day, now - 401 * day)
    fired("young", now - 399 * day, now - 398 * day)

    def left() -> list[str]:
        return [alert for (alert,) in office.rows("select alert from alerts order by alert")]

    minute = Looked("minute", int(now // 60), None, (), {}, frozenset())
    office.act(alerts.settle, minute)
    assert left() == ["long", "muted", "old", "open", "young"]
    looked = office.ask(alerts.look, "day")
    office.act(alerts.settle, looked)
    assert left() == ["long", "muted", "open", "young"]
    office.now += 2 * day
    office.act(alerts.settle, office.ask(alerts.look, "day"))
    assert left() == ["long", "open", "young"]
    office.now += 2 * day
    office.act(alerts.settle, office.ask(alerts.look, "day"))
    assert left() == ["long", "open"]

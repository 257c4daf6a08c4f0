"""Who sends: what becomes of a delivery where something of our own fails, and that nobody keeps the others waiting."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from limen.control import channels, delivery, inbox
from limen.control.channels import NewChannel
from limen.core.delivering import Outcome, Room
from limen.core.problems import StoreDown
from limen.core.schemes import Keyring
from tests.db import plans
from tests.deliver.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.db.transaction import Tx
    from tests.deliver.conftest import Office


def test_what_cannot_be_looked_up_is_not_guessed_and_keeps_nobody_else_waiting(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, other = office.owner(), office.owner()
    reading, down = office.app.reading, [True]

    def fails() -> Any:
        if down and threading.current_thread().name.startswith("limen-send"):
            raise StoreDown("it does not answer")
        return reading()

    monkeypatch.setattr(office.app, "reading", fails)
    with Receiver() as receiver:
        office.hook(owner, receiver.url + "/profile", api="creator")
        office.hook(other, receiver.url + "/standard")
        office.key(owner)
        office.key(other)
        office.hand_on()
        post = office.post(lease_s=60)
        failures = 0
        for _ in range(5):
            try:
                post.step(1.0)
            except StoreDown:
                failures += 1
        assert not post.busy
        assert (failures, [came.path for came in receiver.came]) == (1, ["/hooks/standard"])
        assert [each.state for each in office.deliveries(owner=other)] == ["done"]
        assert [(each.state, each.attempts) for each in office.deliveries(owner=owner)] == [("due", ())]
        down.clear()
        office.now += 60
        while post.step(5.0):
            continue
        post.close()
        assert [came.path for came in receiver.came] == ["/hooks/standard", "/hooks/profile"]
        assert "x-fanvue-signature" in receiver.came[-1].headers, "in the dialect of its profile, or not at all"


def _with(peppers: dict[int, bytes], verb: Callable[..., Any], *args: Any, **more: Any) -> Callable[[Tx], Any]:
    """*verb*, by a process that has these peppers."""
    return lambda tx: verb(replace(tx, keyring=Keyring(peppers, tx.keyring.secrets)), *args, **more)


def test_a_process_that_lacks_the_pepper_leaves_it_to_one_that_has_it(office: Office) -> None:
    channel = office.hook(office.owner(), "https://example.com/hooks").channel.channel
    office.act(delivery.test, channel)
    claim = {"lease_s": 60.0, "room": Room()}
    assert office.act(_with({9: b"x" * 32}, delivery.claim, **claim)) == []
    (found,) = office.deliveries()
    assert (found.state, found.due_at) == ("due", office.now + 60)
    assert office.act(delivery.claim, **claim) == [], "not at once: what it cannot send is in nobody's way"
    office.now += 60
    assert len(office.act(delivery.claim, **claim)) == 1


def test_what_was_sealed_under_another_pepper_is_dropped(office: Office) -> None:
    channel = office.hook(office.owner(), "https://example.com/hooks").channel.channel
    office.act(delivery.test, channel)
    other = dict.fromkeys(office.app.ring.keyring.peppers, b"x" * 32)
    assert office.act(_with(other, delivery.claim, lease_s=60.0, room=Room())) == []
    assert [each.state for each in office.deliveries()] == ["dropped"]


def test_a_secret_that_cannot_be_read_is_a_problem_that_is_said(office: Office) -> None:
    added = office.hook(office.owner(), "https://example.com/hooks")
    channel, current = added.channel.channel, office.app.ring.current
    said = office.refused("pepper_wrong", _with({9: b"x" * 32}, channels.rotate, channel))
    assert f"no version {current}" in str(said)
    other = {current: b"x" * 32}
    assert f"another version {current}" in str(office.refused("pepper_wrong", _with(other, channels.rotate, channel)))
    anew = office.act(_with(other, channels.rotate, channel, overlap_s=0.0))
    assert anew.secret not in ("", added.secret), "what has not to be read needs no pepper"

    def reseal(tx: Tx, newest: int) -> int:
        return channels.reseal(replace(tx, pepper=newest, keyring=Keyring({}, tx.keyring.secrets)))

    office.refused("pepper_wrong", reseal, current + 1)
    assert office.act(reseal, current - 1) == 0, "a process that lacks the newest seals nothing anew"


def _due(office: Office, channel: str, count: int) -> list[str]:
    return [office.act(delivery.test, channel).delivery for _ in range(count)]


def test_nobody_waits_for_a_receiver_that_has_much_to_get(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limen.control.delivery._rows._LOOKED_AT", 5)
    much = office.hook(office.owner(), "https://slow.example.com/").channel
    _due(office, much.channel, 12)
    office.now += 1
    little = office.hook(office.owner(), "https://quick.example.com/").channel
    (last,) = _due(office, little.channel, 1)
    jobs = office.act(delivery.claim, lease_s=60.0, room=Room())
    assert [job.host for job in jobs] == ["slow.example.com"] * 2, "as many as it may have at once"
    jobs = office.act(delivery.claim, lease_s=60.0, room=Room(full_hosts=("slow.example.com",)))
    assert [job.delivery for job in jobs] == [last]


def test_mail_to_an_owner_does_not_count_against_its_endpoints(office: Office) -> None:
    owner = office.owner()
    for number in range(5):
        mail = NewChannel(owner, "email", f"someone-{number}@example.com")
        _due(office, office.act(channels.add, mail, confirmed=True).channel.channel, 1)
    office.now += 1
    (sent,) = _due(office, office.hook(owner, "https://example.com/hooks").channel.channel, 1)
    jobs = office.act(delivery.claim, lease_s=60.0, room=Room())
    assert sent in [job.delivery for job in jobs]


@pytest.mark.parametrize("wanted", [{}, {"state": "dead"}])
def test_deliveries_are_listed_by_an_index(office: Office, wanted: dict[str, str]) -> None:
    said: list[tuple[str, Any]] = []
    event.listen(office.app.store.engine, "before_cursor_execute", lambda *sent: said.append((sent[2], sent[3])))
    office.ask(delivery.listed, **wanted)
    (statement, values) = next(each for each in said if "deliveries" in each[0])
    with office.app.store.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            explained = connection.exec_driver_sql(f"explain query plan {statement}", values).all()
        else:
            for setting in plans.AS_IF_LARGE:
                connection.exec_driver_sql(setting)
            explained = connection.exec_driver_sql(f"explain (costs off) {statement}", values).all()
    plan = plans.read(tuple(row) for row in explained)
    assert (plan.sorts, plan.whole) == ([], [])


def _gone(office: Office, channel: str) -> None:
    """An endpoint answers 410: the delivery died, and the channel is disabled."""
    office.act(delivery.test, channel)
    (job,) = office.act(delivery.claim, lease_s=60.0, room=Room())
    office.act(delivery.settle, [Outcome(job.delivery, 0, office.now, "http", 410, final=True)])
    office.hand_on()


def test_staff_hear_of_their_own_channels_and_not_of_those_of_owners(office: Office) -> None:
    staffs = office.hook("", "https://staff.example.com/").channel.channel
    other = office.hook("", "https://other.example.com/").channel.channel
    _gone(office, staffs)
    assert office.ask(channels.require, staffs).state == "disabled"
    told = {"channel.disabled", "delivery.died"}
    assert {letter.event for letter in office.ask(inbox.listed, "")} == told
    assert {each.event for each in office.deliveries(channel=other)} == told
    office.act(channels.remove, other)
    owner = office.owner()
    _gone(office, office.hook(owner, "https://example.com/").channel.channel)
    assert told <= {letter.event for letter in office.ask(inbox.listed, owner)}
    assert len(office.ask(inbox.listed, "")) == len(told)


def test_what_is_dropped_belongs_to_nobody_any_more(office: Office) -> None:
    channel = office.hook(office.owner(), "https://example.com/hooks").channel.channel
    office.act(delivery.test, channel)
    office.act(delivery.claim, lease_s=60.0, room=Room())
    office.act(channels.change, channel, muted=True)
    assert office.rows("select state, leased_until from deliveries") == [("dropped", None)]

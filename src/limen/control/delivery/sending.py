"""What the sender asks and tells: what is due, taken on for a while; and what came of it.

Whoever takes a delivery on has it for as long as a lease. If they die meanwhile, it is due again: sent at least once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from limen.control import channels
from limen.control.delivery import _rows
from limen.core import events_delivery as events
from limen.core.delivering import (
    DISABLE_AFTER,
    DISABLE_WITHIN_S,
    GONE,
    OK,
    UNTRIED,
    Job,
    Outcome,
    Room,
    wait_s,
)
from limen.core.messages import CONFIRM
from limen.db.sealed import secrets_of
from limen.db.transaction import Tx

KEPT_S, DEAD_KEPT_S = 30 * 86_400.0, 90 * 86_400.0
"""How long deliveries are kept that ended, and events that were handed on; and deliveries that were given up."""

STALE_S = 30 * 86_400.0
"""How long one waits for its first attempt, where nobody sends such: no mail server is set."""

NO_PEPPER_S = 60.0
"""How long a delivery waits for somebody who has the pepper for its secret."""

_AT_ONCE, _TOLD_AT_ONCE = 2_000, 200


def claim(tx: Tx, *, lease_s: float, room: Room) -> list[Job]:
    """Deliveries that are due, taken on for *lease_s*, as many as there is *room* for.

    What cannot be sent any more is dropped. What is signed by a secret that cannot be read without a pepper that this
    process lacks is due again a minute later.
    """
    found: list[Job] = []
    for row in _rows.due(tx.connection, tx.now, room):
        try:
            job = None if _is_off(row) else _job(tx, row)
        except LookupError:  # another host may have that pepper, and this one may have it soon
            _rows.change(tx.connection, row.delivery, due_at=tx.now + NO_PEPPER_S)
            continue
        if job is None:
            _rows.change(tx.connection, row.delivery, state="dropped", settled_at=tx.now, leased_until=None)
        else:
            found.append(job)
    if found:
        _rows.lease(tx.connection, [job.delivery for job in found], tx.now + lease_s, tx.now)
    return found


def _is_off(row: Any) -> bool:
    off = row.removed_at is not None or row.disabled_at is not None or row.muted_at is not None
    return off or (row.confirmed_at is None) != (row.event == CONFIRM)


def _job(tx: Tx, row: Any) -> Job | None:
    """The job of *row*; None where its secret cannot be read any more, as after a restore with another pepper.

    Raises LookupError where the pepper for it is not here.
    """
    job = Job(
        delivery=row.delivery,
        channel=row.channel,
        owner=row.owner,
        kind=row.kind,
        address=row.address,
        host=row.host,
        api=row.api,
        dialect=row.dialect,
        event=row.event,
        payload=row.payload,
        at=row.at,
        number=row.attempts,
        first_at=tx.now if row.first_at is None else row.first_at,
    )
    if row.kind != "webhook":
        return job
    try:
        return replace(job, secrets=secrets_of(tx.keyring, row, tx.now))
    except ValueError:
        return None


def settle(tx: Tx, outcomes: Iterable[Outcome]) -> None:
    """What attempts came to is written down: what is to be tried again has its moment, what is not is told.

    A channel that answers 410, or fails 100 times in a row within 7 days, is disabled.
    """
    for outcome in outcomes:
        row = _rows.one(tx.connection, outcome.delivery)
        if row is None or row.state != "due" or row.attempts != outcome.number:
            continue  # its lease ended, and another has told of it
        _rows.add_attempt(
            tx.connection,
            delivery=row.delivery,
            number=outcome.number,
            at=outcome.at,
            result=outcome.result,
            status=outcome.status,
        )
        values: dict[str, Any] = {"attempts": row.attempts + 1, "leased_until": None, "result": outcome.result}
        if outcome.result == OK:
            _rows.change(tx.connection, row.delivery, state="done", settled_at=tx.now, **values)
            _rows.change_channel(tx.connection, row.channel, failures=0, failing_since=None)
            continue
        chance = int.from_bytes(tx.entropy(2), "big") / 65_535
        wait = None if outcome.final else wait_s(row.attempts + 1, chance, outcome.retry_after_s)
        if wait is None:
            _rows.change(tx.connection, row.delivery, state="dead", settled_at=tx.now, **values)
            _tell_dead(tx, row, row.attempts + 1, outcome.result)
        else:
            _rows.change(tx.connection, row.delivery, due_at=tx.now + wait, **values)
        _count_failure(tx, row, gone=outcome.status == GONE)


def _tell_dead(tx: Tx, row: Any, attempts: int, result: str) -> None:
    """Its owner hears of it by other ways; not of what was only to tell that something else died."""
    if row.event in (events.DeliveryDied.name, events.ChannelDisabled.name):
        return
    happened = events.DeliveryDied(
        api=row.api,
        subject=row.delivery,
        owner=row.owner,
        channel=row.channel,
        event=row.event,
        attempts=attempts,
        result=result,
    )
    tx.record("deliveries.give_up", happened)


def _count_failure(tx: Tx, row: Any, *, gone: bool) -> None:
    channel = _rows.channel(tx.connection, row.channel)
    since = channel.failing_since
    if since is None or tx.now - since > DISABLE_WITHIN_S:
        failures, since = 1, tx.now
    else:
        failures = channel.failures + 1
    _rows.change_channel(tx.connection, row.channel, failures=failures, failing_since=since)
    if channel.disabled_at is None and channel.removed_at is None and (gone or failures >= DISABLE_AFTER):
        channels.change(tx, row.channel, enabled=False, why="gone" if gone else "failures")


def trim(tx: Tx) -> bool:
    """What ended more than 30 days ago is gone, what was given up after 90: whether there may be more of it.

    So are events that were handed on and are older than 30 days. What has waited as long for a first attempt, because
    nobody here sends such, is given up, and that is told.
    """
    stale = _rows.untried(tx.connection, tx.now - STALE_S, _TOLD_AT_ONCE)
    for row in stale:
        _rows.change(tx.connection, row.delivery, state="dead", settled_at=tx.now, leased_until=None)
        _tell_dead(tx, row, 0, UNTRIED)
    gone = _rows.trim(tx.connection, settled=tx.now - KEPT_S, dead=tx.now - DEAD_KEPT_S, limit=_AT_ONCE)
    events_gone = _rows.trim_events(tx.connection, tx.now - KEPT_S, _AT_ONCE)
    return len(stale) == _TOLD_AT_ONCE or _AT_ONCE in (gone, events_gone)

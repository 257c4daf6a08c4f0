"""What makes deliveries: the outbox, handed on; a test; a notice; and what is to be sent again.

Nothing of this is audited but what somebody asked for: whom an event goes to is decided by what they set.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from limen.control import channels, inbox
from limen.control.delivery import _rows
from limen.control.delivery.sending import KEPT_S
from limen.control.delivery.views import Delivery, shown
from limen.control.inbox import Letter
from limen.core import events_delivery as events
from limen.core.keys import draw_id
from limen.core.messages import CONFIRM, STAFF, TEST, is_told, is_wanted, names_wanted, owner_of
from limen.core.problems import ProblemError
from limen.db.transaction import Tx

REPLAYED = 1_000
"""How many events are sent again by one verb, at most."""


def hand_on(tx: Tx, limit: int = 500) -> int:
    """Events in the outbox are deliveries now, one a channel that wants them, and in the inbox; how many events.

    That, and that they were handed on, is one transaction: nothing is lost between the two, and nothing comes twice.
    """
    rows = _rows.waiting(tx.connection, limit)
    if not rows:
        return 0
    letters: list[Letter] = []
    made: list[dict[str, Any]] = []
    owners = {owner_of(row.event, row.payload) for row in rows} | {STAFF}
    held = defaultdict[str, list[Any]](list)
    for channel in _rows.channels_of(tx.connection, sorted(owners)):
        held[channel.owner].append(channel)
    for row in rows:
        owner, source = owner_of(row.event, row.payload), f"outbox:{row.id}"
        for each in sorted({owner, STAFF}):
            if is_told(row.event, row.payload, staff=each == STAFF):
                letters.append(Letter(each, source, row.event, row.at, row.payload))
        told = [*held[STAFF], *(held[owner] if owner != STAFF else _concerned(tx, row))]
        made += [
            _delivery(tx, channel.channel, source, row.event, row.payload, row.at)
            for channel in told
            if channel.behind < row.id and _wants(channel, row.event, row.payload)
        ]
        if row.event == events.ChannelAdded.name:
            made += _question(tx, row, held[owner])
    inbox.put(tx, letters)
    _rows.add(tx.connection, made)
    _rows.handed_on(tx.connection, [row.id for row in rows], tx.now)
    return len(rows)


def _concerned(tx: Tx, row: Any) -> Sequence[Any]:
    """Channels of owners that are for the API whose version has changed, if that is what happened."""
    return _rows.channels_for(tx.connection, row.payload["api"]) if row.event.startswith("version.") else ()


def _question(tx: Tx, row: Any, held: list[Any]) -> list[dict[str, Any]]:
    """The delivery by which an e-mail address that was just added is asked whether it is whose it is said to be."""
    return [
        _delivery(tx, channel.channel, f"confirm:{channel.channel}", CONFIRM, row.payload, row.at)
        for channel in held
        if channel.channel == row.payload["subject"] and channel.confirmed_at is None
    ]


def _wants(channel: Any, event: str, payload: Mapping[str, Any]) -> bool:
    api = payload.get("api", "")
    if channel.confirmed_at is None or (channel.api and api and channel.api != api):
        return False
    if channel.channel in (payload.get("channel"), payload.get("subject")):
        return False  # a channel is not told of itself
    return is_wanted(event, payload, channel.events, staff=channel.owner == STAFF)


def _delivery(tx: Tx, channel: str, source: str, event: str, payload: Mapping[str, Any], at: float) -> dict[str, Any]:
    return {
        "delivery": draw_id(tx.entropy),
        "channel": channel,
        "source": source,
        "event": event,
        "payload": dict(payload),
        "at": at,
        "created_at": tx.now,
        "state": "due",
        "attempts": 0,
        "due_at": tx.now,
        "result": "",
    }


def tell(tx: Tx, event: str, payloads: Mapping[str, Mapping[str, Any]], source: str) -> None:
    """Each owner's payload is in its inbox as *event*, and on its way to its channels, once for a *source*."""
    inbox.put(tx, (Letter(owner, source, event, tx.now, payload) for owner, payload in payloads.items()))
    rows = [
        _delivery(tx, channel.channel, source, event, payloads[channel.owner], tx.now)
        for channel in _rows.channels_of(tx.connection, sorted(payloads))
        if _wants(channel, event, payloads[channel.owner])
    ]
    _rows.add(tx.connection, rows)


def test(tx: Tx, channel: str) -> Delivery:
    """A test is on its way to the channel, signed as everything is. Raises ``channel_unknown``, ``channel_off``."""
    found = channels.require(tx, channel)
    _require_on(found)
    id_ = draw_id(tx.entropy)
    row = _delivery(tx, channel, f"test:{id_}", TEST, {"api": found.api, "subject": channel}, tx.now)
    _rows.add(tx.connection, [row])
    return shown(tx, row["delivery"])


def retry(tx: Tx, delivery: str) -> Delivery:
    """The delivery is due again, for one more attempt at least. Raises ``delivery_unknown``, ``channel_off``."""
    found = shown(tx, delivery)
    _require_on(channels.require(tx, found.channel))
    if found.state != "due":
        _rows.change(tx.connection, delivery, state="due", due_at=tx.now, settled_at=None, leased_until=None)
    return shown(tx, delivery)


def replay(tx: Tx, channel: str, *, since: float, until: float | None = None) -> int:
    """What happened from *since* until *until* (Unix seconds; now) and the channel wants is sent again; how much it is.

    What was sent before keeps its id. At most 1,000 events of the last 30 days: raises ``channel_wrong`` where there
    are more, and for an earlier moment; ``channel_unknown``, ``channel_off``.
    """
    found = channels.require(tx, channel)
    _require_on(found)
    if since < tx.now - KEPT_S:
        raise ProblemError("channel_wrong", "Events are kept for 30 days: name a moment since then.")
    row = _rows.channel(tx.connection, channel)
    wanted: list[Any] = []
    after, until = (since, 0), tx.now if until is None else until
    names = names_wanted(row.events, staff=row.owner == STAFF)
    while rows := _rows.events_between(tx.connection, after, until, owner=row.owner, wanted=names, limit=REPLAYED):
        after = (rows[-1].at, rows[-1].id)
        wanted += [each for each in rows if _is_for(row, each) and _wants(row, each.event, each.payload)]
        if len(wanted) > REPLAYED:
            raise ProblemError("channel_wrong", f"There are more than {REPLAYED} events: name a shorter time.")
    sources = [f"outbox:{each.id}" for each in wanted]
    _rows.again(tx.connection, channel, sources, tx.now)
    made = [_delivery(tx, channel, f"outbox:{each.id}", each.event, each.payload, each.at) for each in wanted]
    _rows.add(tx.connection, made)
    return len(wanted)


def _is_for(channel: Any, row: Any) -> bool:
    owner = owner_of(row.event, row.payload)
    concerned = row.event.startswith("version.") and channel.api == row.payload["api"]
    return channel.owner in (STAFF, owner) or concerned


def _require_on(channel: channels.Channel) -> None:
    if channel.state != "on":
        raise ProblemError("channel_off", f"Channel {channel.channel} is {channel.state}.")

"""The verbs of channels: each is done, audited and told once. No event and no error says which address it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from limen.control import apis, owners
from limen.control.channels import _rows
from limen.control.channels.views import Channel, require, row_of
from limen.core import events_delivery as events
from limen.core.endpoints import EndpointError, Network, read_endpoint
from limen.core.keys import draw_id
from limen.core.messages import PATTERN, STAFF
from limen.core.problems import ProblemError
from limen.core.webhooks import new_secret
from limen.db.sealed import read_token, seal, unseal
from limen.db.transaction import Tx

MOST, MOST_A_DAY = 20, 20
"""How many channels an owner has at most, and how many are added for it in a day: an address gets a message each."""

OVERLAP_S = 86_400.0
LONGEST_OVERLAP_S = 30 * 86_400.0
KINDS = ("email", "webhook")
DIALECTS = ("standard", "profile")
_EMAIL = re.compile(r"[!#$%&'*+./0-9=?A-Z^_`a-z{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z][A-Za-z0-9-]{0,62}")
_EMAIL_CHARS = 254
_EVENTS = 50
_RESEALED = 200
_SECRETS = ("sealed", "sealed_old")


@dataclass(frozen=True, slots=True)
class NewChannel:
    """A channel to be added. *owner*: empty for staff. *dialect*: empty for that of the API, where one is named."""

    owner: str
    kind: str
    address: str
    api: str = ""
    events: tuple[str, ...] = ()
    dialect: str = ""


@dataclass(frozen=True, slots=True)
class Added:
    """A channel that was added, or got a new secret: the *secret* is shown this once. Empty for e-mail."""

    channel: Channel
    secret: str


def add(tx: Tx, new: NewChannel, *, allowed: Sequence[Network] = (), confirmed: bool = False) -> Added:
    """The channel, which begins with what happens from now on. One that is there already stays, and shows no secret.

    Nothing but the question whether it is theirs is sent to an e-mail address, until whoever reads it says so, or
    unless staff know (*confirmed*). *allowed*: networks of one's own, for development. Raises ``channel_wrong``,
    ``owner_unknown``, ``owner_erased``, ``api_unknown``, ``too_many_open``.
    """
    new, host = _checked(tx, new, allowed)
    same = _rows.alike(tx.connection, owner=new.owner, kind=new.kind, address=new.address, api=new.api)
    if same is not None:
        return Added(confirm(tx, same.channel) if confirmed else require(tx, same.channel), "")
    today = _rows.added_since(tx.connection, new.owner, tx.now - 86_400)
    if _rows.count(tx.connection, new.owner) >= MOST or (new.owner != STAFF and today >= MOST_A_DAY):
        raise ProblemError("too_many_open", f"{MOST} channels at most, and {MOST_A_DAY} new ones a day.")
    channel, secret = draw_id(tx.entropy), ""
    sealed = None
    if new.kind == "webhook":
        secret = new_secret(tx.entropy)
        sealed = seal(tx.keyring, tx.pepper, secret, of=channel, entropy=tx.entropy)
    _rows.add(
        tx.connection,
        channel=channel,
        owner=new.owner,
        kind=new.kind,
        address=new.address,
        host=host,
        api=new.api,
        dialect=new.dialect,
        events=list(new.events),
        behind=_rows.last_event(tx.connection),
        created_at=tx.now,
        created_by=str(tx.actor),
        confirmed_at=tx.now if confirmed or new.kind == "webhook" else None,
        disabled_why="",
        sealed=sealed,
        pepper=None if sealed is None else tx.pepper,
        failures=0,
    )
    happened = events.ChannelAdded(api=new.api, subject=channel, owner=new.owner, kind=new.kind)
    known = {"kind": new.kind, "api": new.api, "events": list(new.events), "confirmed": confirmed}
    tx.record("channels.add", happened, after=known, personal={"address": new.address})
    return Added(require(tx, channel), secret)


def _checked(tx: Tx, new: NewChannel, allowed: Sequence[Network]) -> tuple[NewChannel, str]:
    """*new* as it is stored, and the host of its endpoint. Raises what ``add`` does."""
    if new.owner != STAFF and owners.require(tx, new.owner).state == "erased":
        raise ProblemError("owner_erased")
    if new.api:
        apis.require(tx, new.api)
    dialect = new.dialect or ("profile" if new.api and new.kind == "webhook" else "standard")
    if dialect not in DIALECTS or (dialect == "profile" and not new.api):
        raise ProblemError("channel_wrong", "A dialect is standard, or profile, which goes with an API.")
    _require_events(new.events)
    if new.kind == "email":
        if len(new.address) > _EMAIL_CHARS or _EMAIL.fullmatch(new.address) is None:
            raise ProblemError("channel_wrong", "An e-mail address is NAME@DOMAIN, in ASCII.")
        return replace(new, dialect="standard"), ""
    if new.kind != "webhook":
        raise ProblemError("channel_wrong", f"A channel is one of {', '.join(KINDS)}.")
    try:
        endpoint = read_endpoint(new.address, allowed)
    except EndpointError as error:
        raise ProblemError("channel_wrong", f"The endpoint cannot be called: {error}.") from error
    return replace(new, dialect=dialect, address=str(endpoint)), endpoint.host


def _require_events(wanted: Sequence[str]) -> None:
    if len(wanted) > _EVENTS or not all(map(PATTERN.fullmatch, wanted)):
        raise ProblemError("channel_wrong", f"Events are names as key.revoked, or key.*, or *; at most {_EVENTS}.")


def confirm(tx: Tx, channel: str, token: str | None = None) -> Channel:
    """The address is whose it is said to be: by the *token* that was sent to it; without one, staff know.

    Raises ``channel_unknown``, and ``token_wrong`` for another token.
    """
    if token is not None and read_token(tx.keyring, "confirm", token) != channel:
        raise ProblemError("token_wrong")
    row = row_of(tx, channel)
    if row.confirmed_at is None:
        _rows.change(tx.connection, channel, confirmed_at=tx.now, behind=_rows.last_event(tx.connection))
        happened = events.ChannelConfirmed(api=row.api, subject=channel, owner=row.owner)
        tx.record("channels.confirm", happened, by_token=token is not None)
    return require(tx, channel)


def change(
    tx: Tx,
    channel: str,
    *,
    events_wanted: Sequence[str] | None = None,
    muted: bool | None = None,
    enabled: bool | None = None,
    why: str = "hand",
) -> Channel:
    """Which events the channel wants, whether it is muted, and whether it is sent anything; None: as it is.

    *why* it is disabled: ``hand``, ``gone`` or ``failures``. What happens while it is muted or disabled is not sent
    later. Raises ``channel_unknown``, ``channel_wrong``.
    """
    row = row_of(tx, channel)
    if events_wanted is not None:
        _require_events(events_wanted)
        if list(events_wanted) != list(row.events):
            _changed(tx, row, "events", before=list(row.events), after=list(events_wanted))
            _rows.change(tx.connection, channel, events=list(events_wanted))
    if muted is not None and muted != (row.muted_at is not None):
        _changed(tx, row, "muted" if muted else "unmuted")
        _rows.change(tx.connection, channel, muted_at=tx.now if muted else None)
        _from_now_on(tx, channel, begins=not muted)
    if enabled is True and row.disabled_at is not None:
        _changed(tx, row, "enabled")
        _rows.change(tx.connection, channel, disabled_at=None, disabled_why="", failures=0, failing_since=None)
        _from_now_on(tx, channel, begins=True)
    if enabled is False and row.disabled_at is None:
        _rows.change(tx.connection, channel, disabled_at=tx.now, disabled_why=why)
        _from_now_on(tx, channel, begins=False)
        happened = events.ChannelDisabled(api=row.api, subject=channel, owner=row.owner, kind=row.kind, why=why)
        tx.record("channels.disable", happened)
    return require(tx, channel)


def _changed(tx: Tx, row: Any, what: str, **wanted: list[str]) -> None:
    happened = events.ChannelChanged(api=row.api, subject=row.channel, owner=row.owner, what=what)
    before, after = ({"events": wanted[name]} if wanted else None for name in ("before", "after"))
    tx.record("channels.change", happened, before=before, after=after)


def _from_now_on(tx: Tx, channel: str, *, begins: bool) -> None:
    """What was on its way to the channel is dropped where it ends, and nothing of before is sent where it begins."""
    if begins:
        _rows.change(tx.connection, channel, behind=_rows.last_event(tx.connection))
    else:
        _rows.drop_due(tx.connection, channel, tx.now)


def rotate(tx: Tx, channel: str, *, overlap_s: float = OVERLAP_S) -> Added:
    """The endpoint has a new secret, shown this once; the one before holds for *overlap_s* longer, 30 days at most.

    A secret that was still held from a rotation before ends. Raises ``channel_unknown``, ``channel_wrong``, and
    ``pepper_wrong`` where the one before cannot be read here; without an overlap it need not be.
    """
    row = row_of(tx, channel)
    if row.kind != "webhook":
        raise ProblemError("channel_wrong", "An e-mail address has no secret.")
    if not 0 <= overlap_s <= LONGEST_OVERLAP_S:
        raise ProblemError("channel_wrong", "An old secret holds for 30 days at most.")
    secret, until = new_secret(tx.entropy), tx.now + overlap_s
    before = _opened(tx, row, row.sealed) if overlap_s else ""
    _rows.change(
        tx.connection,
        channel,
        sealed=seal(tx.keyring, tx.pepper, secret, of=channel, entropy=tx.entropy),
        sealed_old=seal(tx.keyring, tx.pepper, before, of=channel, entropy=tx.entropy) if overlap_s else None,
        old_until=until if overlap_s else None,
        pepper=tx.pepper,
    )
    happened = events.ChannelSecretRotated(api=row.api, subject=channel, owner=row.owner, old_until=until)
    tx.record("channels.rotate", happened)
    return Added(require(tx, channel), secret)


def remove(tx: Tx, channel: str) -> None:
    """The channel is gone: nothing is sent there, and nothing says where it was. Twice is once."""
    row = _rows.one(tx.connection, channel)
    if row is None:
        return
    _rows.drop_due(tx.connection, channel, tx.now)
    gone = {"sealed": None, "sealed_old": None, "old_until": None, "pepper": None}
    _rows.change(tx.connection, channel, address="", host="", removed_at=tx.now, **gone)
    tx.record("channels.remove", events.ChannelRemoved(api=row.api, subject=channel, owner=row.owner))


def reseal(tx: Tx) -> int:
    """Secrets that are sealed under an older pepper than the newest are sealed under that; how many channels' are left.

    Nobody decides this, so the audit says nothing of it (ADR 0015). What cannot be read stands in the way of no other;
    raises ``pepper_wrong`` where there is nothing else.
    """
    rows = _rows.sealed_before(tx.connection, tx.pepper, _RESEALED)
    unread: list[ProblemError] = []
    for row in rows:
        try:
            old = {name: _opened(tx, row, sealed) for name in _SECRETS if (sealed := getattr(row, name)) is not None}
        except ProblemError as problem:
            unread.append(problem)
            continue
        anew = {
            name: seal(tx.keyring, tx.pepper, secret, of=row.channel, entropy=tx.entropy)
            for name, secret in old.items()
        }
        _rows.change(tx.connection, row.channel, pepper=tx.pepper, **anew)
    if unread and len(unread) == len(rows):
        raise unread[0]
    return len(_rows.sealed_before(tx.connection, tx.pepper, 1)) if rows else 0


def _opened(tx: Tx, row: Any, sealed: bytes) -> str:
    """A secret of the channel. Raises ``pepper_wrong``."""
    try:
        return unseal(tx.keyring, row.pepper, sealed, of=row.channel)
    except (LookupError, ValueError) as error:
        has = "no" if isinstance(error, LookupError) else "another"
        detail = (
            f"The pepper file has {has} version {row.pepper}, under which a secret of channel {row.channel} is sealed."
        )
        raise ProblemError("pepper_wrong", detail) from error

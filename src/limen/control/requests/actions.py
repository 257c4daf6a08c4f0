"""The verbs of requests. Members ask, withdraw and reveal, by their role; staff decide, and may do all of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from limen.control import keys, members, run_settings
from limen.control.requests import _rows
from limen.control.requests.views import Request, require
from limen.core import events_people as events
from limen.core.keys import draw_id
from limen.core.people import Right
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN
from limen.db.transaction import Tx

MOST_OPEN = 20
"""How many requests of an owner wait for a decision at once."""

_DAY_S = 86_400
_REASON_CHARS, _USE_CASE_CHARS = 500, 2_000
_TEXT = re.compile(r"[^\x00-\x09\x0b-\x1f\x7f]*")


@dataclass(frozen=True, slots=True)
class Wish:
    """A key that is asked for. What is None is as the profile says."""

    api: str
    owner: str
    name: str
    scopes: Mapping[str, str]
    """Each scope, and why it is needed."""
    use_case: str
    key_class: str = "secret"
    environment: str = "live"
    expires_at: float | None = None
    origins: tuple[str, ...] | None = None
    addresses: tuple[str, ...] | None = None
    pinned: str | None = None


def ask(tx: Tx, wish: Wish) -> Request:
    """The request, for staff to decide (R175, R188, R189). It could be issued as it is.

    Raises what ``keys.issue`` would, but for the owner's one place, which is looked at when the key is revealed;
    ``scope_unknown`` where no scope is named, ``reason_wrong`` where a scope's reason or the use case is missing,
    ``api_built_in``, ``role_too_low``, and ``too_many_open`` where ``MOST_OPEN`` of the owner's wait already.
    """
    if wish.api == BUILT_IN:
        raise ProblemError("api_built_in", f"Keys of {BUILT_IN!r} are issued by staff; nobody asks for them.")
    _require_actor(tx, wish.owner)
    _require_text(wish.use_case, "use case", _USE_CASE_CHARS)
    for scope, reason in wish.scopes.items():
        _require_text(reason, f"reason for {scope!r}", _REASON_CHARS)
    _key_of(wish, tuple(wish.scopes)).check(tx)
    if _rows.count_open(tx.connection, wish.owner) >= MOST_OPEN:
        raise ProblemError(
            "too_many_open", f"{MOST_OPEN} requests of {wish.owner!r} wait already. Withdraw some first."
        )
    request = draw_id(tx.entropy)
    _rows.add(
        tx.connection,
        request=request,
        api=wish.api,
        owner=wish.owner,
        wish={
            "name": wish.name,
            "key_class": wish.key_class,
            "environment": wish.environment,
            "scopes": dict(wish.scopes),
            "expires_at": wish.expires_at,
            "origins": wish.origins,
            "addresses": wish.addresses,
            "pinned": wish.pinned,
        },
        use_case=wish.use_case,
        state="open",
        asked_by=str(tx.actor),
        asked_at=tx.now,
    )
    happened = events.RequestAsked(api=wish.api, subject=request, owner=wish.owner, scopes=tuple(wish.scopes))
    tx.record("requests.ask", happened, owner=wish.owner, scopes=list(wish.scopes))
    return require(tx, request)


def grant(tx: Tx, request: str, *, scopes: Sequence[str] | None = None, reason: str = "") -> Request:
    """The key may be revealed, with all scopes that were asked for or with these (R16, R190, R191).

    For as long as the setting ``requests.lapse_days`` says. Raises ``request_unknown``, ``request_settled``,
    ``role_too_low`` where a member would decide, ``scope_not_grantable`` for a scope that was not asked for or for none
    at all, ``reason_wrong``, and what ``keys.issue`` would where the profile has changed meanwhile.
    """
    found = _undecided(tx, request)
    if reason:
        _require_text(reason, "reason", _REASON_CHARS)
    granted = tuple(scope for scope in found.scopes if scopes is None or scope in scopes)
    if beyond := [scope for scope in scopes or () if scope not in found.scopes]:
        raise ProblemError("scope_not_grantable", f"Not asked for: {', '.join(beyond)}. More takes another request.")
    if not granted:
        raise ProblemError("scope_not_grantable", "Grant one scope at least, or refuse the request.")
    _key_of(found, granted).check(tx)
    lapses_at = tx.now + run_settings.value(tx, "requests.lapse_days") * _DAY_S
    _rows.change(
        tx.connection,
        request,
        state="granted",
        granted=granted,
        decided_by=str(tx.actor),
        decided_at=tx.now,
        reason=reason,
        lapses_at=lapses_at,
    )
    happened = events.RequestGranted(
        api=found.api, subject=request, owner=found.owner, scopes=granted, lapses_at=lapses_at
    )
    asked = {"state": "open", "scopes": list(found.scopes)}
    after = {"state": "granted", "scopes": list(granted)}
    tx.record("requests.grant", happened, before=asked, after=after, personal={"reason": reason}, owner=found.owner)
    return require(tx, request)


def refuse(tx: Tx, request: str, *, reason: str) -> Request:
    """There will be no key, for this *reason* (R16, R191). Who wants one asks anew.

    Raises ``request_unknown``, ``request_settled``, ``role_too_low`` where a member would decide, ``reason_wrong``.
    """
    found = _undecided(tx, request)
    _require_text(reason, "reason", _REASON_CHARS)
    _rows.change(tx.connection, request, state="refused", decided_by=str(tx.actor), decided_at=tx.now, reason=reason)
    happened = events.RequestRefused(api=found.api, subject=request, owner=found.owner)
    states = {"before": {"state": found.state}, "after": {"state": "refused"}}
    tx.record("requests.refuse", happened, **states, personal={"reason": reason}, owner=found.owner)
    return require(tx, request)


def withdraw(tx: Tx, request: str) -> Request:
    """The request is taken back, undecided or granted, as long as no key was made. Staff can take a grant back so.

    Raises ``request_unknown``, ``request_settled``, ``role_too_low``.
    """
    found = _found(tx, request)
    if found.state not in ("open", "granted"):
        raise _settled(found)
    _rows.change(tx.connection, request, state="withdrawn")
    happened = events.RequestWithdrawn(api=found.api, subject=request, owner=found.owner)
    states = {"before": {"state": found.state}, "after": {"state": "withdrawn"}}
    tx.record("requests.withdraw", happened, **states, owner=found.owner)
    return require(tx, request)


def reveal(tx: Tx, request: str) -> keys.Issued:
    """The key that was granted, made now and shown once (R67). It takes its place as any key that is issued (C1).

    Raises ``request_unknown``, ``request_open`` before staff decided, ``request_settled`` where there is nothing to
    reveal or not any more, ``request_lapsed``, ``role_too_low``, and what ``keys.issue`` does: the request stays then.
    """
    found = _found(tx, request)
    if found.state == "open":
        raise ProblemError("request_open")
    if found.state == "lapsed":
        raise ProblemError("request_lapsed")
    if found.state != "granted":
        raise _settled(found)
    said = {"request": request, "asked_by": found.asked_by, "granted_by": found.decided_by}
    issued = keys.issue(tx, _key_of(found, found.granted), granted=said)
    _rows.change(tx.connection, request, state="revealed", key=issued.key.key)
    happened = events.RequestRevealed(api=found.api, subject=request, owner=found.owner, key=issued.key.key)
    tx.record("requests.reveal", happened, owner=found.owner, key=issued.key.key)
    return issued


def _key_of(wish: Wish | Request, scopes: tuple[str, ...]) -> keys.NewKey:
    """The key that is asked for, with these *scopes*."""
    return keys.NewKey(
        wish.api,
        wish.owner,
        wish.name,
        key_class=wish.key_class,
        environment=wish.environment,
        scopes=scopes,
        expires_at=wish.expires_at,
        origins=wish.origins,
        addresses=wish.addresses,
        pinned=wish.pinned,
    )


def _require_actor(tx: Tx, owner: str) -> None:
    """Staff, or a member who may use the owner's keys."""
    if tx.actor.is_staff:
        return
    if tx.actor.kind != "member":
        raise ProblemError("role_too_low", "Whoever holds a key asks for no other.")
    members.require_right(tx, tx.actor.name, owner, Right.USE_KEYS)


def _found(tx: Tx, request: str) -> Request:
    """The request, for staff or whoever may use its owner's keys; to a stranger it is not there."""
    found = require(tx, request)
    if not tx.actor.is_staff and members.role_of(tx, tx.actor.name, found.owner) is None:
        raise ProblemError("request_unknown", f"There is no request {request!r}.")
    _require_actor(tx, found.owner)
    return found


def _undecided(tx: Tx, request: str) -> Request:
    """The request, open, for staff to decide."""
    found = _found(tx, request)
    if not tx.actor.is_staff:
        raise ProblemError("role_too_low", "Staff decide on requests.")
    if found.state != "open":
        raise _settled(found)
    return found


def _settled(found: Request) -> ProblemError:
    return ProblemError("request_settled", f"The request is {found.state} already.")


def _require_text(text: str, what: str, most: int) -> None:
    if not text.strip() or len(text) > most or _TEXT.fullmatch(text) is None:
        raise ProblemError("reason_wrong", f"The {what} has 1 to {most} characters, this one {len(text)}.")

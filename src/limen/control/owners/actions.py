"""The verbs of owners. Each is idempotent: done twice, it is done, audited and told once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from limen.control import audit
from limen.control.apis import profile_of
from limen.control.owners import _rows
from limen.core import events
from limen.core.events_people import RequestWithdrawn
from limen.core.keys import draw_id
from limen.core.limits import Limits, read_limits, refuses_all, warnings, write_limits
from limen.core.names import folded
from limen.core.people import Actor
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN
from limen.db.transaction import Happening, Reader, Tx

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.:@-]{0,99}")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
KINDS = ("user", "organisation")
STATES = ("active", "suspended", "erased")


@dataclass(frozen=True, slots=True)
class NewOwner:
    """An owner to be made. *owner* is the platform's own id for it; empty: one is drawn."""

    kind: str
    name: str = ""
    owner: str = ""

    def check(self) -> None:
        """It could be made, unless it is there. Raises ``request_malformed`` or ``name_wrong``."""
        if self.kind not in KINDS:
            raise ProblemError("request_malformed", f"Kind {self.kind!r} is none of {', '.join(KINDS)}.")
        if self.owner and _ID.fullmatch(self.owner) is None:
            raise ProblemError(
                "request_malformed", f"Owner id {self.owner!r} is not 1 to 100 of letters, digits, _ . : @ -."
            )
        if self.name and _NAME.fullmatch(self.name) is None:
            raise ProblemError("name_wrong")


@dataclass(frozen=True, slots=True)
class Standing:
    """How an owner stands with an API."""

    api: str
    plan: str
    allowed: bool
    limits: str
    """The owner's own limits, as they are written; empty: none."""
    warnings: tuple[str, ...] = ()
    """What is odd about these limits."""


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner, as control shows it. Moments are Unix seconds."""

    owner: str
    kind: str
    name: str
    state: str
    """``active``, ``suspended`` or ``erased``, which is suspended for good."""
    suspended_reason: str
    created_at: float
    standings: tuple[Standing, ...]


def create(tx: Tx, new: NewOwner, *others: NewOwner) -> Owner:
    """The owner *new*, made, and with it the *others*: a few statements for all of them.

    Raises ``owner_exists``, or ``request_malformed`` for an id or kind that cannot be.
    """
    made = {}
    for each in (new, *others):
        each.check()
        made[each.owner or draw_id(tx.entropy)] = each
    if taken := _rows.there(tx.connection, list(made)):
        raise ProblemError("owner_exists", f"There is an owner {min(taken)!r} already.")
    rows = [
        {"owner": owner, "kind": of.kind, "name": of.name, "folded": folded(of.name), "created_at": tx.now}
        for owner, of in made.items()
    ]
    _rows.add(tx.connection, rows)
    tx.record_all(
        "owners.create",
        (
            Happening(events.OwnerCreated(api="", subject=owner), {"kind": of.kind}, personal={"name": of.name})
            for owner, of in made.items()
        ),
    )
    return require(tx, next(iter(made)))


def require(reader: Reader, owner: str) -> Owner:
    """The owner. Raises ``owner_unknown``. One or two reads."""
    row = _rows.one(reader.connection, owner)
    if row is None:
        raise ProblemError("owner_unknown", f"There is no owner {owner!r}.")
    return _owners(reader, [row])[0]


def listed(reader: Reader, *, after: str = "", limit: int = 100, **wanted: Unpack[_rows.Wanted]) -> list[Owner]:
    """Owners from behind the owner *after* on, at most *limit*: in the order of their ids, or of their names.

    *wanted*: ``kind``, ``state``, ``plan`` on ``api``, and ``name``, with which their names begin, whatever the case;
    then the order is that of the names. Raises ``request_malformed`` for a kind or state that owners do not have, and
    for one of plan and API without the other; ``owner_unknown`` where *after* is no owner to go on behind by name.
    """
    kind, state = wanted.get("kind", ""), wanted.get("state", "")
    if kind and kind not in KINDS:
        raise ProblemError("request_malformed", f"Kind {kind!r} is none of {', '.join(KINDS)}.")
    if state and state not in STATES:
        raise ProblemError("request_malformed", f"State {state!r} is none of {', '.join(STATES)}.")
    if bool(wanted.get("plan")) != bool(wanted.get("api")):
        raise ProblemError("request_malformed", "A plan is one of an API's: say both, or neither.")
    behind = ""
    if name := wanted.get("name", ""):
        wanted["name"] = folded(name)
        behind = folded(require(reader, after).name) if after else ""
    return _owners(reader, _rows.page(reader.connection, wanted, after=(behind, after), limit=limit))


def _owners(reader: Reader, rows: Sequence[Any]) -> list[Owner]:
    held: dict[str, list[Standing]] = {row.owner: [] for row in rows}
    for found in _rows.standings_of(reader.connection, list(held)):
        own = found.limits or ""
        odd = warnings(read_limits(own, "allowance")) if own else ()
        held[found.owner].append(Standing(found.api, found.plan, found.allowed, own, odd))
    return [
        Owner(
            owner=row.owner,
            kind=row.kind,
            name=row.name,
            state="erased" if row.erased_at is not None else "active" if row.suspended_at is None else "suspended",
            suspended_reason=row.suspended_reason or "",
            created_at=row.created_at,
            standings=tuple(held[row.owner]),
        )
        for row in rows
    ]


def suspend(tx: Tx, owner: str, *, reason: str) -> Owner:
    """All access of the owner is refused from now on, on every API, until it is restored (R162, R170)."""
    if require(tx, owner).state == "active":
        _rows.change(tx.connection, owner, suspended_at=tx.now, suspended_reason=reason)
        tx.tombstone("owner", owner, "suspended")
        tx.change("owner", subject=owner.encode())
        happened = events.OwnerSuspended(api="", subject=owner)
        states = {"before": {"state": "active"}, "after": {"state": "suspended"}}
        tx.record("owners.suspend", happened, **states, personal={"reason": reason})
    return require(tx, owner)


def restore(tx: Tx, owner: str) -> Owner:
    """A suspended owner's keys are what they were before. Raises ``owner_unknown``, ``owner_erased``."""
    state = require(tx, owner).state
    if state == "erased":
        raise ProblemError("owner_erased", f"Owner {owner!r} has been erased; that is final.")
    if state == "suspended":
        _rows.change(tx.connection, owner, suspended_at=None, suspended_reason=None)
        tx.tombstone("owner", owner, "restored")
        tx.change("owner", subject=owner.encode())
        states = {"before": {"state": state}, "after": {"state": "active"}}
        tx.record("owners.restore", events.OwnerRestored(api="", subject=owner), **states)
    return require(tx, owner)


def erase(tx: Tx, owner: str) -> Owner:
    """Who the owner is, is forgotten, and all its access is refused for good (R73). Raises ``owner_unknown``.

    Gone are its name, why it was suspended, who was invited to it, what was written in requests for its keys and in
    those that it made, replies that are kept of its writes or name it, and in the audit all that is personal of it, of
    its invitations and of these requests, and where it came from as a member. Such requests as were open or granted are
    withdrawn. Its id stays, so that the audit, its keys and their readings still hang together, and is never given
    again.
    """
    state = require(tx, owner).state
    if state != "erased":
        blank = {"name": "", "folded": "", "suspended_reason": None}
        tx.tombstone("owner", owner, "erased")
        with _rows.overwriting(tx.connection):
            _rows.change(tx.connection, owner, suspended_at=tx.now, erased_at=tx.now, **blank)
            invitations = _rows.forget_invitations(tx.connection, owner)
            requests = _rows.forget_requests(tx.connection, owner)
            _rows.forget_replies(tx.connection, owner)
            _rows.forget_alerts(tx.connection, owner)
            channels = _rows.forget_channels(tx.connection, owner, tx.now)
        for request in requests:
            if request.state in ("open", "granted"):
                withdrawn = RequestWithdrawn(api=request.api, subject=request.request, owner=request.owner)
                before_after = {"before": {"state": request.state}, "after": {"state": "withdrawn"}}
                tx.record("requests.withdraw", withdrawn, **before_after, owner=request.owner)
        for subject in (owner, *invitations, *channels, *(request.request for request in requests)):
            audit.erase(tx, {"subject": subject})
        audit.erase(tx, {"actor": str(Actor("member", owner))}, field="origin")
        tx.change("owner", subject=owner.encode())
        states = {"before": {"state": state}, "after": {"state": "erased"}}
        tx.record("owners.erase", events.OwnerErased(api="", subject=owner), **states)
    return require(tx, owner)


def set_plan(tx: Tx, owner: str, api: str, *, plan: str, limits: Limits = ()) -> Owner:
    """The owner's plan on *api*, and its own limits, which go before the plan's (R255, R256).

    Raises ``plan_unknown``, and ``api_built_in`` for a limit that would let nobody call Limen's own API.
    """
    require(tx, owner)
    if api == BUILT_IN and refuses_all(limits):
        raise ProblemError("api_built_in", f"A limit of 0 keeps an owner out of {BUILT_IN!r}: suspend it instead.")
    plans = profile_of(tx, api).plans
    if plan and plan not in plans:
        raise ProblemError("plan_unknown", f"Plan {plan!r} is none of {', '.join(plans) or 'none at all'}.")
    values = {"plan": plan, "limits": write_limits(limits) or None}
    found = _rows.standing(tx.connection, owner, api)
    if found is None or any(getattr(found, name) != value for name, value in values.items()):
        _rows.set_standing(tx.connection, owner, api, **values)
        tx.change("owner", api=api, subject=owner.encode())
        before = {name: getattr(found, name, None) for name in values}
        happened = events.OwnerPlanSet(api=api, subject=owner, plan=plan)
        tx.record("owners.set_plan", happened, before=before, after=values)
    return require(tx, owner)


def allow(tx: Tx, owner: str, api: str, *others: str) -> Owner:
    """The owner is on *api*'s allow-list (R99), and so are the *others*: a few statements for all of them."""
    return _set_allowed(tx, (owner, *others), api, allowed=True)


def disallow(tx: Tx, owner: str, api: str) -> Owner:
    """The owner is off *api*'s allow-list: where the list is on, its requests are refused."""
    return _set_allowed(tx, (owner,), api, allowed=False)


def _set_allowed(tx: Tx, ids: Sequence[str], api: str, *, allowed: bool) -> Owner:
    if missing := set(ids) - _rows.there(tx.connection, ids):
        raise ProblemError("owner_unknown", f"There is no owner {min(missing)!r}.")
    profile_of(tx, api)
    changed = _rows.set_allowed(tx.connection, ids, api, allowed=allowed)
    tx.change_all("owner", ((api, owner.encode()) for owner in changed))
    told = events.OwnerAllowed if allowed else events.OwnerDisallowed
    states: dict[str, Any] = {"before": {"allowed": not allowed}, "after": {"allowed": allowed}}
    tx.record_all(
        "owners.allow" if allowed else "owners.disallow",
        (Happening(told(api=api, subject=owner), **states) for owner in changed),
    )
    return require(tx, ids[0])

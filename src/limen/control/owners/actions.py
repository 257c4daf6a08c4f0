"""The verbs of owners. Each is idempotent: done twice, it is done, audited and told once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from limen.control.apis import profile_of
from limen.control.owners import _rows
from limen.core import events
from limen.core.keys import draw_id
from limen.core.limits import Limit
from limen.core.problems import ProblemError
from limen.db.transaction import Reader, Tx

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.:@-]{0,99}")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
KINDS = ("user", "organisation")


@dataclass(frozen=True, slots=True)
class NewOwner:
    """An owner to be made. *owner* is the platform's own id for it; empty: one is drawn."""

    kind: str
    name: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an owner stands with an API."""

    api: str
    plan: str
    allowed: bool
    limit: str


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner, as control shows it. Moments are Unix seconds."""

    owner: str
    kind: str
    name: str
    state: str
    """``active`` or ``suspended``."""
    suspended_reason: str
    created_at: float
    standings: tuple[Standing, ...]


def create(tx: Tx, new: NewOwner) -> Owner:
    """The owner, made. Raises ``owner_exists``, or ``request_malformed`` for an id or kind that cannot be."""
    owner = new.owner or draw_id(tx.entropy)
    if new.kind not in KINDS:
        raise ProblemError("request_malformed", f"Kind {new.kind!r} is none of {', '.join(KINDS)}.")
    if _ID.fullmatch(owner) is None:
        raise ProblemError("request_malformed", f"Owner id {owner!r} is not 1 to 100 of letters, digits, _ . : @ -.")
    if new.name and _NAME.fullmatch(new.name) is None:
        raise ProblemError("name_wrong")
    if _rows.one(tx.connection, owner) is not None:
        raise ProblemError("owner_exists", f"There is an owner {owner!r} already.")
    _rows.add(tx.connection, owner=owner, kind=new.kind, name=new.name, created_at=tx.now)
    tx.record("owners.create", events.OwnerCreated(api="", subject=owner), kind=new.kind, name=new.name)
    return require(tx, owner)


def require(reader: Reader, owner: str) -> Owner:
    """The owner. Raises ``owner_unknown``. One or two reads."""
    row = _rows.one(reader.connection, owner)
    if row is None:
        raise ProblemError("owner_unknown", f"There is no owner {owner!r}.")
    return _owner(reader, row)


def listed(reader: Reader, *, after: str = "", limit: int = 100) -> list[Owner]:
    """Owners in the order of their ids, from behind *after* on, at most *limit*."""
    return [_owner(reader, row) for row in _rows.page(reader.connection, after=after, limit=limit)]


def _owner(reader: Reader, row: Any) -> Owner:
    return Owner(
        owner=row.owner,
        kind=row.kind,
        name=row.name,
        state="active" if row.suspended_at is None else "suspended",
        suspended_reason=row.suspended_reason or "",
        created_at=row.created_at,
        standings=tuple(
            Standing(
                found.api,
                found.plan,
                found.allowed,
                found.limits or "",
            )
            for found in _rows.standings_of(reader.connection, row.owner)
        ),
    )


def suspend(tx: Tx, owner: str, *, reason: str) -> Owner:
    """All access of the owner is refused from now on, on every API, until it is restored (R162, R170)."""
    if require(tx, owner).state != "suspended":
        _rows.change(tx.connection, owner, suspended_at=tx.now, suspended_reason=reason)
        tx.change("owner", subject=owner.encode())
        tx.record("owners.suspend", events.OwnerSuspended(api="", subject=owner, reason=reason), reason=reason)
    return require(tx, owner)


def restore(tx: Tx, owner: str) -> Owner:
    """A suspended owner's keys are what they were before."""
    if require(tx, owner).state == "suspended":
        _rows.change(tx.connection, owner, suspended_at=None, suspended_reason=None)
        tx.change("owner", subject=owner.encode())
        tx.record("owners.restore", events.OwnerRestored(api="", subject=owner))
    return require(tx, owner)


def set_plan(tx: Tx, owner: str, api: str, *, plan: str, limit: Limit | None = None) -> Owner:
    """The owner's plan on *api*, and its own limit, which goes before the plan's (R255, R256).

    Raises ``plan_unknown``.
    """
    require(tx, owner)
    plans = profile_of(tx, api).plans
    if plan and plan not in plans:
        raise ProblemError("plan_unknown", f"Plan {plan!r} is none of {', '.join(plans) or 'none at all'}.")
    values = {
        "plan": plan,
        "limits": str(limit) if limit else None,
    }
    found = _rows.standing(tx.connection, owner, api)
    if found is None or any(getattr(found, name) != value for name, value in values.items()):
        _rows.set_standing(tx.connection, owner, api, **values)
        tx.change("owner", api=api, subject=owner.encode())
        tx.record("owners.set_plan", events.OwnerPlanSet(api=api, subject=owner, plan=plan), limit=str(limit or ""))
    return require(tx, owner)


def allow(tx: Tx, owner: str, api: str) -> Owner:
    """The owner is on *api*'s allow-list (R99)."""
    return _set_allowed(tx, owner, api, allowed=True)


def disallow(tx: Tx, owner: str, api: str) -> Owner:
    """The owner is off *api*'s allow-list: where the list is on, its requests are refused."""
    return _set_allowed(tx, owner, api, allowed=False)


def _set_allowed(tx: Tx, owner: str, api: str, *, allowed: bool) -> Owner:
    require(tx, owner)
    profile_of(tx, api)
    found = _rows.standing(tx.connection, owner, api)
    if (found is not None and found.allowed) != allowed:
        _rows.set_standing(tx.connection, owner, api, allowed=allowed)
        tx.change("owner", api=api, subject=owner.encode())
        happened = events.OwnerAllowed if allowed else events.OwnerDisallowed
        tx.record("owners.allow" if allowed else "owners.disallow", happened(api=api, subject=owner))
    return require(tx, owner)

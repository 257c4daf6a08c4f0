"""The verbs of keys. What may differ between platforms, their profile says (C1, C4, C15, C17)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from limen.control import apis
from limen.control.keys import _rows
from limen.control.keys.new import END_OF_TIME_S, NewKey, columns, latest
from limen.control.keys.views import Key, require, view
from limen.core import events
from limen.core.keys import hint, locator, mint
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN, KeyClass, Profile
from limen.db.transaction import Tx

BY_STAFF = "by staff"
"""Why a key sleeps that staff deactivated, in place of a reason for its end."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A key that was just made, with its text: to be shown once, and kept nowhere (R67, R208)."""

    key: Key
    text: str = field(repr=False)


def issue(tx: Tx, new: NewKey, *, granted: Mapping[str, str] | None = None) -> Issued:
    """The key. Where the profile allows one active key an owner, it takes the place of the one before (R9, R10, C1).

    Where the profile wants approval, and on Limen's own API, staff issue, and others only what staff *granted*: of that
    request the audit keeps what is said here (R16).

    Raises ``api_unknown``, ``approval_required``, ``owner_unknown``, ``owner_erased``, ``owner_type_wrong``,
    ``class_unknown``, ``environment_unknown``, ``scope_unknown``, ``scope_not_grantable``, ``plan_feature_missing``,
    ``expiry_wrong``, ``origins_wrong``, ``addresses_wrong``, ``name_wrong``, ``version_not_registered``, ``pin_wrong``,
    and ``slot_taken`` where the profile rejects a second key.
    """
    profile = apis.profile_of(tx, new.api)
    approved = tx.actor.is_staff or granted is not None
    if not approved and (profile.keys.issuance == "approval" or new.api == BUILT_IN):
        raise ProblemError("approval_required", f"Keys of {new.api} are granted by its staff: ask for one.")
    values = columns(tx, new, profile)
    slot = _slot(new.api, new.owner, profile)
    replaced = _holder(tx, slot)
    if replaced is not None:
        if profile.keys.on_overflow == "reject":
            raise _taken(replaced)
        _end(tx, replaced, "revoked", reason="replaced")
    issued = _add(tx, values, slot=slot, before=replaced)
    before = replaced.key if replaced is not None else ""
    happened = events.KeyIssued(api=new.api, subject=issued.key.key, owner=new.owner, replaced=before)
    detail: dict[str, Any] = {"scopes": list(issued.key.scopes), "key_class": new.key_class, "replaced": before}
    tx.record("keys.issue", happened, **detail | dict(granted or {}))
    return issued


def regenerate(tx: Tx, key: str, *, overlap_s: int | None = None) -> Issued:
    """A new key of the same name, class and scopes; the old one ends now, or after the overlap (C4, C17).

    The overlap is at most the profile's, and never outlives the old key's own expiry. The new key ends when the old one
    would have, or by the profile's longest life before that. Raises ``key_unknown``, ``key_ended``, ``slot_taken``
    where the key slept and another has its place, ``deactivated_by_staff`` where it is not the caller's to wake,
    ``expiry_wrong`` for an overlap that the profile does not allow.
    """
    row = _live(tx, key)
    _require_waking(tx, row)
    profile = apis.profile_of(tx, row.api)
    overlap = profile.keys.overlap_s if overlap_s is None else overlap_s
    if not 0 <= overlap <= profile.keys.overlap_s:
        raise ProblemError("expiry_wrong", f"An overlap is 0 to {profile.keys.overlap_s} s here, not {overlap} s.")
    slot = _slot(row.api, row.owner, profile)
    if (holder := _holder(tx, slot)) is not None and holder.key != key:
        raise _taken(holder)
    ends_at = tx.now + overlap if row.expires_at is None else min(row.expires_at, tx.now + overlap)
    if overlap > 0:
        _rows.change(tx.connection, key, expires_at=ends_at)
        tx.tombstone("key", key, "expires", expires_at=ends_at)
        tx.change("key", api=row.api, subject=row.locator)
    else:
        _end(tx, row, "revoked", reason="regenerated")
    kept = (
        "api",
        "owner",
        "class",
        "environment",
        "name",
        "scopes",
        "origins",
        "addresses",
        "limits",
        "pinned",
    )
    expiries = [moment for moment in (row.expires_at, latest(tx, profile)) if moment is not None]
    values = {name: getattr(row, name) for name in kept} | {"expires_at": min(expiries, default=None)}
    issued = _add(tx, values, slot=slot, before=row)
    happened = events.KeyRegenerated(
        api=row.api, subject=issued.key.key, owner=row.owner, predecessor=key, ends_at=ends_at
    )
    before = {"predecessor": {"state": row.state, "expires_at": row.expires_at}}
    ended = {"state": row.state, "expires_at": ends_at} if overlap else {"state": "revoked"}
    tx.record(
        "keys.regenerate",
        happened,
        before=before,
        after={"predecessor": ended},
        predecessor=key,
        overlap_s=overlap,
    )
    return issued


def deactivate(tx: Tx, key: str) -> Key:
    """The key is refused until it is reactivated (R221); where staff did this, until staff do that.

    Raises ``key_unknown``, ``key_ended``.
    """
    row = _live(tx, key)
    reason = BY_STAFF if tx.actor.is_staff else None
    if row.state == "active" or (reason is not None and row.ended_reason != reason):
        _rows.change(tx.connection, key, state="inactive", slot=None, ended_reason=reason)
        tx.tombstone("key", key, "inactive")
        tx.change("key", api=row.api, subject=row.locator)
        happened = events.KeyDeactivated(api=row.api, subject=key, owner=row.owner)
        tx.record("keys.deactivate", happened, before={"state": row.state}, after={"state": "inactive"})
    return require(tx, key)


def reactivate(tx: Tx, key: str) -> Key:
    """A deactivated key is admitted again (R222).

    Raises ``key_unknown``, ``key_ended``, ``slot_taken``, and ``deactivated_by_staff`` where others than staff would.
    """
    row = _live(tx, key)
    if row.state == "inactive":
        _require_waking(tx, row)
        slot = _slot(row.api, row.owner, apis.profile_of(tx, row.api))
        if (holder := _holder(tx, slot)) is not None:
            raise _taken(holder)
        _rows.change(tx.connection, key, state="active", slot=slot, ended_reason=None)
        tx.tombstone("key", key, "active")
        tx.change("key", api=row.api, subject=row.locator)
        happened = events.KeyReactivated(api=row.api, subject=key, owner=row.owner)
        tx.record("keys.reactivate", happened, before={"state": "inactive"}, after={"state": "active"})
    return require(tx, key)


def revoke(tx: Tx, key: str, *, reason: str = "") -> Key:
    """The key is ended for good (R68, R69). Done twice, the first reason stands. Raises ``key_unknown``."""
    row = _row(tx, key)
    if row.state != "revoked":
        _end(tx, row, "revoked", reason=reason)
        happened = events.KeyRevoked(api=row.api, subject=key, owner=row.owner)
        states = {"before": {"state": row.state}, "after": {"state": "revoked"}}
        tx.record("keys.revoke", happened, **states, personal={"reason": reason})
    return require(tx, key)


def delete(tx: Tx, key: str) -> None:
    """The key is revoked and hidden; its row stays for the audit (R223, C15). Raises ``key_unknown``."""
    row = _row(tx, key)
    if row.state != "revoked":
        _end(tx, row, "revoked", reason="deleted")
    _rows.change(tx.connection, key, deleted_at=tx.now)
    tx.tombstone("key", key, "deleted")
    states = {"before": {"state": row.state}, "after": {"state": "revoked", "deleted_at": tx.now}}
    tx.record("keys.delete", events.KeyDeleted(api=row.api, subject=key, owner=row.owner), **states)


def set_expiry(tx: Tx, key: str, *, expires_at: float) -> Key:
    """The key ends at *expires_at* (Unix seconds): a date is only ever set or brought forward.

    Raises ``key_unknown``, ``key_ended``, ``expiry_wrong``.
    """
    row = _live(tx, key)
    if row.expires_at == expires_at:
        return require(tx, key)
    if not tx.now <= expires_at < END_OF_TIME_S or (row.expires_at is not None and expires_at > row.expires_at):
        raise ProblemError("expiry_wrong", "An expiry lies ahead, before the year 9999, and is only brought forward.")
    _rows.change(tx.connection, key, expires_at=expires_at)
    tx.tombstone("key", key, "expires", expires_at=expires_at)
    tx.change("key", api=row.api, subject=row.locator)
    happened = events.KeyExpiryChanged(api=row.api, subject=key, owner=row.owner, expires_at=expires_at)
    dates = {"before": {"expires_at": row.expires_at}, "after": {"expires_at": expires_at}}
    tx.record("keys.set_expiry", happened, **dates)
    return require(tx, key)


def _row(tx: Tx, key: str) -> Any:
    row = _rows.one(tx.connection, key)
    if row is None or row.deleted_at is not None:
        raise ProblemError("key_unknown", f"There is no key {key!r}.")
    return row


def _live(tx: Tx, key: str) -> Any:
    """The row of a key that has not ended."""
    row = _row(tx, key)
    state = view(row, tx.now).state
    if state in ("revoked", "expired"):
        raise ProblemError("key_ended", f"Key {row.hint} is {state}; that is final. Issue another.")
    return row


def _require_waking(tx: Tx, row: Any) -> None:
    if row.state == "inactive" and row.ended_reason == BY_STAFF and not tx.actor.is_staff:
        raise ProblemError("deactivated_by_staff")


def _slot(api: str, owner: str, profile: Profile) -> str | None:
    return f"{api}:{owner}" if profile.keys.max_active_per_owner == 1 else None


def _taken(holder: Any) -> ProblemError:
    return ProblemError("slot_taken", f"The owner holds {holder.hint}; the profile allows one active key.")


def _end(tx: Tx, row: Any, state: str, *, reason: str) -> None:
    _rows.change(tx.connection, row.key, state=state, slot=None, ended_at=tx.now, ended_reason=reason)
    if state == "revoked":  # its date, any copy of the database has
        tx.tombstone("key", row.key, "revoked")
    tx.change("key", api=row.api, subject=row.locator)


def _holder(tx: Tx, slot: str | None) -> Any:
    """The key that holds *slot*. One that ended by its date holds none, and says so from now on (C1)."""
    row = None if slot is None else _rows.in_slot(tx.connection, slot)
    if row is None or view(row, tx.now).state != "expired":
        return row
    _end(tx, row, "expired", reason="expired")
    happened = events.KeyExpired(api=row.api, subject=row.key, owner=row.owner)
    tx.record("keys.expire", happened, before={"state": row.state}, after={"state": "expired"})
    return None


def _add(tx: Tx, values: dict[str, Any], *, slot: str | None, before: Any) -> Issued:
    key_class: KeyClass = apis.profile_of(tx, values["api"]).keys.classes[values["class"]]
    prefix = key_class.prefixes[values["environment"]]
    key_id, text = mint(prefix, tx.entropy)
    place = locator(text.encode())
    row = values | {
        "key": key_id,
        "locator": place,
        "scheme": "b2",
        "pepper": tx.pepper,
        "digest": tx.digest(text.encode()),
        "hint": hint(prefix, key_id),
        "state": "active",
        "slot": slot,
        "predecessor": before.key if before is not None else None,
        "lineage": before.lineage if before is not None else place,
        "created_at": tx.now,
        "created_by": str(tx.actor),
    }
    _rows.add(tx.connection, **row)
    tx.change("key", api=values["api"], subject=place)
    return Issued(require(tx, key_id), text)

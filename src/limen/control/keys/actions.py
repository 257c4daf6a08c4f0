"""The verbs of keys. What may differ between platforms, their profile says (C1, C4, C15, C17)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from limen.control import apis, owners
from limen.control.keys import _rows
from limen.control.keys.views import Key, require, view
from limen.core import events
from limen.core.keys import hint, locator, mint
from limen.core.problems import ProblemError
from limen.core.profile import KeyClass, Profile
from limen.db.transaction import Tx

_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]{1,253}(:\d{1,5})?")
_END_OF_TIME_S = 253_370_764_800.0
"""The year 9999, in Unix seconds: no calendar shows what is later."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be issued. What is None is as the profile says."""

    api: str
    owner: str
    name: str
    key_class: str = "secret"
    environment: str = "live"
    scopes: tuple[str, ...] | None = None
    expires_at: float | None = None
    origins: tuple[str, ...] | None = None
    addresses: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A key that was just made, with its text: to be shown once, and kept nowhere (R67, R208)."""

    key: Key
    text: str = field(repr=False)


def issue(tx: Tx, new: NewKey) -> Issued:
    """The key. Where the profile allows one active key an owner, it takes the place of the one before (R9, R10, C1).

    Raises ``api_unknown``, ``owner_unknown``, ``owner_type_wrong``, ``class_unknown``, ``environment_unknown``,
    ``scope_unknown``, ``scope_not_grantable``, ``expiry_wrong``, ``origins_wrong``, ``addresses_wrong``,
    ``name_wrong``, and ``slot_taken`` where the profile rejects a second key.
    """
    profile = apis.profile_of(tx, new.api)
    _end_by_date(tx, new.api, new.owner)
    values = _checked(tx, new, profile)
    slot = _slot(new.api, new.owner, profile)
    replaced = _rows.in_slot(tx.connection, slot) if slot is not None else None
    if replaced is not None:
        if profile.keys.on_overflow == "reject":
            raise _taken(replaced)
        _end(tx, replaced, "revoked", reason="replaced")
    issued = _add(tx, values, slot=slot, before=replaced)
    before = replaced.key if replaced is not None else ""
    happened = events.KeyIssued(api=new.api, subject=issued.key.key, owner=new.owner, replaced=before)
    tx.record("keys.issue", happened, scopes=list(issued.key.scopes), key_class=new.key_class, replaced=before)
    return issued


def regenerate(tx: Tx, key: str, *, overlap_s: int | None = None) -> Issued:
    """A new key of the same name, class and scopes; the old one ends now, or after the overlap (C4, C17).

    The overlap is at most the profile's, and never outlives the old key's own expiry. The new key ends when the old one
    would have, or by the profile's longest life before that. Raises ``key_unknown``, ``key_ended``, ``slot_taken``
    where the key slept and another has its place, ``expiry_wrong`` for an overlap that the profile does not allow.
    """
    row = _live(tx, key)
    profile = apis.profile_of(tx, row.api)
    overlap = profile.keys.overlap_s if overlap_s is None else overlap_s
    if not 0 <= overlap <= profile.keys.overlap_s:
        raise ProblemError("expiry_wrong", f"An overlap is 0 to {profile.keys.overlap_s} s here, not {overlap} s.")
    _end_by_date(tx, row.api, row.owner)
    slot = _slot(row.api, row.owner, profile)
    if slot is not None and (holder := _rows.in_slot(tx.connection, slot)) is not None and holder.key != key:
        raise _taken(holder)
    ends_at = tx.now + overlap if row.expires_at is None else min(row.expires_at, tx.now + overlap)
    if overlap > 0:
        _rows.change(tx.connection, key, expires_at=ends_at)
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
    )
    expiries = [moment for moment in (row.expires_at, _latest(tx, profile)) if moment is not None]
    values = {name: getattr(row, name) for name in kept} | {"expires_at": min(expiries, default=None)}
    issued = _add(tx, values, slot=slot, before=row)
    happened = events.KeyRegenerated(
        api=row.api, subject=issued.key.key, owner=row.owner, predecessor=key, ends_at=ends_at
    )
    tx.record("keys.regenerate", happened, predecessor=key, overlap_s=overlap)
    return issued


def deactivate(tx: Tx, key: str) -> Key:
    """The key is refused until it is reactivated (R221). Raises ``key_unknown``, ``key_ended``."""
    row = _live(tx, key)
    if row.state == "active":
        _rows.change(tx.connection, key, state="inactive", slot=None)
        tx.change("key", api=row.api, subject=row.locator)
        tx.record("keys.deactivate", events.KeyDeactivated(api=row.api, subject=key, owner=row.owner))
    return require(tx, key)


def reactivate(tx: Tx, key: str) -> Key:
    """A deactivated key is admitted again (R222). Raises ``key_unknown``, ``key_ended``, ``slot_taken``."""
    row = _live(tx, key)
    if row.state == "inactive":
        _end_by_date(tx, row.api, row.owner)
        slot = _slot(row.api, row.owner, apis.profile_of(tx, row.api))
        if slot is not None and (holder := _rows.in_slot(tx.connection, slot)) is not None:
            raise _taken(holder)
        _rows.change(tx.connection, key, state="active", slot=slot)
        tx.change("key", api=row.api, subject=row.locator)
        tx.record("keys.reactivate", events.KeyReactivated(api=row.api, subject=key, owner=row.owner))
    return require(tx, key)


def revoke(tx: Tx, key: str, *, reason: str = "") -> Key:
    """The key is ended for good (R68, R69). Done twice, the first reason stands. Raises ``key_unknown``."""
    row = _row(tx, key)
    if row.state != "revoked":
        _end(tx, row, "revoked", reason=reason)
        happened = events.KeyRevoked(api=row.api, subject=key, owner=row.owner, reason=reason)
        tx.record("keys.revoke", happened, was=row.state)
    return require(tx, key)


def delete(tx: Tx, key: str) -> None:
    """The key is revoked and hidden; its row stays for the audit (R223, C15). Raises ``key_unknown``."""
    row = _row(tx, key)
    if row.state != "revoked":
        _end(tx, row, "revoked", reason="deleted")
    _rows.change(tx.connection, key, deleted_at=tx.now)
    tx.record("keys.delete", events.KeyDeleted(api=row.api, subject=key, owner=row.owner))


def set_expiry(tx: Tx, key: str, *, expires_at: float) -> Key:
    """The key ends at *expires_at* (Unix seconds): a date is only ever set or brought forward.

    Raises ``key_unknown``, ``key_ended``, ``expiry_wrong``.
    """
    row = _live(tx, key)
    if row.expires_at == expires_at:
        return require(tx, key)
    if not tx.now <= expires_at < _END_OF_TIME_S or (row.expires_at is not None and expires_at > row.expires_at):
        raise ProblemError("expiry_wrong", "An expiry lies ahead, before the year 9999, and is only brought forward.")
    _rows.change(tx.connection, key, expires_at=expires_at)
    tx.change("key", api=row.api, subject=row.locator)
    happened = events.KeyExpiryChanged(api=row.api, subject=key, owner=row.owner, expires_at=expires_at)
    tx.record("keys.set_expiry", happened)
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


def _slot(api: str, owner: str, profile: Profile) -> str | None:
    return f"{api}:{owner}" if profile.keys.max_active_per_owner == 1 else None


def _taken(holder: Any) -> ProblemError:
    return ProblemError("slot_taken", f"The owner holds {holder.hint}; the profile allows one active key.")


def _end(tx: Tx, row: Any, state: str, *, reason: str) -> None:
    _rows.change(tx.connection, row.key, state=state, slot=None, ended_at=tx.now, ended_reason=reason)
    tx.change("key", api=row.api, subject=row.locator)


def _end_by_date(tx: Tx, api: str, owner: str) -> None:
    """Mark the owner's keys that ended by date, so that they hold no slot (C1)."""
    for row in _rows.past_their_date(tx.connection, api, owner, tx.now):
        _end(tx, row, "expired", reason="expired")
        tx.record("keys.expire", events.KeyExpired(api=api, subject=row.key, owner=owner))


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


def _checked(tx: Tx, new: NewKey, profile: Profile) -> dict[str, Any]:
    """The columns that *new* asks for. Raises a problem for whatever the profile does not allow."""
    owner = owners.require(tx, new.owner)
    if owner.kind != profile.owner_type:
        raise ProblemError(
            "owner_type_wrong", f"Keys of {new.api} belong to a {profile.owner_type}, not to a {owner.kind}."
        )
    if _NAME.fullmatch(new.name) is None:
        raise ProblemError("name_wrong")
    key_class = profile.keys.classes.get(new.key_class)
    if key_class is None:
        raise ProblemError("class_unknown", f"Class {new.key_class!r} is none of {', '.join(profile.keys.classes)}.")
    if new.environment not in key_class.prefixes:
        raise ProblemError("environment_unknown", f"{new.environment!r} is none of {', '.join(key_class.prefixes)}.")
    return {
        "api": new.api,
        "owner": new.owner,
        "class": new.key_class,
        "environment": new.environment,
        "name": new.name,
        "scopes": _scopes(new, profile, key_class),
        "origins": _origins(new, key_class),
        "addresses": _addresses(new),
        "expires_at": _expiry(tx, new, profile),
    }


def _scopes(new: NewKey, profile: Profile, key_class: KeyClass) -> list[str]:
    wanted = key_class.default_scopes if new.scopes is None else new.scopes
    if unknown := profile.catalogue.unknown(wanted):
        raise ProblemError(
            "scope_unknown", f"Unknown: {', '.join(unknown)}. Known: {', '.join(profile.catalogue.scopes)}."
        )
    if beyond := [scope for scope in wanted if scope not in key_class.scopes]:
        raise ProblemError("scope_not_grantable", f"A {key_class.name} key may not hold {', '.join(beyond)}.")
    if not wanted:
        raise ProblemError("scope_unknown", f"Name the scopes: {key_class.name} keys of {new.api} have no default.")
    return list(profile.catalogue.ordered(wanted))


def _origins(new: NewKey, key_class: KeyClass) -> list[str] | None:
    if new.origins is None:
        return None
    if not key_class.origins:
        raise ProblemError("origins_wrong", f"Keys of class {key_class.name} carry no list of origins.")
    if not new.origins or any(_ORIGIN.fullmatch(origin) is None for origin in new.origins):
        raise ProblemError(
            "origins_wrong", "Write origins as browsers send them: https://example.com, lower case, no path."
        )
    return sorted(set(new.origins))


def _addresses(new: NewKey) -> list[str] | None:
    if new.addresses is None:
        return None
    try:
        found = sorted({str(ip_network(address)) for address in new.addresses})
    except ValueError as error:
        raise ProblemError("addresses_wrong", f"{error}.") from error
    if not found:
        raise ProblemError("addresses_wrong", "An empty list would admit nobody; leave it out to admit every address.")
    return found


def _expiry(tx: Tx, new: NewKey, profile: Profile) -> float | None:
    latest = _latest(tx, profile)
    if new.expires_at is None:
        return latest
    if not tx.now < new.expires_at < _END_OF_TIME_S:
        raise ProblemError("expiry_wrong", "An expiry lies ahead, before the year 9999.")
    if latest is not None and new.expires_at > latest:
        raise ProblemError("expiry_wrong", f"A key of this API lives at most {profile.keys.max_lifetime_s} s.")
    return new.expires_at


def _latest(tx: Tx, profile: Profile) -> float | None:
    """When a key that is made now must end; None: it need not."""
    return None if profile.keys.max_lifetime_s is None else tx.now + profile.keys.max_lifetime_s

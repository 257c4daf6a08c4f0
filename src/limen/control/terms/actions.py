"""The verbs of a key's terms. Its scopes, class and owner never change (C4); what it may use, and as what, does."""

from __future__ import annotations

from limen.control import apis, keys, versions
from limen.control.terms import _rows
from limen.core import events
from limen.core.limits import Limits, refuses_all, write_limits
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN
from limen.core.versions import Stage
from limen.db.transaction import Reader, Tx

_ENDED = ("revoked", "expired")


def set_limits(tx: Tx, key: str, *, limits: Limits) -> keys.Key:
    """The key's own allowance is *limits*, before its owner's and the plan's (C8); for ``()`` it has none of its own.

    Where the profile counts per owner, they are counted in the owner's windows. Raises ``key_unknown``, ``key_ended``,
    and ``api_built_in`` for a limit with which a key of Limen's own API could not be used.
    """
    held, written = _live(tx, key), write_limits(limits)
    if held.api == BUILT_IN and refuses_all(limits):
        raise ProblemError("api_built_in", f"A limit of 0 keeps a key out of {BUILT_IN!r}: deactivate it instead.")
    if held.limits != written:
        _rows.change(tx.connection, key, limits=written or None)
        tx.change("key", api=held.api, subject=_rows.locator(tx.connection, key))
        happened = events.KeyLimitsSet(api=held.api, subject=key, owner=held.owner, limits=written)
        tx.record("terms.set_limits", happened, before={"limits": held.limits}, after={"limits": written})
    return keys.require(tx, key)


def pin(tx: Tx, key: str, *, version: str) -> keys.Key:
    """A request with the key that names no version is for *version* from now on.

    Raises ``key_unknown``, ``key_ended``, ``version_not_registered``, and ``pin_wrong`` for a version that is sunset,
    and where the profile pins no keys.
    """
    held = _live(tx, key)
    versioning = apis.profile_of(tx, held.api).versioning
    if versioning is None or versioning.missing != "pin":
        raise ProblemError("pin_wrong", f"Keys of {held.api} are pinned to no version: its profile does not say so.")
    if versions.require(tx, held.api, version).stage(tx.now) is Stage.SUNSET:
        raise ProblemError("pin_wrong", f"Version {version} has stopped working.")
    if held.pinned != version:
        _rows.change(tx.connection, key, pinned=version)
        tx.change("key", api=held.api, subject=_rows.locator(tx.connection, key))
        happened = events.KeyPinned(api=held.api, subject=key, owner=held.owner, version=version)
        tx.record("terms.pin", happened, before={"pinned": held.pinned}, after={"pinned": version})
    return keys.require(tx, key)


def _live(reader: Reader, key: str) -> keys.Key:
    """The key, which has not ended."""
    held = keys.require(reader, key)
    if held.state in _ENDED:
        raise ProblemError("key_ended", f"Key {held.hint} is {held.state}; that is final. Issue another.")
    return held

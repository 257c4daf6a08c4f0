"""The verbs of revival: done to a database that nobody uses yet, in the transaction that makes it what it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from limen.control import keys, owners
from limen.control.revival import _rows
from limen.core import events
from limen.core.problems import ProblemError
from limen.core.tombstones import KeyWords, LastWords, OwnerWords
from limen.core.versions import iso_instant
from limen.db.transaction import Reader, Tx

UNCONFIRMED = "restored: not confirmed"
"""Why a key sleeps of which nobody knows whether it ended after the copy was made."""

_MANY = 500


@dataclass(frozen=True, slots=True)
class Revived:
    """What was changed in a database that came back, by what the tombstones say."""

    ended: int
    """Keys that were revoked, or deleted."""
    shortened: int
    """Keys whose expiry was brought forward."""
    asleep: int
    """Keys that were deactivated."""
    awake: int
    """Keys that were reactivated."""
    owners: int
    """Owners that were suspended, restored or erased."""
    unknown: int
    """Keys that were told of and are not in the copy: they were issued after it was made."""
    unconfirmed: int
    """Keys that sleep because nobody knows whether they ended: the tombstones are not whole."""


def restored(tx: Tx, words: LastWords, *, installation: str, backup_at: float) -> Revived:
    """What is in the database came back from a backup of *backup_at* (Unix seconds), and *words* have been heeded.

    Where they are not whole, no key is active.
    """
    found = _heeded(tx, words, whole=words.whole)
    happened = events.InstallationRestored(
        api="", subject=installation, backup_at=backup_at, ended=found.ended, unconfirmed=found.unconfirmed
    )
    tx.record("installation.restore", happened, **asdict(found), whole=words.whole)
    return found


def imported(tx: Tx, words: LastWords, *, installation: str, exported_at: float, trusted: bool) -> Revived:
    """What is in the database came out of an archive of *exported_at* (Unix seconds), and *words* have been heeded.

    Where they are not whole, no key is active, unless the archive is *trusted*: nothing ended after it was made.
    """
    found = _heeded(tx, words, whole=words.whole or trusted)
    happened = events.InstallationImported(
        api="", subject=installation, exported_at=exported_at, ended=found.ended, unconfirmed=found.unconfirmed
    )
    tx.record("installation.import", happened, **asdict(found), whole=words.whole, trusted=trusted)
    return found


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Keys that were looked through after a restore."""

    woken: int
    refused: dict[str, str]
    """Those that stay asleep, by their ids, and why."""


def unconfirmed(reader: Reader, *, api: str = "", owner: str = "") -> list[str]:
    """The ids of the keys that sleep since a restore, of *api* and *owner* where they are named; the newest first."""
    return _rows.asleep(reader.connection, UNCONFIRMED, api=api, owner=owner)


def confirm(tx: Tx, ids: Sequence[str]) -> Confirmed:
    """Those of the keys *ids* that sleep are woken, unless something else has taken their place meanwhile."""
    woken, refused = 0, dict[str, str]()
    for key in ids:
        try:
            with tx.attempting():
                keys.reactivate(tx, key)
            woken += 1
        except ProblemError as problem:
            refused[key] = problem.detail
    return Confirmed(woken, refused)


def _heeded(tx: Tx, words: LastWords, *, whole: bool) -> Revived:
    with tx.gathering():
        ends = _end(tx, words.keys)
    changed = _change_owners(tx, words.owners, revives=whole)
    asleep, awake = _set_asleep(tx, words.keys, revives=whole)
    unconfirmed = 0 if whole else _rows.put_to_sleep(tx.connection, tx.now, UNCONFIRMED)
    tx.change("profile")  # of every API: whoever knows anything of it forgets everything
    return Revived(**ends, asleep=asleep, awake=awake, owners=changed, unconfirmed=unconfirmed)


def _end(tx: Tx, words: dict[str, KeyWords]) -> dict[str, int]:
    count = {"ended": 0, "shortened": 0, "unknown": 0}
    for chunk in _chunks(words):
        found = {row.key: row for row in _rows.states(tx.connection, chunk)}
        count["unknown"] += len(chunk) - len(found)
        for key, row in found.items():
            said = words[key]
            if said.revoked_at is not None and row.state != "revoked":
                keys.revoke(tx, key, reason=f"restored: ended at {iso_instant(said.revoked_at)}")
                count["ended"] += 1
            elif _sooner(tx, row, said):
                keys.set_expiry(tx, key, expires_at=max(tx.now, said.expires_at or 0.0))
                count["shortened"] += 1
            if said.deleted and row.deleted_at is None:
                keys.delete(tx, key)
    return count


def _sooner(tx: Tx, row: Any, said: KeyWords) -> bool:
    """Whether the key goes on, and was told to end sooner than its row says."""
    if said.expires_at is None or row.state not in ("active", "inactive"):
        return False
    return row.expires_at is None or row.expires_at > max(tx.now, said.expires_at)


def _set_asleep(tx: Tx, words: dict[str, KeyWords], *, revives: bool) -> tuple[int, int]:
    """Put to sleep what was, and wake what was woken, unless it has ended or its place is taken."""
    asleep = awake = 0
    for chunk in _chunks({key: said for key, said in words.items() if said.asleep is not None}):
        for row in _rows.states(tx.connection, chunk):
            with suppress(ProblemError), tx.attempting():
                if words[row.key].asleep and row.state == "active":
                    keys.deactivate(tx, row.key)
                    asleep += 1
                elif not words[row.key].asleep and row.state == "inactive" and revives:
                    keys.reactivate(tx, row.key)
                    awake += 1
    return asleep, awake


def _change_owners(tx: Tx, words: dict[str, OwnerWords], *, revives: bool) -> int:
    count = 0
    for chunk in _chunks(words):
        for row in _rows.standing(tx.connection, chunk):
            said, suspended = words[row.owner], row.suspended_at is not None
            if row.erased_at is not None:
                continue
            if said.erased:
                owners.erase(tx, row.owner)
            elif said.suspended and not suspended:
                owners.suspend(tx, row.owner, reason=f"restored: suspended at {iso_instant(said.at)}")
            elif not said.suspended and suspended and revives:
                owners.restore(tx, row.owner)
            else:
                continue
            count += 1
    return count


def _chunks(words: dict[str, Any]) -> Iterator[Sequence[str]]:
    ids = iter(words)
    while chunk := list(islice(ids, _MANY)):
        yield chunk

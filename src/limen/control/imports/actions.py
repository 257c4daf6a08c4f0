"""Bringing keys along: what is asked, what the profile says to each, and what is written.

A key is found by a locator that can be worked out from its hash (``core.foreign``), and stored under our pepper around
the hash that came. At its first use it is stored as our own keys are (``control.peppers.store_anew``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from limen.control import apis, owners
from limen.control.imports import _rows
from limen.control.imports.checks import Checked, Examiner, Found
from limen.control.imports.entries import Entry, Import, Wrong
from limen.core import events
from limen.core.foreign import hash_of
from limen.core.keys import draw_id
from limen.core.names import folded
from limen.core.problems import ProblemError
from limen.core.schemes import PLAIN, Keyring, Scheme
from limen.db.transaction import Happening, Reader, Tx

MOST = 10_000
"""How many entries one call brings: other changes wait for it."""


@dataclass(frozen=True, slots=True)
class Brought:
    """A key that was brought along: the *number* of its entry, and its id, which its text does not hold."""

    number: int
    key: str
    owner: str
    weak: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the entries."""

    keys: tuple[Brought, ...]
    present: tuple[int, ...]
    """The numbers of the entries whose keys were there already: they stay as they are."""
    wrong: tuple[Wrong, ...]
    owners: tuple[str, ...]
    """The owners that were made."""


def check(reader: Reader, wanted: Import, entries: Sequence[Entry], keyring: Keyring) -> Report:
    """What ``bring`` would do with *entries*, however many they are: nothing is changed, and keys have no ids yet.

    *keyring* is the process's. Raises ``api_unknown``, ``import_wrong`` for an API that lists no foreign keys,
    ``pepper_wrong`` without the secret ``locator``.
    """
    checked = _examine(reader, wanted, entries, keyring)
    keys = tuple(Brought(found.entry.number, "", found.entry.owner, found.weak) for found in checked.found)
    return Report(keys, checked.present, checked.wrong, tuple(checked.missing))


def bring(tx: Tx, wanted: Import, entries: Sequence[Entry]) -> Report:
    """The keys of *entries*, at most ``MOST``, are admitted as they were. Done twice, they are there already.

    Raises ``import_wrong`` where an entry is, unless these are to be skipped: then nothing has changed, and *wrong*
    names them. Raises what ``check`` raises too, ``request_too_large``, and ``staff_only``.
    """
    if not tx.actor.is_staff:
        raise ProblemError("staff_only", "Keys are brought along by staff.")
    if len(entries) > MOST:
        raise ProblemError("request_too_large", f"At most {MOST} entries a call, not {len(entries)}.")
    checked = _examine(tx, wanted, entries, tx.keyring)
    if checked.wrong and not wanted.skip_wrong:
        raise _refused(checked.wrong, len(entries))
    if checked.missing:
        owners.create(tx, *(owners.NewOwner(checked.kind, name, owner) for owner, name in checked.missing.items()))
    if wanted.allow_owners and (ids := {found.entry.owner for found in checked.found} - checked.allowed):
        first, *others = sorted(ids)
        owners.allow(tx, first, wanted.api, *others)
    rows = [_row(tx, found) for found in checked.found]
    if rows:
        _rows.add_all(tx.connection, rows)
    tx.change_all("key", ((wanted.api, row["locator"]) for row in rows))
    tx.record_all("imports.bring", (_told(row, found) for row, found in zip(rows, checked.found, strict=True)))
    keys = tuple(
        Brought(f.entry.number, row["key"], row["owner"], f.weak) for row, f in zip(rows, checked.found, strict=True)
    )
    return Report(keys, checked.present, checked.wrong, tuple(checked.missing))


def _examine(reader: Reader, wanted: Import, entries: Iterable[Entry], keyring: Keyring) -> Checked:
    profile = apis.profile_of(reader, wanted.api)
    return Examiner(reader, profile, keyring, wanted).examine(entries)


def _refused(wrong: Sequence[Wrong], count: int) -> ProblemError:
    first = wrong[0]
    said = [{"number": each.number, "code": each.code, "detail": each.detail} for each in wrong]
    detail = f"{len(wrong)} of {count} entries are wrong, and none was brought. Entry {first.number}: {first.detail}"
    return ProblemError("import_wrong", detail, wrong=said)


def _told(row: dict[str, Any], found: Found) -> Happening:
    """What the audit keeps of a key that was brought along, and the event."""
    happened = events.KeyImported(api=row["api"], subject=row["key"], owner=row["owner"], weak=found.weak)
    return Happening(happened, {"scopes": row["scopes"], "hash": found.entry.hash or "text", "weak": found.weak})


def _row(tx: Tx, found: Found) -> dict[str, Any]:
    """The row of a key that is brought along."""
    entry = found.entry
    if entry.text:
        scheme, digest = PLAIN, tx.digest(entry.text.encode())
    else:
        scheme, digest = str(Scheme((), hash_of(found.pattern))), tx.keyring.around(tx.pepper)(entry.hashed)
    return found.columns | {
        "key": draw_id(tx.entropy),
        "folded": folded(entry.name),
        "locator": found.place,
        "scheme": scheme,
        "pepper": tx.pepper,
        "digest": digest,
        "hint": f"{found.pattern.prefix}…",
        "state": "active",
        "slot": found.slot,
        "predecessor": None,
        "lineage": found.place,
        "created_at": tx.now if entry.created_at is None else entry.created_at,
        "created_by": str(tx.actor),
        "weak": found.weak,
    }

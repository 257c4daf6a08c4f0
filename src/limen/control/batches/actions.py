"""The verb of batches: it does to each of many keys what the verb of a single key does, and by that verb."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, cast

from limen.control import keys
from limen.control.batches import _rows
from limen.control.keys import Issued, Key
from limen.core.problems import ProblemError, StoreDown
from limen.db.transaction import Reader, Tx
from limen.db.wanted import LIVE, Wanted

MOST = 1_000
"""How many keys one transaction changes. It takes less than a second, for as long as other writers wait."""
_FIRST = 20

ACTIONS = {
    "revoke": LIVE,
    "expire": LIVE,
    "regenerate": ("active",),
    "deactivate": ("active",),
    "reactivate": ("inactive",),
}
"""What a batch can do, and the states of the keys that it does it to."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a batch does, and to which keys: what is *wanted* says at least one thing of them."""

    action: str
    """One of ``ACTIONS``."""
    wanted: Wanted
    reason: str = ""
    """Of ``revoke``: why; kept with each key and in the audit."""
    expires_at: float | None = None
    """Of ``expire``: when they end, Unix seconds; None: when it is done."""
    overlap_s: int | None = None
    """Of ``regenerate``: how long the old keys go on; None: as the profile says."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A key that was left as it was: the code of the problem, and what it says."""

    key: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction did."""

    done: tuple[str, ...]
    """The ids of the keys that it was done to."""
    skipped: tuple[Skipped, ...]
    next: str
    """From where the next transaction goes on; empty: there are no more."""
    issued: tuple[Issued, ...] = field(repr=False)
    """Of ``regenerate``: the new keys, with their texts, to be shown once."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a batch would be done to: how many keys, and the first of them."""

    count: int
    first: tuple[Key, ...]


def preview(reader: Reader, task: Task) -> Preview:
    """What *task* would be done to now. Nothing is changed. Raises ``request_malformed``."""
    wanted, states = _wanted(task), ACTIONS[task.action]
    first: list[Key] = []
    page = keys.listed(reader, limit=_FIRST, states=states, **wanted)
    first += page.items
    while page.next and len(first) < _FIRST:
        page = keys.listed(reader, after=page.next, limit=_FIRST - len(first), states=states, **wanted)
        first += page.items
    return Preview(_rows.count(reader.connection, wanted, states, now=reader.now), tuple(first))


def run(tx: Tx, task: Task, *, after: str = "", limit: int = MOST) -> Batch:
    """Do *task* to at most *limit* keys, from where the batch before this one said.

    Each is told, audited, and refused where a single one would be: a key that is refused is skipped, and stands as it
    was. Keys that are made after a batch began are none of its keys, so that it ends. Raises ``request_malformed``.
    """
    if not 1 <= limit <= MOST:
        raise ProblemError("request_malformed", f"A batch changes 1 to {MOST} keys in a transaction, not {limit}.")
    wanted, verb = _wanted(task), _verb(task)
    began, place = _place(after, tx.now)
    if place:
        before = wanted.get("created_before")
        wanted["created_before"] = began if before is None else min(began, before)
    page = keys.listed(tx, after=place, limit=limit, states=ACTIONS[task.action], **wanted)
    done: list[str] = []
    skipped: list[Skipped] = []
    issued: list[Issued] = []
    with tx.gathering():
        for key in page.items:
            try:
                with tx.attempting():
                    made = verb(tx, key.key)
            except StoreDown:
                raise
            except ProblemError as error:
                skipped.append(Skipped(key.key, error.problem.code, error.detail))
                continue
            done.append(key.key)
            issued += [made] if isinstance(made, Issued) else []
    onward = f"{began.hex()}:{page.next}" if page.next else ""
    return Batch(tuple(done), tuple(skipped), onward, tuple(issued))


def _wanted(task: Task) -> Wanted:
    """What *task* wants of keys. Raises ``request_malformed`` for an action that there is not, and for all keys."""
    if task.action not in ACTIONS:
        raise ProblemError("request_malformed", f"Action {task.action!r} is none of {', '.join(ACTIONS)}.")
    said = {name: value for name, value in task.wanted.items() if value not in (None, "", False) and name != "hidden"}
    if not said:
        raise ProblemError("request_malformed", "Say which keys: by their API, owner, name, or whatever they share.")
    return cast("Wanted", said)


def _verb(task: Task) -> Callable[[Tx, str], Any]:
    """The verb of a single key."""
    if task.action == "revoke":
        return lambda tx, key: keys.revoke(tx, key, reason=task.reason)
    if task.action == "expire":
        at = task.expires_at
        return lambda tx, key: keys.set_expiry(tx, key, expires_at=tx.now if at is None else at)
    if task.action == "regenerate":
        return lambda tx, key: keys.regenerate(tx, key, overlap_s=task.overlap_s)
    return keys.deactivate if task.action == "deactivate" else keys.reactivate


def _place(after: str, now: float) -> tuple[float, str]:
    """When the batch began, and from where in its list it goes on."""
    if not after:
        return now, ""
    written, _, place = after.partition(":")
    try:
        began = float.fromhex(written)
    except (ValueError, OverflowError):
        began = float("nan")
    if not place or not isfinite(began):
        raise ProblemError("request_malformed", "No batch ended with what is given as the place to go on from.")
    return began, place

"""Tombstones: the lines of a file outside the database, one for every end of a key, so that none comes back to life.

A line is a JSON object, closed by the CRC-32 of all before it. Its *series* and *number* say where it belongs: numbers
follow one another within a series, and the database remembers which number it wrote last. So whoever holds an older
database can tell whether a file says everything that it misses. A line that was torn is passed over: the one after it
has its number again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from zlib import crc32

_TAKES_BACK = {"active": "inactive", "restored": "suspended"}

_CLOSE = b',"crc":"'
_CLOSED = len(_CLOSE) + 8 + len(b'"}')


@dataclass(frozen=True, slots=True)
class Stone:
    """What happened to *subject*: a key's id, an owner's id, or nothing where the *kind* is ``series``."""

    at: float
    kind: str
    """``key``, ``owner``, or ``series``, which begins here."""
    subject: str
    what: str
    """Of a key: ``revoked``, ``deleted``, ``expires``, ``inactive``, ``active``. Of an owner: ``suspended``,
    ``restored``, ``erased``. Of a series: ``begun``."""
    expires_at: float | None = None


def divided(stones: Sequence[Stone]) -> tuple[list[Stone], list[Stone]]:
    """What is written down before a commit, and what after it: that which takes an end back. In doubt a key has ended.

    What was taken back and ended again, of one transaction, is not taken back.
    """
    ends, revivals = list[Stone](), list[Stone]()
    again = set()
    for stone in reversed(stones):
        taken_back = _TAKES_BACK.get(stone.what)
        if taken_back is None:
            ends.append(stone)
            again.add((stone.kind, stone.subject, stone.what))
        elif (stone.kind, stone.subject, taken_back) not in again:
            revivals.append(stone)
    return ends[::-1], revivals[::-1]


class Place(NamedTuple):
    """Where a line stands: its series, and its number in it. A database that has written none has neither."""

    series: str = ""
    number: int = 0


class Line(NamedTuple):
    """A line that is whole."""

    place: Place
    stone: Stone


def write_line(place: Place, stone: Stone) -> bytes:
    """The line, with its end."""
    told = {
        "series": place.series,
        "number": place.number,
        "at": stone.at,
        "kind": stone.kind,
        "id": stone.subject,
        "what": stone.what,
    }
    if stone.expires_at is not None:
        told["expires_at"] = stone.expires_at
    body = json.dumps(told, separators=(",", ":")).encode()[:-1]
    return body + _CLOSE + b'%08x"}\n' % crc32(body)


def read_line(text: bytes) -> Line | None:
    """The line that *text* is, with or without its end; None where it is none, or was torn."""
    text = text.rstrip(b"\n")
    body, close = text[:-_CLOSED], text[-_CLOSED:]
    if not body or close != _CLOSE + b'%08x"}' % crc32(body):
        return None
    told = json.loads(text)
    stone = Stone(told["at"], told["kind"], told["id"], told["what"], told.get("expires_at"))
    return Line(Place(told["series"], told["number"]), stone)


@dataclass(slots=True)
class KeyWords:
    """The last words on one key. What is None, or False, nothing was said of."""

    revoked_at: float | None = None
    deleted: bool = False
    asleep: bool | None = None
    expires_at: float | None = None


@dataclass(slots=True)
class OwnerWords:
    """The last words on one owner."""

    at: float
    suspended: bool
    erased: bool = False


@dataclass(slots=True)
class LastWords:
    """What a file says that a database does not know."""

    keys: dict[str, KeyWords] = field(default_factory=dict)
    owners: dict[str, OwnerWords] = field(default_factory=dict)
    whole: bool = False
    """Whether that is all: from the line that the database wrote last to the end, no line is missing."""

    def add(self, stone: Stone) -> None:
        """Take in what comes next. An end is final; what can be taken back is as it was said last."""
        if stone.kind == "owner":
            before = self.owners.get(stone.subject)
            erased = stone.what == "erased" or (before is not None and before.erased)
            self.owners[stone.subject] = OwnerWords(stone.at, stone.what != "restored" or erased, erased)
        elif stone.kind == "key":
            _take_in(self.keys.setdefault(stone.subject, KeyWords()), stone)


def _take_in(words: KeyWords, stone: Stone) -> None:
    if stone.what == "expires" and stone.expires_at is not None:
        words.expires_at = min(stone.expires_at, words.expires_at or stone.expires_at)
    elif stone.what in ("active", "inactive"):
        words.asleep = stone.what == "inactive"
    elif stone.what in ("revoked", "deleted"):
        words.deleted = words.deleted or stone.what == "deleted"
        words.revoked_at = words.revoked_at or stone.at


def last_words(lines: Iterable[Line], known: Place) -> LastWords:
    """What *lines* say, of which a database knows those of its own series up to the place *known*.

    Where they are not whole, every line counts: too many ends are told rather than too few.
    """
    new, every = LastWords(), LastWords()
    reached = unbroken = False
    last = 0
    for place, stone in lines:
        every.add(stone)
        if place.series != known.series:
            unbroken = False  # behind our own series it is another: what was said between the two is missing
        elif not reached:
            reached, unbroken = True, place.number <= known.number + 1
        else:
            unbroken = unbroken and place.number == last + 1
        last = place.number
        if place.series == known.series and place.number > known.number:
            new.add(stone)
    new.whole = unbroken and last >= known.number
    return new if new.whole else every

"""Which key a text is: for whoever was handed one, or found one, and does not ask to be admitted with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from limen.core.foreign import Foreign
from limen.core.keys import BODY_CHARS, MAX_KEY_CHARS, locator, same
from limen.core.profile_reader import read_profile
from limen.db.ring import Ring
from limen.db.tables import apis, keys, profiles


class Recognised(NamedTuple):
    """What a text was recognised as."""

    keys: tuple[str, ...] = ()
    """The ids of the keys whose whole text it is: whoever has it holds them. One, but for a key of another system that
    was brought to several APIs."""
    near: str = ""
    """Else, the id of the key that it names. An id is public: that proves nothing."""


def recognise(connection: Connection, texts: Sequence[str], ring: Ring) -> list[Recognised]:
    """What each of *texts* is, whichever API's key; compared in constant time. One read, and a digest each.

    A text that is no key costs a digest too, so that it takes as long as one that is.
    """
    given = [text.encode("utf-8", "surrogatepass") for text in texts]
    foreign = _foreign(connection, ring)
    places = [_places(text, foreign) for text in given]
    rows = _rows(connection, {place for each in places for place in each})
    return [
        _matched(text, [rows[place] for place in each if place in rows], ring)
        for text, each in zip(given, places, strict=True)
    ]


def _foreign(connection: Connection, ring: Ring) -> list[Foreign]:
    """What finds the keys of other systems, of every API that has such."""
    statement = select(apis.c.api, profiles.c.document).join(
        profiles, (profiles.c.api == apis.c.api) & (profiles.c.revision == apis.c.revision)
    )
    return [
        Foreign(row.api, read_profile(row.document).keys.foreign, ring.keyring)
        for row in connection.execute(statement)
        if row.document.get("keys", {}).get("foreign")
    ]


def _places(text: bytes, foreign: Iterable[Foreign]) -> list[bytes]:
    """The locators under which the record of *text* would lie."""
    found = [each.place(text) for each in foreign]
    if BODY_CHARS < len(text) <= MAX_KEY_CHARS:
        found.append(locator(text))
    return [place for place in found if place]


def _rows(connection: Connection, places: set[bytes]) -> dict[bytes, Any]:
    statement = select(keys.c.locator, keys.c.key, keys.c.pepper, keys.c.scheme, keys.c.digest).where(
        keys.c.locator.in_(places)
    )
    return {row.locator: row for row in connection.execute(statement)}


def _matched(text: bytes, rows: Sequence[Any], ring: Ring) -> Recognised:
    if not rows:
        ring.digests[ring.current](text)
        return Recognised()
    found = []
    for row in rows:
        digest = ring.digests.get(ring.number(row.pepper, row.scheme))
        if digest is not None and same(digest(text), row.digest):
            found.append(row.key)
    return Recognised(tuple(found), "" if found else rows[0].key)

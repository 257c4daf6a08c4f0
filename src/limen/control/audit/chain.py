"""The chain over the audit's rows: where it ends, and whether it is whole."""

from __future__ import annotations

import itertools
from bisect import insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from limen.control.audit import _rows
from limen.core.audit import Head, link, personal_digest
from limen.db.transaction import Reader

SHOWN = 100
"""How many places at which the chain breaks are told one by one."""
_PAGE = 1_000
_FIRST = -(2**63)


@dataclass(frozen=True, slots=True)
class Break:
    """A place at which the chain is not what was laid."""

    position: int
    """The link's; of a row without one, that of the link that follows."""
    id: int
    """The audit's row; 0 where it cannot be told."""
    how: str
    """``changed``: row or link is not what was laid. ``missing``: the row or the link is gone. ``out_of_order``: the
    links do not follow the rows. ``inserted``: a row that came in later, between linked ones. ``personal``: a personal
    value is not the one that the row tells of. ``anchor``: the chain does not contain the head that was kept."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found of the chain. It is *whole* up to *position*, or it breaks at *broken* places."""

    whole: bool
    position: int
    digest: str
    """Of the last link, in hex."""
    checked: int
    """How many links were looked at."""
    unlinked: int
    """How many rows wait for their link: those of the last second, while a worker runs."""
    broken: int
    breaks: tuple[Break, ...]
    """The first of them, at most ``SHOWN``, in the order of their positions."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The rows that wait for their link."""

    count: int
    since: float | None
    """The moment of the oldest of them, Unix seconds; None where there are none."""


def head(reader: Reader) -> Head:
    """The end of the chain: kept elsewhere, it tells a chain that was rewritten as a whole."""
    tip = _rows.tip(reader.connection)
    return Head(tip.position, tip.digest.hex())


def waiting(reader: Reader) -> Waiting:
    """The rows that wait for their link. Two reads, of these rows alone."""
    return Waiting(*_rows.waiting(reader.connection, _rows.tip(reader.connection).id))


def verify(reader: Reader, *, kept: Head | None = None, last: int | None = None) -> Verified:
    """Whether the chain is whole: all of it, or its *last* links. 5 s for 100,000 rows.

    *kept*: a head of this chain from earlier, which it must still contain.
    """
    tip = _rows.tip(reader.connection)
    start = 0 if last is None else max(0, tip.position - last)
    broken, first = 0, list[Break]()
    for found in itertools.chain(_anchor(reader, tip, kept), _walk(reader, start), _inserted(reader, start, tip)):
        broken += 1
        insort(first, found, key=lambda each: (each.position, each.id))
        del first[SHOWN:]
    return Verified(
        whole=not broken,
        position=tip.position,
        digest=tip.digest.hex(),
        checked=tip.position - start,
        unlinked=_rows.waiting(reader.connection, tip.id)[0],
        broken=broken,
        breaks=tuple(first),
    )


def _anchor(reader: Reader, tip: _rows.Link, kept: Head | None) -> Iterator[Break]:
    if kept is None:
        return
    found = _rows.link_at(reader.connection, kept.position) if kept.position <= tip.position else None
    if found is None or found.digest.hex() != kept.digest:
        yield Break(kept.position, found.id if found is not None else 0, "anchor")


def _inserted(reader: Reader, start: int, tip: _rows.Link) -> Iterator[Break]:
    before = _rows.link_at(reader.connection, start) if start else None
    after = before.id if before is not None else _FIRST
    for audit_id, position in _rows.unlinked(reader.connection, after, tip.id):
        yield Break(position, audit_id, "inserted")


def _walk(reader: Reader, start: int) -> Iterator[Break]:
    """The places behind position *start* at which links and rows do not fit, each link by the one before it."""
    position, before = start, _rows.link_at(reader.connection, start)
    while page := _rows.linked(reader.connection, position, _PAGE + 1):
        ids = [found.id for found, _ in page]
        personal = _rows.personal(reader.connection, ids)
        for (found, row), follows in zip(page[:_PAGE], [*ids[1:], None], strict=False):
            if found.position != position + 1:
                yield Break(position + 1, 0, "missing")
                before = None  # what it was laid behind is not known: nothing can be said of this link
            ordered = (before is None or before.id < found.id) and (follows is None or found.id < follows)
            if row is None or not ordered:
                yield Break(found.position, found.id, "missing" if row is None else "out_of_order")
            elif before is not None and link(before.digest, row) != found.digest:
                yield Break(found.position, found.id, "changed")
            elif not _told(row, personal.get(found.id, {})):
                yield Break(found.position, found.id, "personal")
            position, before = found.position, found


def _told(row: Mapping[str, Any], values: Mapping[str, tuple[Any, Any]]) -> bool:
    """Whether *row* tells of every one of the personal *values*. Those that were erased are in its digests alone."""
    detail = row["detail"]
    digests = detail.get("personal", {}) if isinstance(detail, Mapping) else {}
    try:
        return all(personal_digest(salt, value) == digests.get(name) for name, (salt, value) in values.items())
    except (ValueError, TypeError, AttributeError):  # not even of the form that a verb would have written
        return False

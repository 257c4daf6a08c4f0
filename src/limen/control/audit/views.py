"""The audit as staff read it: found by who, what, whom and when, and written out line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Unpack

from limen.control.audit import _rows
from limen.core.audit import canonical
from limen.core.problems import ProblemError
from limen.db.transaction import Reader

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: who made it, what it was, when and from where; and its place in the chain."""

    id: int
    at: float
    """Unix seconds."""
    actor: str
    verb: str
    api: str
    subject: str
    before: Any
    """What changed, as it was; None where nothing was."""
    after: Any
    detail: Mapping[str, Any]
    personal: Mapping[str, str | None]
    """What is personal, by its name: ``origin``, ``name``, ``reason``. None: it has been erased."""
    position: int | None
    """In the chain; None until the worker has linked it."""
    digest: str
    """The link's, in hex; empty until then."""


def listed(
    reader: Reader, *, after: int | None = None, limit: int = 100, **wanted: Unpack[_rows.Wanted]
) -> list[Entry]:
    """Entries, the newest first, from behind the one with the id *after* on, at most *limit*.

    *wanted*: ``actor``, ``verb``, ``api``, ``subject``, each whole; ``since`` and ``until`` in Unix seconds.
    """
    found = _rows.page(reader.connection, wanted, before=after, limit=limit)
    return _entries(reader, found)


def require(reader: Reader, audit_id: int) -> Entry:
    """The entry. Raises ``not_found``."""
    found = _rows.one(reader.connection, audit_id)
    if found is None:
        raise ProblemError("not_found", f"The audit has no entry {audit_id}.")
    return _entries(reader, [found])[0]


def _entries(reader: Reader, found: list[tuple[_rows.Link | None, dict[str, Any]]]) -> list[Entry]:
    values = _rows.personal(reader.connection, [row["id"] for _, row in found])
    return [_entry(link, row, values.get(row["id"], {})) for link, row in found]


def _entry(link: _rows.Link | None, row: Mapping[str, Any], values: Mapping[str, tuple[Any, Any]]) -> Entry:
    detail = dict(row["detail"]) if isinstance(row["detail"], Mapping) else {}
    digests = detail.pop("personal", {})
    return Entry(
        id=row["id"],
        at=row["at"],
        actor=row["actor"],
        verb=row["verb"],
        api=row["api"],
        subject=row["subject"],
        before=row["before"],
        after=row["after"],
        detail=detail,
        personal={name: values[name][1] if name in values else None for name in sorted({*digests, *values})},
        position=link.position if link is not None else None,
        digest=link.digest.hex() if link is not None else "",
    )


def export(reader: Reader, *, after: int = 0, personal: bool = False) -> Iterator[str]:
    """The audit's rows from behind the one with the id *after* on, in the order of their ids: a line of JSON each.

    A line has ``position``, ``digest`` (hex) and ``row``, written as the chain reads it: position and digest are null
    until the row is linked. With *personal* also the values that were not erased, each with its salt: such a file
    is as personal as they are.
    """
    while found := _rows.stretch(reader.connection, after, _PAGE):
        values = _rows.personal(reader.connection, [row["id"] for _, row in found]) if personal else {}
        for link, row in found:
            line: dict[str, Any] = {"position": None, "digest": None, "row": row}
            if link is not None:
                line |= {"position": link.position, "digest": link.digest.hex()}
            if personal:
                line["personal"] = {
                    name: {"salt": salt.hex(), "value": value}
                    for name, (salt, value) in values.get(row["id"], {}).items()
                }
            yield canonical(line).decode()
        after = found[-1][1]["id"]

"""What a key holds, and does not need (R234)."""

from __future__ import annotations

from dataclasses import dataclass

from limen.control import apis
from limen.control.statistics import _rows
from limen.control.statistics.whose import Asked, require_key, time_of, whose_of
from limen.db.records import load_records
from limen.db.transaction import Reader


@dataclass(frozen=True, slots=True)
class ScopeUse:
    """A scope that a key was granted, and what it was needed for."""

    scope: str
    used: bool
    operations: tuple[str, ...]
    """Those that were called, and admitted for this scope: because they need it, or what it implies."""
    calls: int
    last_at: float | None
    """Where the minute, hour or day begins in which it was needed last; None: it was not."""


def scopes(reader: Reader, asked: Asked) -> list[ScopeUse]:
    """The scopes of the key, and which of them were needed in the time (default: 24 hours), in the catalogue's order.

    A key without those that were not needed would have been admitted all the same. What the API's profile no longer has
    is not looked at. Raises what ``totals`` does, and ``request_malformed`` where no key is named.
    """
    require_key(asked)
    whose = whose_of(reader, asked)
    profile = apis.profile_of(reader, whose.apis[0])
    record = load_records(reader.connection, [whose.place], api=whose.apis[0], profile=profile)[whose.place]
    called = _rows.operations(reader.connection, whose, time_of(reader, asked, whose).pieces)
    needed = {each.name: each.scopes for each in profile.operations if each.name in called and not each.public}
    closure, granted = profile.catalogue.closure, record.terms.granted
    found: dict[str, list[str]] = {scope: [] for scope in granted}
    for operation, wanted in needed.items():
        for scope in wanted:
            for held in (scope,) if scope in granted else granted:
                if scope in closure[held] and operation not in found[held]:
                    found[held].append(operation)
    return [
        ScopeUse(
            scope,
            bool(names),
            tuple(sorted(names)),
            sum(called[name][0] for name in names),
            float(max(called[name][1] for name in names)) if names else None,
        )
        for scope, names in found.items()
    ]

"""How a database would go about a statement, as it explains it: what it sorts, and what it reads from end to end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.db.hand import Hand

AS_IF_LARGE = ("set enable_seqscan = off", "set enable_bitmapscan = off", "set enable_sort = off")
"""PostgreSQL reads a table of a few rows whole, and sorts them, because that is quicker; by these it does so only where
no index leads it."""


class Plan(NamedTuple):
    """The steps, a line each."""

    lines: list[str]

    @property
    def sorts(self) -> list[str]:
        """The steps that sort."""
        return [line for line in self.lines if re.search(r"TEMP B-TREE|\bSort$", line)]

    @property
    def whole(self) -> list[str]:
        """The steps that read a table from end to end."""
        return [line for line in self.lines if re.search(r"^SCAN (?!.*INDEX)|Seq Scan on", line)]


def read(lines: Iterable[tuple[Any, ...]]) -> Plan:
    """The plan that a database has explained in *lines*: SQLite says the step last, PostgreSQL only that."""
    return Plan([str(line[-1]).strip() for line in lines])


def plan_of(hand: Hand, statement: str, *values: Any) -> Plan:
    """How the database of *hand* would go about *statement* if there were many rows."""
    if hand.sqlite:
        return read(hand.execute(f"explain query plan {statement}", *values))
    for setting in AS_IF_LARGE:
        hand.execute(setting)
    return read(hand.execute(f"explain (costs off) {statement}", *values))

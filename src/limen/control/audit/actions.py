"""The verbs of the audit. Its rows are written by every other verb, in that verb's own transaction (``Tx.record``)."""

from __future__ import annotations

from limen.control.audit import _rows
from limen.core import events
from limen.core.audit import link
from limen.core.problems import ProblemError
from limen.db.transaction import Tx


def lay(tx: Tx, limit: int = 1_000) -> int:
    """The chain reaches on over the rows that it did not reach yet, in the order of their ids; over how many.

    At most *limit* of them. This is the worker's, and the one verb besides the drain's that leaves no row of its own.
    Ids are given in the order of commits, because there is one writer; so no row comes in behind the chain's end.
    """
    position, last, digest = _rows.tip(tx.connection)
    links = []
    for row in _rows.behind(tx.connection, last, limit):
        position, digest = position + 1, link(digest, row)
        links.append(_rows.Link(position, row["id"], digest))
    if links:
        _rows.add_links(tx.connection, links, tx.now)
    return len(links)


def erase(tx: Tx, wanted: _rows.Wanted, *, field: str = "") -> int:
    """What is personal in the *wanted* rows is gone for good (R73); how many values that was. The chain stays whole.

    *wanted* as in ``listed``, in a mapping; with a *field*, only what is called so. That it was done, and for which
    rows, is audited. Raises ``request_malformed`` where nothing is said of the rows: that would be all of them.
    """
    said = {name: value for name, value in wanted.items() if value not in ("", None)}
    if not said:
        raise ProblemError("request_malformed", "Say of which rows: by actor, verb, api, subject, since or until.")
    count = _rows.erase(tx.connection, wanted, field)
    if count:
        happened = events.AuditErased(api=wanted.get("api", ""), subject=wanted.get("subject", ""), count=count)
        tx.record("audit.erase", happened, wanted=said | ({"field": field} if field else {}), count=count)
    return count

"""Keys in every state and of every kind, written as rows; and what a list of them shows, worked out without SQL."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from sqlalchemy import event, insert

from limen.core.names import folded
from limen.db.tables import keys
from tests.db.plans import AS_IF_LARGE, Plan, read

if TYPE_CHECKING:
    from limen.db.transaction import Tx
    from tests.control.desk import Desk

Row = dict[str, Any]
OWN, APIS, OWNERS = "limen", ("organisation", "shop"), ("o-1", "o-2")
NAMES = (
    "website",
    "Website",
    "web",
    "ÄRZTE",
    "ärzte",
    "x",
    "mobile\U0010ffff",
    "mobile\U0010ffffb",
    "\ud7ff",
    "strasse",
)
"""Names that begin alike, or only nearly."""
MOMENTS_S = (-50.0, -1.0, 0.0, 1.0, 50.0)
"""From now."""
_ALPHABET = "0aAzZ"
_numbers = itertools.count()


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """None, or one of these."""
    return st.one_of(st.none(), strategy)


MOMENT_S = st.sampled_from(MOMENTS_S)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.text(_ALPHABET, min_size=4, max_size=4),
            "api": st.sampled_from((*APIS, *APIS, OWN)),
            "owner": st.sampled_from(OWNERS),
            "class": st.sampled_from(("secret", "public")),
            "environment": st.sampled_from(("live", "test")),
            "name": st.sampled_from(NAMES),
            "state": st.sampled_from(("active", "active", "inactive", "expired", "revoked", "deleted")),
            "created_at": MOMENT_S,
            "created_by": st.sampled_from(("staff:s-1", "member:o-1")),
            "expires_at": maybe(MOMENT_S),
            "last_used_at": maybe(MOMENT_S),
            "leaked_at": maybe(MOMENT_S),
            "weak": st.booleans(),
        }
    ),
    max_size=12,
)
"""Keys, their moments as seconds from now."""

WANTED = st.fixed_dictionaries(
    {},
    optional={
        "api": st.sampled_from((*APIS, OWN, "nowhere")),
        "owner": st.sampled_from((*OWNERS, "nobody")),
        "created_by": st.sampled_from(("staff:s-1", "nobody")),
        "state": st.sampled_from(("active", "inactive", "expired", "revoked")),
        "key_class": st.sampled_from(("secret", "public", "none")),
        "environment": st.sampled_from(("live", "test")),
        "prefix": st.sampled_from(("sk_", "sk_live_", "pk_test_a", "sk_live_zZ", "none")),
        "id": st.text(_ALPHABET, min_size=3, max_size=5),
        "name": st.sampled_from(("web", "WEBSITE", "Ä", "mobile\U0010ffff", "\ud7ff", "STRASSE", "y", "ß")),
        "created_after": MOMENT_S,
        "created_before": MOMENT_S,
        "used_after": MOMENT_S,
        "used_before": MOMENT_S,
        "expiring_after": MOMENT_S,
        "expiring_before": MOMENT_S,
        "weak": st.booleans(),
        "leaked": st.booleans(),
        "never_used": st.booleans(),
        "hidden": st.booleans(),
    },
).filter(lambda wanted: not (wanted.get("never_used") and {"used_after", "used_before"} & wanted.keys()))
"""What may be asked for, moments as seconds from now."""


def moments(values: Row, now: float) -> Row:
    """*values* with moments in place of seconds from *now*."""
    timed = ("_at", "_after", "_before")
    return {
        name: now + value if name.endswith(timed) and value is not None else value for name, value in values.items()
    }


def add(tx: Tx, drawn: list[Row]) -> list[Row]:
    """The keys that were *drawn*, as rows; what was written."""
    made = [_row(tx, moments(each, tx.now)) for each in drawn]
    if made:
        tx.connection.execute(insert(keys), made)
    return made


def _row(tx: Tx, values: Row) -> Row:
    state = values.pop("state")
    key = values.pop("id") + f"{next(_numbers):08d}"
    prefix = f"{'sk' if values['class'] == 'secret' else 'pk'}_{values['environment']}_"
    ended = state not in ("active", "inactive")
    if state == "expired" and values["expires_at"] is None:
        values["expires_at"] = tx.now  # nothing expires but by its date
    return values | {
        "key": key,
        "locator": key.encode(),
        "lineage": key.encode(),
        "scheme": "b2",
        "pepper": 1,
        "digest": b"",
        "folded": folded(values["name"]),
        "hint": f"{prefix}{key[:4]}…",
        "scopes": ["read:experiences"],
        "state": "revoked" if state == "deleted" else state,
        "ended_at": tx.now if ended else None,
        "deleted_at": tx.now if state == "deleted" else None,
    }


def state_of(row: Row, now: float) -> str:
    """The state that the key of *row* is in."""
    live, ends_at = row["state"] in ("active", "inactive"), row["expires_at"]
    return "expired" if live and ends_at is not None and ends_at <= now else str(row["state"])


def matches(row: Row, wanted: Row, now: float) -> bool:
    """Whether the key of *row* is *wanted*."""
    state = state_of(row, now)
    equal = {"owner": "owner", "created_by": "created_by", "key_class": "class", "environment": "environment"}
    begins = {"prefix": row["hint"], "id": row["key"], "name": row["folded"]}
    spans = {"created": row["created_at"], "used": row["last_used_at"]}
    spans["expiring"] = row["expires_at"] if state in ("active", "inactive") else None
    return (
        (row["api"] == wanted["api"] if wanted.get("api") else row["api"] != OWN)
        and all(not wanted.get(name) or row[column] == wanted[name] for name, column in equal.items())
        and (not wanted.get("state") or state == wanted["state"])
        and all(text.startswith(folded(wanted.get(name, "")) if name == "name" else wanted.get(name, ""))
                for name, text in begins.items())
        and all(_within(value, wanted.get(f"{name}_after"), wanted.get(f"{name}_before"))
                for name, value in spans.items())
        and (not wanted.get("never_used") or row["last_used_at"] is None)
        and (not wanted.get("weak") or row["weak"])
        and (not wanted.get("leaked") or row["leaked_at"] is not None)
        and (wanted.get("hidden") or row["deleted_at"] is None)
    )  # fmt: skip


def _within(value: float | None, low: float | None, high: float | None) -> bool:
    if low is None and high is None:
        return True
    return value is not None and (low is None or low <= value) and (high is None or value < high)


def in_order(rows: list[Row], wanted: Row) -> list[Row]:
    """*rows* as the list of what is *wanted* shows them."""
    columns, falling = ("created_at", "key"), True
    if wanted.get("owner") or wanted.get("hidden"):
        pass
    elif wanted.get("id"):
        columns, falling = ("key",), False
    elif wanted.get("leaked") or wanted.get("weak"):
        pass
    elif wanted.get("prefix") or wanted.get("name"):
        columns, falling = ("hint" if wanted.get("prefix") else "folded", *columns), False
    elif "expiring_after" in wanted or "expiring_before" in wanted:
        columns, falling = ("expires_at", "key"), False
    elif wanted.get("state") == "expired":
        columns = ("expires_at", "key")
    elif "used_after" in wanted or "used_before" in wanted:
        columns = ("last_used_at", *columns)
    return sorted(rows, key=lambda row: [row[column] for column in columns], reverse=falling)


class Plans:
    """How the database goes about the statements that read keys, as it explains them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.found = Plan([])
        """Of the lists themselves."""
        self.seeks = Plan([])
        """Of what was looked up to begin with."""

    def __enter__(self) -> Plans:
        event.listen(self._desk.app.store.engine, "before_cursor_execute", self._explain)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._desk.app.store.engine, "before_cursor_execute", self._explain)

    def _explain(self, _connection: Any, cursor: Any, statement: str, values: Any, *_: object) -> None:
        if "from keys" in statement.lower():
            asking, how = cursor.connection.cursor(), "explain query plan"
            if not self._desk.app.settings.on_one_host:
                how = "explain (costs off)"
                for setting in AS_IF_LARGE:
                    asking.execute(setting)
            into = self.seeks if "recursive" in statement else self.found
            into.lines.extend(read(asking.execute(f"{how} {statement}", values)).lines)

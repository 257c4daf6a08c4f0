"""Lists of keys at 1,000,000 keys over the same lists at 10,000: a page each, at most twice as long.

Each thing that keys can be looked for by, alone and within an API or an owner, many and few that are so, the first page
and one in the middle. Few are as many in both, and the pages show as many of them; but for few of an owner that has a
quarter of all keys, where a page ends after the rows that it may look at. A figure is the worst of its cases.
"""

from __future__ import annotations

import json
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from benchmarks.blocks import Figure, as_rows, compare, in_own_process
from limen.app import App
from limen.control import apis, keys
from limen.profiles import load
from limen.settings import Settings

SMALL, LARGE = 10_000, 1_000_000
FEW, PAGE = 120, 50
ROUNDS, GLANCE, BLOCKS = 2, 15, 75
WORST = 2
BUDGET = 2.0
DAY_S = 86_400.0

Wanted = dict[str, Any]

# What is asked for: where many keys are so, where few are, and what a place in the middle of the many is.
_CREATED = "-created_at"
SOUGHT: dict[str, tuple[Wanted, Wanted, tuple[Any, ...]]] = {
    "nothing": ({}, {}, ()),
    "state": ({"state": "active"}, {"state": "inactive"}, ()),
    "expired": ({"state": "expired"}, {"state": "expired"}, ("-expires_at", "old", "")),
    "class": ({"key_class": "secret"}, {"key_class": "public"}, ()),
    "environment": ({"environment": "live"}, {"environment": "test"}, ()),
    "prefix": ({"prefix": "sk_live_"}, {"prefix": "pk_"}, ("+hint", "sk_live_8", 0.0, "")),
    "id": ({"id": "000000"}, {"id": "000000"}, ("+key", "000")),
    "name": ({"name": "S"}, {"name": "zebra"}, ("+folded", "server 5", 0.0, "")),
    "created": ({"created_before": "now"}, {"created_before": "early"}, ()),
    "created by": ({"created_by": "staff:s-1"}, {"created_by": "staff:s-9"}, ()),
    "last use": ({"used_before": "now"}, {"used_after": "now"}, ("-last_used_at", "old", 0.0, "")),
    "never used": ({"never_used": True}, {"never_used": True}, ()),
    "expiring": ({"expiring_after": "later"}, {"expiring_before": "later"}, ("+expires_at", "last", "")),
    "weak": ({"weak": True}, {"weak": True}, ()),
    "leaked": ({"leaked": True}, {"leaked": True}, ()),
    "deleted": ({"hidden": True}, {"hidden": True, "state": "inactive"}, ()),
}
WITHIN: dict[str, Wanted] = {
    "alone": {},
    "of a large API": {"api": "shop"},
    "of a small API": {"api": "kiosk"},
    "of a large owner": {"owner": "large"},
    "of a small owner": {"owner": "small"},
}

# Keys by number, i: what few are so stands in steps of its own, what many are so is drawn by h.
_ROWS = """
insert into keys (key, locator, lineage, scheme, pepper, digest, api, owner, class, environment, name, folded, hint,
    scopes, state, created_at, created_by, expires_at, ended_at, deleted_at, last_used_at, leaked_at, weak)
with recursive
    number(i) as (select 0 union all select i + 1 from number where i < :count - 1),
    drawn(i, h, few) as materialized (select i, (i * 8765432109871 + 12345) % 281474976710597, i % :step from number),
    said as materialized (
        select *, printf('%012X', h) as key,
            iif(few = 2, 'public', 'secret') as class, iif(few = 3, 'test', 'live') as environment,
            iif(few = 4, 'zebra', substr('serverscriptworkerbackup', 1 + 6 * (h / 1000 % 4), 6))
                || ' ' || (h % 1000) as name,
            case when few = 5 then 'inactive' when few = 6 or few = 12 then 'active' when few = 11 then 'revoked'
                 when h / 7 % 10 = 0 then 'expired' when h / 7 % 10 < 3 then 'revoked' else 'active' end as state
        from drawn)
select key, cast(key as blob), cast(key as blob), 'b2', 1, randomblob(32),
    case when few = 0 then 'kiosk' when h % 10 = 0 then 'store' else 'shop' end,
    case when few = 1 then 'small' when h % 4 = 1 then 'large' else 'o-' || (h % (:count / 10)) end,
    class, environment, name, name,
    iif(class = 'public', 'pk_', 'sk_') || environment || '_' || substr(key, 1, 4) || '…',
    '["read:experiences"]', state,
    :now - :count + i, iif(few = 7, 'staff:s-9', 'staff:s-' || (h % 5)),
    case when state = 'expired' or few = 6 then :now - h % 10000000
         when few = 12 then :now + 1000 + i / :step when h % 2 then :now + 10000000 + h % 10000000 end,
    iif(state in ('active', 'inactive'), null, :now),
    iif(few = 11 or (state = 'revoked' and h / 11 % 5 = 0), :now, null),
    case when few = 8 then :now + 1 when h % 3 then :now - h % 10000000 end,
    iif(few = 10, :now, null), few = 9
from said
"""


def run() -> list[Figure]:
    """In a process of its own."""
    return in_own_process("benchmarks.lists")


def measure() -> list[Figure]:
    """A figure for each thing that keys are looked for by."""
    with ExitStack() as both:
        small, large = (both.enter_context(stocked(count)) for count in (SMALL, LARGE))
        return [_worst(large, small, sought) for sought in SOUGHT]


def _worst(large: App, small: App, sought: str) -> Figure:
    """The worst case: of those that a glance shows to be the worst, measured anew, because chance makes some so."""
    glances = [(_compared(large, small, case, GLANCE).ratio, case) for case in _cases(sought)]
    worst = sorted(glances, key=lambda glance: glance[0])[-WORST:]
    return max((_compared(large, small, case, BLOCKS) for _, case in worst), key=lambda figure: figure.ratio)


def _compared(large: App, small: App, case: Case, blocks: int) -> Figure:
    long, short = _question(large, LARGE, case), _question(small, SMALL, case)
    shown, expected = long(), short()
    less = len(expected.items) - len(shown.items)
    if abs(less) > 5 and not (less > 0 and shown.next):
        raise RuntimeError(f"{case.name}: {len(shown.items)} shown, and {len(expected.items)} of fewer keys")
    return compare(case.name, _often(long), _often(short), rounds=ROUNDS, blocks=blocks, budget=BUDGET)


def _often(question: Callable[[], object]) -> Callable[[int], None]:
    def asking(rounds: int) -> None:
        for _ in range(rounds):
            question()

    return asking


class Case(NamedTuple):
    """A page: what is asked for, and behind which place."""

    name: str
    wanted: Wanted
    place: tuple[Any, ...]


def _cases(sought: str) -> Iterator[Case]:
    """Each case of what is *sought*."""
    many, few, middle = SOUGHT[sought]
    for within, scope in WITHIN.items():
        newest = not middle or "owner" in scope
        name = f"keys by {sought}, {within}"
        yield Case(name, many | scope, ())
        yield Case(f"{name}, middle", many | scope, (_CREATED, "middle", "") if newest else middle)
        yield Case(f"{name}, few", few | scope, ())


def _question(app: App, count: int, case: Case) -> Callable[[], Any]:
    """Asks for the page, whose moments depend on how many keys there are."""
    now = app.clock.read()[0]
    moments: dict[Any, Any] = {"now": now, "early": now - count + 100, "middle": now - count / 2}
    moments |= {"old": now - 5e6, "later": now + 5e6, "last": now + 1.5e7}
    asked: Wanted = {name: moments.get(value, value) for name, value in case.wanted.items()}
    written = json.dumps([moments.get(value, value) for value in case.place])
    after = urlsafe_b64encode(written.encode()).decode().rstrip("=") if case.place else ""

    def asking() -> Any:
        with app.reading() as reader:
            return keys.listed(reader, after=after, limit=PAGE, **asked)

    return asking


@contextmanager
def stocked(count: int) -> Iterator[App]:
    """An installation with *count* keys of three APIs, written straight into their table."""
    with tempfile.TemporaryDirectory(prefix="limen-bench-") as folder:
        app = App.initialise(Settings(database_url=f"sqlite:///{folder}/limen.db"))
        for api in ("shop", "store", "kiosk"):
            app.act(apis.create, api, load("organisation"))
        connection = app.store.engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute("pragma foreign_keys = off")
            cursor.execute("pragma synchronous = off")
            cursor.execute("select type, name, sql from sqlite_master where tbl_name = 'keys' and type <> 'table'")
            laid = [row for row in cursor.fetchall() if row[2]]
            for kind, name, _ in laid:
                cursor.execute(f"drop {kind} {name}")
            cursor.execute("begin")
            cursor.execute(_ROWS, {"count": count, "step": count // FEW, "now": app.clock.read()[0]})
            for *_, sql in laid:
                cursor.execute(sql)
            cursor.execute("commit")
        finally:
            connection.invalidate()
        try:
            yield app
        finally:
            app.close()


if __name__ == "__main__":
    print(json.dumps(as_rows(measure())))

"""The audit's chain: laid over every row once, whoever dies when; and whoever meddles with a row is found out."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert

from limen.app import App
from limen.control import audit, owners
from limen.core.audit import START, Head, link
from limen.core.people import Actor
from limen.db.tables import audit as rows_of_audit
from tests.control.desk import Desk
from tests.db.hand import Hand, hand_at

if TYPE_CHECKING:
    from collections.abc import Iterator


COUNT = 12
STAFF = Actor("staff", "k-1", "192.0.2.7")
NAMES = ("id", "at", "actor", "verb", "api", "subject", "before", "after", "detail")


def _some(app: App, count: int, name: str = "u") -> None:
    for number in range(count):
        app.act(owners.create, owners.NewOwner("user", f"Name {number}", f"{name}-{number}"), actor=STAFF)


@pytest.fixture
def chained(desk: Desk) -> Desk:
    """An installation with ``COUNT`` rows in its audit, and a link for each."""
    _some(desk.app, COUNT)
    assert desk.act(audit.lay) == COUNT
    assert desk.ask(audit.verify).whole
    return desk


@pytest.fixture
def hand(chained: Desk) -> Iterator[Hand]:
    """A hand at the database that no trigger holds up."""
    with hand_at(chained.path) as hand:
        hand.unbind()
        yield hand


def _breaks(desk: Desk, kept: Head | None = None) -> list[tuple[int, int, str]]:
    found = desk.ask(audit.verify, kept=kept)
    assert (not found.whole) == bool(found.breaks) == bool(found.broken)
    return [(each.position, each.id, each.how) for each in found.breaks]


def _exported(lines: list[str]) -> list[int]:
    """The positions of *lines*, walked by what docs/explanation/audit.md says, without a line of ours."""
    digest, positions = bytes(32), []
    for line in lines:
        entry = json.loads(line)
        row = json.dumps(entry["row"], sort_keys=True, separators=(",", ":")).encode()
        digest = hashlib.blake2b(digest + row, digest_size=32, person=b"limen/audit/link").digest()
        assert digest.hex() == entry["digest"]
        assert row in line.encode(), "the row stands in the line as it was hashed"
        positions.append(entry["position"])
    return positions


# -- laying it -------------------------------------------------------------------------------------------------------


@pytest.mark.check("C122")
def test_every_row_gets_one_link_in_the_order_of_ids(desk: Desk) -> None:
    assert desk.ask(audit.head) == Head(0, START.hex())
    _some(desk.app, 5)
    assert desk.ask(audit.waiting).count == 5
    assert [desk.act(audit.lay, 2) for _ in range(4)] == [2, 2, 1, 0]
    assert desk.ask(audit.waiting) == audit.Waiting(0, None)
    links = desk.rows("select position, id from audit_links order by position")
    assert links == [(number, number) for number in range(1, 6)]
    found = desk.ask(audit.verify)
    assert (found.whole, found.position, found.checked, found.unlinked, found.breaks) == (True, 5, 5, 0, ())
    assert desk.ask(audit.head) == Head(5, found.digest)


def test_laying_leaves_no_row_of_its_own_and_wakes_no_gate(desk: Desk) -> None:
    _some(desk.app, 3)
    before, epoch = desk.said(), desk.epoch
    desk.act(audit.lay)
    assert (desk.said(), desk.epoch) == (before, epoch)


def test_rows_that_wait_are_counted_and_are_no_break(chained: Desk) -> None:
    _some(chained.app, 3, "later")
    found = chained.ask(audit.verify)
    assert (found.whole, found.checked, found.unlinked) == (True, COUNT, 3)
    waiting = chained.ask(audit.waiting)
    assert waiting.count == 3
    assert waiting.since == chained.rows("select at from audit where id = ?", COUNT + 1)[0][0]


@pytest.mark.req("R72")
def test_an_export_is_verified_without_us(chained: Desk) -> None:
    _some(chained.app, 1, "later")
    lines = chained.ask(lambda reader: list(audit.export(reader)))
    assert _exported(lines[:COUNT]) == list(range(1, COUNT + 1))
    waiting = json.loads(lines[COUNT])
    assert (waiting["position"], waiting["digest"], waiting["row"]["subject"]) == (None, None, "later-0")
    assert len(lines) == COUNT + 1
    assert chained.ask(lambda reader: list(audit.export(reader, after=COUNT))) == lines[COUNT:]
    changed = [*lines[:3], lines[3].replace("u-3", "u-4")]
    with pytest.raises(AssertionError):
        _exported(changed)


def test_rows_of_every_kind_of_writing_are_linked_and_verify(desk: Desk) -> None:
    """No row stops the chain: not one that no verb of ours could have written. SQLite takes what is no JSON too."""
    written: list[Any] = ["{}", "[" * 5_000 + "]" * 5_000, "1e999", '{"a":1,"a":2}', '"\\u0000"', "null", "5"]
    with hand_at(desk.path) as hand:
        for number, detail in enumerate(written, 1):
            hand.execute("insert into audit values (?, ?, '', '', '', '', null, null, ?)", number, number, detail)
        if hand.sqlite:
            for at, detail in enumerate(("{", "[" * 5_000, b"\x00\xff", 5)):
                written.append(detail)
                hand.execute(
                    "insert into audit (at, actor, verb, api, subject, detail) values (?, '', '', '', '', ?)",
                    at,
                    detail,
                )
            written.append("")
            hand.execute(
                "insert into audit (at, actor, verb, api, subject, detail) values ('x', x'ff', '', '', '', '')"
            )
    assert desk.act(audit.lay) == len(written)
    assert desk.ask(audit.verify).whole
    assert len(desk.ask(audit.listed)) == len(written)
    assert len(desk.ask(lambda reader: list(audit.export(reader, personal=True)))) == len(written)


# -- whoever meddles with it -----------------------------------------------------------------------------------------


@pytest.mark.check("C122")
@pytest.mark.parametrize(
    "change",
    [
        "at = at + 0.001",
        "actor = 'terminal:nobody'",
        "verb = 'owners.suspend'",
        "api = 'creator'",
        "subject = 'u-1000'",
        "before = '{}'",
        "after = 'null '",
        "detail = replace(cast(detail as text), '\"user\"', '\"organisation\"')",
        "detail = '{}'",
        "detail = '\"x\"'",
    ],
)
def test_a_row_that_was_changed(chained: Desk, hand: Hand, change: str) -> None:
    if not hand.sqlite:
        change = re.sub("^(detail = replace.*)$", r"\1::json", change)
    hand.execute(f"update audit set {change} where id = 5")
    if change == "after = 'null '":
        assert _breaks(chained) == []  # the same, written otherwise: JSON's null is no value
        hand.execute("update audit set after = '0' where id = 5")
    assert _breaks(chained) == [(5, 5, "changed")]


@pytest.mark.check("C122")
@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        pytest.param(["delete from audit where id = 5"], [(5, 5, "missing")], id="a row deleted"),
        pytest.param(["delete from audit_links where id = 5"], [(5, 0, "missing"), (6, 5, "inserted")], id="a link"),
        pytest.param(
            ["delete from audit where id = 5", "delete from audit_links where id = 5"], [(5, 0, "missing")], id="both"
        ),
        pytest.param(
            [
                "delete from audit where id = 5",
                "delete from audit_links where id = 5",
                "update audit_links set position = position - 1 where position > 5",
            ],
            [(5, 6, "changed")],
            id="both, and the gap closed",
        ),
        pytest.param(
            [
                "update audit set id = 100 where id = 5",
                "update audit set id = 5 where id = 6",
                "update audit set id = 6 where id = 100",
            ],
            [(5, 5, "changed"), (6, 6, "changed")],
            id="two rows exchanged",
        ),
        pytest.param(
            [
                "update audit_links set position = 100 where position = 5",
                "update audit_links set position = 5 where position = 6",
                "update audit_links set position = 6 where position = 100",
            ],
            [(5, 6, "out_of_order"), (6, 5, "out_of_order"), (7, 7, "changed")],
            id="two links exchanged",
        ),
        pytest.param(
            ["update audit_links set digest = (select answer from peppers) where position = 5"],
            [(5, 5, "changed"), (6, 6, "changed")],
            id="a digest changed",
        ),
        pytest.param(
            ["update audit_links set digest = 'x' where position = 5"],
            [(5, 5, "changed"), (6, 6, "changed")],
            id="a digest that is none",
        ),
        pytest.param(
            [
                "update audit set id = -id where id > 5",
                "update audit set id = 1 - id where id < 0",
                "update audit_links set id = id + 100 where position > 5",
                "update audit_links set id = id - 99 where position > 5",
                "insert into audit select 6, at, actor, verb, api, 'x', before, after, detail from audit where id = 5",
            ],
            [(6, 6, "inserted"), *((at, at + 1, "changed") for at in range(6, COUNT + 1))],
            id="a row in between, and all behind it moved on",
        ),
        pytest.param(
            ["insert into audit select 0, at, actor, verb, api, 'u-x', before, after, detail from audit where id = 5"],
            [(1, 0, "inserted")],
            id="a row before the first",
        ),
    ],
)
def test_what_was_done_to_rows_and_links(
    chained: Desk, hand: Hand, statements: list[str], expected: list[tuple[int, int, str]]
) -> None:
    for statement in statements:
        hand.execute(statement)
    assert _breaks(chained) == expected


@pytest.mark.check("C122")
def test_a_chain_that_was_cut_off_or_rewritten_as_a_whole_is_told_by_a_head_that_was_kept(
    chained: Desk, hand: Hand
) -> None:
    kept = chained.ask(audit.head)
    early = Head(4, chained.rows("select digest from audit_links where position = 4")[0][0].hex())
    for head in (kept, early, Head()):
        assert _breaks(chained, head) == []
    hand.execute("update audit set subject = 'u-x' where id = 8")
    ((digest,),) = hand.execute("select digest from audit_links where position = 7")
    for number in range(8, COUNT + 1):  # whoever can write the database can do the sums
        (found,) = hand.execute("select * from audit where id = ?", number)
        row = dict(zip(NAMES, found, strict=True))
        digest = link(digest, row | {name: json.loads(row[name] or "null") for name in NAMES[6:]})
        hand.execute("update audit_links set digest = ? where position = ?", digest, number)
    assert _breaks(chained) == []
    assert _breaks(chained, early) == []
    assert _breaks(chained, kept) == [(COUNT, COUNT, "anchor")]
    hand.execute("delete from audit_links where position > 6")
    hand.execute("delete from audit_personal where id > 6")
    hand.execute("delete from audit where id > 6")
    assert _breaks(chained) == []
    assert _breaks(chained, kept) == [(COUNT, 0, "anchor")]
    assert _breaks(chained, early) == []


@pytest.mark.req("R73")
@pytest.mark.check("C122")
def test_a_personal_value_that_was_changed_put_in_or_erased(chained: Desk, hand: Hand) -> None:
    changes: list[tuple[str, Any]] = [("value", "192.0.2.8"), ("salt", bytes(16)), ("salt", bytes(17))]
    if hand.sqlite:
        changes += [("salt", "x"), ("value", b"\0")]
    for number, (column, value) in enumerate(changes, 3):
        hand.execute(f"update audit_personal set {column} = ? where id = ? and field = 'origin'", value, number)
        assert _breaks(chained) == [(number, number, "personal")]
        hand.execute("delete from audit_personal where id = ?", number)
        assert _breaks(chained) == [], "erased"
        hand.execute("insert into audit_personal values (?, 'origin', ?, '192.0.2.7')", number, bytes(16))
        assert _breaks(chained) == [(number, number, "personal")], "another salt"
        hand.execute("delete from audit_personal where id = ?", number)
    hand.execute("insert into audit_personal values (1, 'another', ?, 'of which the row says nothing')", bytes(16))
    assert _breaks(chained) == [(1, 1, "personal")]


def test_the_last_links_alone(chained: Desk, hand: Hand) -> None:
    hand.execute("update audit set subject = 'x' where id in (2, 9)")
    assert [each.position for each in chained.ask(audit.verify).breaks] == [2, 9]
    found = chained.ask(audit.verify, last=5)
    assert ([each.position for each in found.breaks], found.checked) == ([9], 5)
    assert chained.ask(audit.verify, last=3).whole
    assert chained.ask(audit.verify, last=1_000).broken == 2


def test_more_breaks_than_are_told_are_counted(desk: Desk) -> None:
    count = 1_200  # more than a page
    usual = {"at": 1.0, "actor": "", "verb": "owners.create", "api": "", "detail": {}}
    with desk.app.store.engine.begin() as connection:
        made = [usual | {"id": number, "subject": f"u-{number}"} for number in range(1, count + 1)]
        connection.execute(insert(rows_of_audit), made)
    assert [desk.act(audit.lay), desk.act(audit.lay)] == [1_000, 200]
    assert desk.ask(audit.verify).whole
    with hand_at(desk.path) as hand:
        hand.unbind()
        hand.execute("update audit set actor = 'x' where id > 5")
    found = desk.ask(audit.verify)
    assert (found.broken, len(found.breaks), found.breaks[0].position) == (count - 5, 100, 6)


def test_with_its_triggers_the_chain_takes_nothing_but_its_next_link(chained: Desk) -> None:
    _some(chained.app, 1, "later")
    digest = "(select answer from peppers)"
    statements = [
        f"insert into audit_links values ({COUNT + 2}, {COUNT + 1}, {digest}, 0)",
        f"insert into audit_links values ({COUNT}, {COUNT + 1}, {digest}, 0)",
        f"insert into audit_links values ({COUNT + 1}, {COUNT}, {digest}, 0)",
        "delete from audit_links",
        "update audit_links set at = 0",
        "insert into audit (id, at, actor, verb, api, subject, detail) values (0, 0, '', '', '', '', '{}')",
        "insert into audit (id, at, actor, verb, api, subject, detail) values (-1, 0, '', '', '', '', '{}')",
        "update audit_personal set value = ''",
    ]
    with hand_at(chained.path) as hand:
        if hand.sqlite:
            statements += [
                f"insert into audit_links values ('x', {COUNT + 1}, {digest}, 0)",
                f"insert into audit_links values ({COUNT + 1}, {COUNT + 1}, 'x', 0)",
                f"insert or replace into audit_links values (1, {COUNT + 1}, {digest}, 0)",
            ]
        else:
            statements += ["truncate audit_links", "truncate audit cascade"]
        for statement in statements:
            with pytest.raises(hand.refused, match=r"only ever appended|erased, never changed"):
                hand.execute(statement)
    assert chained.act(audit.lay) == 1
    assert chained.ask(audit.verify).whole

"""Batches: what they do to each key is what the verb of a single key does, and they say what they left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from limen.control import batches, keys, owners
from limen.control.batches import ACTIONS, Task
from limen.core.events import KeyDeactivated
from limen.core.problems import ProblemError
from tests.control.desk import Said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from limen.control.keys import Issued
    from limen.db.transaction import Tx
    from tests.control.desk import Desk


@pytest.fixture
def several(desk: Desk, firm: str, new_key: Callable[..., Issued]) -> Callable[[int], list[str]]:
    """``several(5)`` keys of the firm, the newest first; and the desk's clock a second on."""

    def several(count: int, **more: Any) -> list[str]:
        made = []
        for number in range(count):
            made.append(new_key("organisation", firm, **{"name": f"key {number}"} | more).key.key)
            desk.now += 1
        return made[::-1]

    return several


def _done(desk: Desk, task: Task, limit: int = 1000) -> Iterator[batches.Batch]:
    """Every batch of *task*, a transaction each."""
    after = ""
    while True:
        batch = desk.act(batches.run, task, after=after, limit=limit)
        desk.now += 1
        yield batch
        if not (after := batch.next):
            return


@pytest.mark.req("R249", "R68")
def test_all_keys_of_an_owner_are_revoked_at_once(desk: Desk, several: Any, firm: str) -> None:
    made, said = several(5), len(desk.said())
    batch = desk.act(batches.run, Task("revoke", {"owner": firm}, reason="breach"))
    assert batch == batches.Batch(tuple(made), (), "", ())
    assert desk.said()[said:] == [Said("keys.revoke", "key.revoked", "organisation", key) for key in made]
    found = desk.ask(keys.listed, owner=firm).items
    assert [(key.state, key.ended_reason, key.ended_at) for key in found] == [("revoked", "breach", desk.now)] * 5
    assert desk.act(batches.run, Task("revoke", {"owner": firm}, reason="again")).done == ()


@pytest.mark.parametrize(
    ("action", "single"),
    [
        ("revoke", lambda tx, key: keys.revoke(tx, key, reason="why")),
        ("expire", lambda tx, key: keys.set_expiry(tx, key, expires_at=tx.now + 60)),
        ("regenerate", keys.regenerate),
        ("deactivate", keys.deactivate),
        ("reactivate", keys.reactivate),
    ],
)
def test_a_batch_leaves_what_the_verb_of_a_single_key_leaves(
    desk: Desk, several: Any, firm: str, action: str, single: Callable[..., Any]
) -> None:
    alone, together = several(1, name="alone") + several(1, name="together")
    if action == "reactivate":
        for key in (alone, together):
            desk.act(keys.deactivate, key)
    desk.act(single, alone)
    task = Task(action, {"name": "together"}, reason="why", expires_at=desk.now + 60)
    assert desk.act(batches.run, task).done == (together,)
    left = [
        desk.rows(
            "select state, ended_at, ended_reason, expires_at, verb, actor, detail -> '$.overlap_s', before, after,"
            " event, changes.kind from keys join audit on audit.subject = keys.key join outbox on outbox.id = audit.id"
            " join changes on changes.subject = keys.locator where name = ? and verb not in ('keys.issue')",
            name,
        )
        for name in ("alone", "together")
    ]
    assert left[0] == left[1] != []


@pytest.mark.req("R249")
def test_a_batch_goes_on_where_the_one_before_ended_and_ends(desk: Desk, several: Any, firm: str) -> None:
    """Whatever it makes itself, and in whichever order its keys come."""
    for wanted in ({"owner": firm}, {"name": "key"}, {"prefix": "sk_"}, {"api": "organisation"}):
        made = several(7)
        done = list(_done(desk, Task("regenerate", wanted), limit=3))
        assert [len(batch.done) for batch in done][:2] == [3, 3]
        assert sorted(key for batch in done for key in batch.done) == sorted(made)
        assert [new.key.predecessor for batch in done for new in batch.issued] == [
            key for batch in done for key in batch.done
        ]
        desk.act(batches.run, Task("revoke", {"owner": firm}))


def test_a_text_is_told_once_and_kept_nowhere(desk: Desk, several: Any, firm: str) -> None:
    several(2)
    batch = desk.act(batches.run, Task("regenerate", {"owner": firm}))
    texts = [new.text for new in batch.issued]
    assert len(set(texts)) == 2
    assert not any(text in repr(batch) for text in texts)
    assert not any(text in repr(desk.dump()) for text in texts)


@pytest.mark.req("R163")
def test_gates_refuse_what_a_batch_ended(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    text = new_key("creator", owner).text
    assert desk.verdict(text) == "ok"
    desk.act(batches.run, Task("deactivate", {"api": "creator"}))
    assert desk.verdict(text) == "key_inactive"
    desk.act(batches.run, Task("reactivate", {"api": "creator"}))
    desk.act(batches.run, Task("revoke", {"api": "creator"}))
    assert desk.verdict(text) == "key_revoked"


def test_a_key_that_is_refused_is_skipped_and_said(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> None:
    desk.act(owners.create, owners.NewOwner("user", owner="u-2"))
    asleep, free = new_key("creator", owner).key.key, new_key("creator", "u-2").key.key
    for key in (asleep, free):
        desk.act(keys.deactivate, key)
    holder = new_key("creator", owner).key.hint
    said = len(desk.said())
    batch = desk.act(batches.run, Task("reactivate", {"api": "creator"}))
    assert batch.done == (free,)
    assert [(each.key, each.code) for each in batch.skipped] == [(asleep, "slot_taken")]
    assert holder in batch.skipped[0].detail
    assert [each.subject for each in desk.said()[said:]] == [free]
    assert desk.ask(keys.require, asleep).state == "inactive"


def test_a_date_is_not_put_off_by_a_batch(desk: Desk, several: Any, firm: str) -> None:
    (soon,), (late,), (never,) = (
        several(1, expires_at=None if life_s is None else desk.now + life_s) for life_s in (50, 5000, None)
    )
    soonest, at = desk.ask(keys.require, soon).expires_at, desk.now + 500
    batch = desk.act(batches.run, Task("expire", {"owner": firm}, expires_at=at))
    assert set(batch.done) == {late, never}
    assert [(each.key, each.code) for each in batch.skipped] == [(soon, "expiry_wrong")]
    ends = {key.key: key.expires_at for key in desk.ask(keys.listed, owner=firm).items}
    assert ends == {soon: soonest, late: at, never: at}
    desk.act(batches.run, Task("expire", {"owner": firm}))
    assert {key.state for key in desk.ask(keys.listed, owner=firm).items} == {"expired"}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_batch_takes_keys_in_the_states_that_it_is_for(desk: Desk, several: Any, firm: str, action: str) -> None:
    keys_of = dict(zip(("active", "inactive", "expired", "revoked", "deleted"), several(5), strict=True))
    desk.act(keys.deactivate, keys_of["inactive"])
    desk.act(keys.set_expiry, keys_of["expired"], expires_at=desk.now)
    desk.act(keys.revoke, keys_of["revoked"])
    desk.act(keys.delete, keys_of["deleted"])
    expected = {keys_of[state] for state in ACTIONS[action]}
    task = Task(action, {"owner": firm, "hidden": True}, expires_at=desk.now + 60)
    assert {key.key for key in desk.ask(batches.preview, task).first} == expected
    one = Task(action, {"owner": firm, "state": "inactive"}, expires_at=desk.now + 60)
    assert desk.ask(batches.preview, one).count == ("inactive" in ACTIONS[action])
    assert set(desk.act(batches.run, task).done) == expected


def test_a_preview_counts_and_shows_the_first_and_changes_nothing(desk: Desk, several: Any, firm: str) -> None:
    made = several(25)
    before = desk.dump()
    found = desk.ask(batches.preview, Task("revoke", {"name": "KEY", "owner": firm}))
    assert found.count == 25
    assert [key.key for key in found.first] == made[:20]
    assert desk.ask(batches.preview, Task("revoke", {"owner": "nobody"})) == batches.Preview(0, ())
    assert desk.dump() == before


@pytest.mark.parametrize(
    ("task", "more", "said"),
    [
        (Task("explode", {"owner": "o-1"}), {}, "none of revoke, expire, regenerate, deactivate, reactivate"),
        (Task("revoke", {}), {}, "Say which keys"),
        (Task("revoke", {"api": "", "created_before": None, "weak": False, "hidden": True}), {}, "Say which keys"),
        (Task("revoke", {"state": "gone"}), {}, "'gone'"),
        (Task("revoke", {"owner": "o-1"}), {"limit": 0}, "1 to 1000"),
        (Task("revoke", {"owner": "o-1"}), {"limit": 1001}, "1 to 1000"),
        (Task("revoke", {"owner": "o-1"}), {"after": "x"}, "No batch ended"),
        (Task("revoke", {"owner": "o-1"}), {"after": "nan:x"}, "No batch ended"),
        (Task("revoke", {"owner": "o-1"}), {"after": "0x1p+99999:x"}, "No batch ended"),
        (Task("revoke", {"owner": "o-1"}), {"after": "0x1p+1:x"}, "No page ended"),
    ],
)
def test_a_batch_is_asked_for_in_words_that_there_are(desk: Desk, task: Task, more: Any, said: str) -> None:
    assert said in desk.refused("request_malformed", batches.run, task, **more)


def test_a_thousand_keys_cost_a_handful_of_statements_each(desk: Desk, several: Any, firm: str) -> None:
    counts = []
    for count in (10, 20):
        several(count)
        statements: list[str] = []
        event.listen(desk.app.store.engine, "before_cursor_execute", lambda *args, of=statements: of.append(args[2]))
        desk.act(batches.run, Task("revoke", {"owner": firm}))
        counts.append(len(statements))
    assert counts[1] - counts[0] <= 6 * 10


def test_what_is_attempted_and_refused_has_not_happened(desk: Desk, several: Any, firm: str) -> None:
    """Half done, and refused: also what was to be told to gates, to the audit, and to the tombstones."""
    first, second = several(2)
    said = len(desk.said())

    def halfway(tx: Tx, key: str) -> None:
        keys.deactivate(tx, key)
        raise ProblemError("key_ended")

    def verb(tx: Tx) -> int:
        with tx.gathering():
            keys.deactivate(tx, first)
            with pytest.raises(ProblemError), tx.attempting():
                halfway(tx, second)
            tx.record("a test", KeyDeactivated("organisation", "after", firm))
        return len(tx.stones)

    assert desk.act(verb) == 1
    assert [each.subject for each in desk.said()[said:]] == [first, "after"]
    assert [desk.ask(keys.require, key).state for key in (first, second)] == ["inactive", "active"]
    assert desk.rows("select count(*) from changes")[0][0] == 4, "two issues, and one sleeps"


def test_what_is_gathered_is_written_in_its_order(desk: Desk, several: Any) -> None:
    first, second = several(2)
    said = len(desk.said())

    def verb(tx: Tx) -> None:
        with tx.gathering():
            for key in (first, second):
                keys.deactivate(tx, key)
                keys.reactivate(tx, key)

    desk.act(verb)
    assert [(each.verb, each.subject) for each in desk.said()[said:]] == [
        (verb, key) for key in (first, second) for verb in ("keys.deactivate", "keys.reactivate")
    ]

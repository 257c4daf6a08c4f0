"""What comes back from a copy of the database, and what does not. And: no verb ends anything without a tombstone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from limen.control import keys, owners, revival
from limen.core.tombstones import KeyWords, LastWords, OwnerWords
from limen.db import tombstones
from tests.control.desk import Desk
from tests.control.test_faults import SCENES

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.control.keys import Issued
    from limen.core.profile import Profile

    New = Callable[..., Issued]

KEYS = "select key, state, deleted_at, expires_at from keys"
OWNERS = "select owner, suspended_at, erased_at from owners"


def laid(desk: Desk) -> LastWords:
    """All that the tombstones say."""
    words = LastWords()
    for _, stone in tombstones.read(desk.app.settings.tombstones_path):
        words.add(stone)
    return words


def by_id(rows: list[tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in rows}


def untold(desk: Desk, *, told: LastWords, before: dict[str, dict[str, Any]]) -> list[str]:
    """What ended, slept or was suspended since *before*, or woke, and is not as the tombstones say."""
    found = []
    for key, (state, deleted_at, expires_at) in by_id(desk.rows(KEYS)).items():
        was = before["keys"].get(key)
        if was is None or was == (state, deleted_at, expires_at):
            continue
        said = told.keys.get(key, KeyWords())
        ended = state == "revoked" and was[0] != "revoked"
        slept = {state, was[0]} == {"active", "inactive"}
        if (
            (ended and said.revoked_at is None)
            or (deleted_at is not None and not said.deleted)
            or (slept and said.asleep != (state == "inactive"))
            or (expires_at != was[2] and said.expires_at != expires_at)
        ):
            found.append(key)
    for owner, (suspended_at, erased_at) in by_id(desk.rows(OWNERS)).items():
        was = before["owners"].get(owner)
        if was is not None and was != (suspended_at, erased_at):
            spoken = told.owners.get(owner)
            if spoken is None or (spoken.suspended, spoken.erased) != (suspended_at is not None, erased_at is not None):
                found.append(owner)
    return found


@pytest.mark.check("C038")
@pytest.mark.parametrize("name", SCENES)
def test_no_verb_ends_anything_without_a_tombstone(
    desk: Desk, owner: str, altered: Callable[..., Profile], name: str
) -> None:
    verb, args, kwargs = SCENES[name](desk, altered)
    before = {"keys": by_id(desk.rows(KEYS)), "owners": by_id(desk.rows(OWNERS))}
    desk.act(verb, *args, **kwargs)
    assert untold(desk, told=laid(desk), before=before) == []


def test_an_end_without_a_tombstone_would_be_found(desk: Desk, owner: str, new_key: New) -> None:
    issued = [new_key("creator", owner).key.key]
    before = {"keys": by_id(desk.rows(KEYS)), "owners": by_id(desk.rows(OWNERS))}
    desk.act(keys.revoke, issued[0])
    desk.act(owners.suspend, owner, reason="a test")
    assert untold(desk, told=LastWords(), before=before) == [*issued, owner]


def revive(desk: Desk, words: LastWords) -> revival.Revived:
    found: revival.Revived = desk.act(revival.restored, words, installation="i", backup_at=1.0)
    return found


def state(desk: Desk, key: str) -> str:
    return str(desk.ask(keys.require, key).state)


@pytest.fixture
def several(desk: Desk, firm: str, new_key: New) -> list[str]:
    """Keys of ``organisation``, which allows many."""
    return [new_key("organisation", firm).key.key for _ in range(6)]


def test_what_ended_since_has_ended_and_the_rest_lives(desk: Desk, firm: str, several: list[str]) -> None:
    desk.act(keys.deactivate, several[3])
    words = LastWords(
        {
            several[0]: KeyWords(revoked_at=desk.now - 60),
            several[1]: KeyWords(revoked_at=desk.now - 60, deleted=True),
            several[2]: KeyWords(expires_at=desk.now - 60),
            several[3]: KeyWords(asleep=False),
            several[4]: KeyWords(asleep=True, expires_at=desk.now + 60),
            "another00000": KeyWords(revoked_at=1.0),
        },
        {firm: OwnerWords(desk.now - 60, suspended=True)},
        whole=True,
    )
    found = revive(desk, words)
    assert found == revival.Revived(ended=2, shortened=2, asleep=1, awake=1, owners=1, unknown=1, unconfirmed=0)
    hidden = desk.rows("select state, deleted_at from keys where key = ?", several[1])
    assert [state(desk, key) for key in (several[0], *several[2:])] == [
        "revoked",
        "expired",
        "active",
        "inactive",
        "active",
    ]
    assert hidden == [("revoked", desk.now)]
    assert desk.ask(keys.require, several[0]).ended_reason.startswith("restored: ended at 20")
    assert desk.ask(keys.require, several[4]).expires_at == desk.now + 60
    assert desk.ask(owners.require, firm).state == "suspended"
    said = desk.said()[-1]
    assert (said.verb, said.event, said.subject) == ("installation.restore", "installation.restored", "i")


def test_done_twice_it_is_done(desk: Desk, firm: str, several: list[str]) -> None:
    words = LastWords(
        {several[0]: KeyWords(revoked_at=1.0, deleted=True), several[1]: KeyWords(expires_at=1.0, asleep=True)},
        {firm: OwnerWords(1.0, suspended=True, erased=True)},
        whole=True,
    )
    revive(desk, words)
    again = revive(desk, words)
    assert again == revival.Revived(ended=0, shortened=0, asleep=0, awake=0, owners=0, unknown=0, unconfirmed=0)
    assert desk.ask(owners.require, firm).state == "erased"


def test_an_owner_that_was_restored_since_is_restored(desk: Desk, firm: str) -> None:
    desk.act(owners.suspend, firm, reason="a test")
    revive(desk, LastWords(owners={firm: OwnerWords(1.0, suspended=False)}, whole=True))
    assert desk.ask(owners.require, firm).state == "active"


def test_a_place_that_is_taken_in_the_copy_stays_so(desk: Desk, owner: str, new_key: New) -> None:
    asleep = new_key("creator", owner).key.key
    desk.act(keys.deactivate, asleep)
    held = new_key("creator", owner).key.key
    assert revive(desk, LastWords({asleep: KeyWords(asleep=False)}, whole=True)).awake == 0
    assert (state(desk, asleep), state(desk, held)) == ("inactive", "active")


@pytest.mark.check("C038")
def test_where_not_every_end_is_known_no_key_is_active_and_nobody_is_restored(
    desk: Desk, firm: str, several: list[str]
) -> None:
    desk.act(keys.deactivate, several[1])
    desk.act(keys.set_expiry, several[2], expires_at=desk.now + 10)
    desk.act(owners.suspend, firm, reason="a test")
    desk.now += 20
    words = LastWords({several[0]: KeyWords(revoked_at=1.0), several[1]: KeyWords(asleep=False)},
                      {firm: OwnerWords(1.0, suspended=False)})  # fmt: skip
    found = revive(desk, words)
    assert (found.ended, found.awake, found.owners, found.unconfirmed) == (1, 0, 0, 3)
    assert [state(desk, key) for key in several] == ["revoked", "inactive", "expired", *["inactive"] * 3]
    assert desk.ask(owners.require, firm).state == "suspended"
    assert sorted(desk.ask(revival.unconfirmed)) == sorted(several[3:])
    assert desk.ask(revival.unconfirmed, owner="nobody") == desk.ask(revival.unconfirmed, api="creator") == []
    assert sorted(desk.ask(revival.unconfirmed, api="organisation", owner=firm)) == sorted(several[3:])


def test_whoever_was_asleep_before_is_not_woken_with_the_rest(desk: Desk, several: list[str]) -> None:
    desk.act(keys.deactivate, several[0])
    revive(desk, LastWords())
    assert desk.act(revival.confirm, desk.ask(revival.unconfirmed)) == revival.Confirmed(5, {})
    assert [state(desk, key) for key in several] == ["inactive", *["active"] * 5]
    assert desk.ask(revival.unconfirmed) == []
    assert desk.ask(keys.require, several[1]).ended_reason == ""


def test_of_two_for_one_place_one_is_woken(desk: Desk, owner: str, new_key: New) -> None:
    first = new_key("creator", owner).key.key
    revive(desk, LastWords())
    new_key("creator", owner)
    done = desk.act(revival.confirm, [first, "another00000"])
    assert (done.woken, set(done.refused)) == (0, {first, "another00000"})
    assert state(desk, first) == "inactive"


def test_a_key_that_sleeps_unconfirmed_can_be_revoked_and_then_not_woken(desk: Desk, several: list[str]) -> None:
    revive(desk, LastWords())
    desk.act(keys.revoke, several[0], reason="who knows")
    assert several[0] not in desk.ask(revival.unconfirmed)
    assert desk.act(revival.confirm, [several[0]]).woken == 0
    assert desk.ask(keys.require, several[0]).ended_reason == "who knows"


def test_every_gate_forgets_everything(desk: Desk, owner: str, new_key: New) -> None:
    text = new_key("creator", owner).text
    assert desk.verdict(text) == "ok"
    revive(desk, LastWords())
    assert desk.verdict(text) == "key_inactive"


def test_an_archive_that_is_trusted_is_as_it_says(desk: Desk, several: list[str]) -> None:
    how = {"installation": "i", "exported_at": 1.0}
    words = LastWords({several[0]: KeyWords(revoked_at=1.0)})
    assert desk.act(revival.imported, words, trusted=True, **how).unconfirmed == 0
    assert [state(desk, key) for key in several] == ["revoked", *["active"] * 5]
    assert desk.act(revival.imported, words, trusted=False, **how).unconfirmed == 5
    assert desk.said()[-1].event == "installation.imported"

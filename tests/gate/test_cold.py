"""What memory does not hold: the gate says so, and the store is asked; what it said is held, within bounds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

import limen.reads as composition
from limen.control import apis, keys, owners
from limen.core.keys import mint
from limen.core.verdict import Ask
from limen.db.transaction import Tx
from limen.gate.cold import Cold
from limen.gate.directory import Directory
from tests.gate.scene import LIMIT, NewScene, Scene, changed, noise

MANY_KEYS = {"keys__max_active_per_owner": "unlimited", "keys__on_overflow": "reject"}


def test_a_cold_key_is_answered_with_nothing_until_the_store_was_asked(scene: Scene) -> None:
    text = scene.key()
    assert scene.warm(text) is None
    assert scene.code(text) == "ok"
    assert scene.warm(text) == "ok"


async def test_a_door_that_may_not_block_gets_the_same_answers(scene: Scene) -> None:
    text, unknown = scene.key(), next(noise(1))
    asked = [scene.house.cold.decide(scene.ask(credential)) for credential in (text, unknown, None, text)]
    codes = [verdict.code.slug for verdict in await asyncio.gather(*asked)]
    assert codes == ["ok", "credential_invalid", "credential_missing", "ok"]


@pytest.mark.req("R46")
def test_what_cannot_be_a_key_is_never_looked_up(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.code(None)
    looked_up: list[bytes] = []
    put = Directory.put
    monkeypatch.setattr(Directory, "put", lambda *asked: (looked_up.append(asked[1]), put(*asked))[1])
    text = next(noise(1))
    for place in range(len(text)):
        other = text[:place] + (b"a" if text[place : place + 1] != b"a" else b"b") + text[place + 1 :]
        assert scene.warm(other) == "credential_malformed"
    assert looked_up == []
    assert scene.code(text) == "credential_invalid"
    assert looked_up == [text[5:17]]


def test_a_key_that_names_nothing_is_loaded_once(scene: Scene) -> None:
    text = next(noise(1))
    assert scene.code(text) == "credential_invalid"
    with scene.down():
        assert scene.warm(text) == "credential_invalid"


def test_a_flood_of_keys_that_name_nothing_evicts_no_key_and_stays_within_its_bound(scene: Scene) -> None:
    """A real flood through the store first, then 200,000 into the memory alone, which is what could overflow."""
    good = [scene.key(f"owner-{number}") for number in range(20)]
    assert {scene.code(text) for text in good} == {"ok"}
    for text in noise(500):
        assert scene.code(text) == "credential_invalid"
    directory, unknown = scene.house.gate.directory, scene.settings.unknown
    for _ in range(200_000):
        directory.put(os.urandom(6).hex().encode(), None, directory.applied)
    assert [scene.warm(text) for text in good] == ["ok"] * len(good)
    held = sum(directory.settled(text) != "" for text in noise(10))
    assert held == 0
    assert unknown // 2 <= len(directory._unknown) + len(directory._unknown_old) <= unknown
    assert len(directory) == len(good)


@pytest.mark.check("C031")
def test_a_key_issued_where_nothing_was_known_to_be_works_at_once(scene: Scene) -> None:
    """Somebody asked for the very key before there was one: what was remembered of that must not outlive its issue."""
    expected = mint("fvak_", _counting())[1].encode()
    assert scene.code(expected) == "credential_invalid"
    assert scene.warm(expected) == "credential_invalid"
    new = keys.NewKey(scene.api, scene.owner(), "a key", scopes=("read:chat",))
    issued = scene.other().act(_issue_from, _counting(), new)
    assert issued.text.encode() == expected
    assert scene.code(expected) == "ok"


def _counting() -> Callable[[int], bytes]:
    numbers = iter(range(1, 1000))
    return lambda count: bytes(next(numbers) % 256 for _ in range(count))


def _issue_from(tx: Tx, entropy: Callable[[int], bytes], new: keys.NewKey) -> keys.Issued:
    tx.entropy = entropy
    return keys.issue(tx, new)


def test_with_more_keys_than_it_holds_every_one_is_still_decided_right(new_scene: NewScene) -> None:
    scene = new_scene(changed(**MANY_KEYS), records=100)
    issued = [scene.issued("ann" if number % 2 else "bob") for number in range(150)]
    for revoked in issued[::10]:
        scene.app.act(keys.revoke, revoked.key.key)
    for _ in range(3):
        for number, key in enumerate(issued):
            assert scene.code(key.text.encode()) == ("ok" if number % 10 else "key_revoked")
            assert len(scene.house.gate.directory) <= 100
    hot = issued[1].text.encode()
    assert scene.code(hot) == "ok"
    for key in issued:
        assert scene.code(key.text.encode()) != "credential_invalid"
        assert scene.warm(hot) is not None, "a key in use is not pushed out by others"


@pytest.mark.req("R162", "R170")
def test_a_suspended_owner_is_refused_with_every_key_even_where_the_generations_turned_between(
    new_scene: NewScene,
) -> None:
    """Keys of one owner are held in both generations and move between them; none may be forgotten to be forgotten."""
    scene = new_scene(changed(**MANY_KEYS), records=100)
    anns = [scene.key("ann") for _ in range(30)]
    bobs = [scene.key("bob") for _ in range(60)]
    for text in (*anns, *bobs, *anns[:15]):
        assert scene.code(text) == "ok"
    scene.app.act(owners.suspend, "ann", reason="abuse")
    assert {scene.code(text) for text in anns} == {"owner_suspended"}
    assert {scene.code(text) for text in bobs} == {"ok"}
    scene.app.act(owners.restore, "ann")
    assert {scene.code(text) for text in (*anns, *bobs)} == {"ok"}


async def _crowd(scene: Scene, asks: list[Ask], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The codes of *asks*, all put at once, while no load is done before those that are refused have been answered."""
    scene.code(None)
    free, store = Event(), scene.house.cold._store
    load = store.load
    monkeypatch.setattr(store, "load", lambda place: (free.wait(30), load(place))[1])
    asked = [asyncio.ensure_future(scene.house.cold.decide(ask)) for ask in asks]
    await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    free.set()
    return [verdict.code.slug for verdict in await asyncio.gather(*asked)]


async def test_more_may_not_wait_than_there_is_room_for(new_scene: NewScene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of five asks for cold keys two are let in line; the others are refused at once instead of waiting without end."""
    scene = new_scene(loads=1, waiting=1)
    texts = [scene.key(f"owner-{number}") for number in range(5)]
    codes = await _crowd(scene, [scene.ask(text) for text in texts], monkeypatch)
    assert codes == ["ok"] * 2 + ["unavailable"] * 3
    assert scene.house.cold.failures == 3
    assert scene.code(texts[4]) == "ok"


async def test_who_makes_up_ids_from_one_place_fills_an_eighth_of_the_line_and_keeps_nobody_else_out(
    new_scene: NewScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = new_scene(loads=1, waiting=31)
    text = scene.key()
    flood = [scene.ask(garbage, address=f"203.0.113.{number}") for number, garbage in enumerate(noise(20))]
    codes = await _crowd(scene, [*flood, scene.ask(text, address="192.0.2.7")], monkeypatch)
    assert codes == ["credential_invalid"] * 4 + ["unavailable"] * 16 + ["ok"]


async def test_a_crowd_that_has_to_catch_up_looks_into_the_change_log_no_more_often_than_it_must(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes before a look has begun may wait for it; whoever comes later waits for the next."""
    text, cold = scene.key(), scene.house.cold
    assert scene.code(text) == "ok"
    looks: list[int] = []
    changes = cold._store.changes
    monkeypatch.setattr(cold._store, "changes", lambda since: (looks.append(since), changes(since))[1])
    scene.other().act(owners.suspend, "ann", reason="abuse")
    await asyncio.gather(*(cold.keep_up() for _ in range(100)))
    assert 1 <= len(looks) <= 2
    assert scene.warm(text) is None
    assert scene.code(text) == "owner_suspended"


def test_a_database_that_was_put_back_from_a_backup_is_read_anew(scene: Scene) -> None:
    """Its change log is shorter than what this process has applied: nothing that is held is known to be right."""
    issued, other = scene.issued(), scene.other()
    text = issued.text.encode()
    assert scene.code(text) == "ok"
    applied = scene.house.gate.directory.applied
    scene.house.gate.directory.applied = applied + 100  # as if a hundred changes had been in what the backup replaced
    other.act(keys.revoke, issued.key.key)
    assert scene.code(text) == "key_revoked"
    assert scene.house.gate.directory.applied <= applied + 1


def test_a_gate_that_nobody_tells_of_changes_any_more_answers_nothing(scene: Scene) -> None:
    text = scene.key()
    assert [scene.code(text), scene.warm(text)] == ["ok", "ok"]
    scene.house.cold.close_down()
    assert [scene.warm(text), scene.code(text), scene.code(None)] == [None, "unavailable", "unavailable"]
    assert not scene.house.ready()


def test_a_record_that_was_read_under_the_rules_before_is_not_held_under_the_new_ones(
    new_scene: NewScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile is applied, and caught up with, while a load is on its way: what it reads is shaped by the old one."""
    scene = new_scene(changed(scopes={**changed().document["scopes"], "write:chat": _implying()}))
    text, other = scene.key(scopes=("write:chat",)), scene.other()
    assert scene.code(text) == "ok", "while write:chat implies read:chat"
    scene.house.gate.directory.clear(scene.house.gate.directory.applied)

    load, narrowed = composition.load_record, iter([changed(title="narrowed")])

    def late(*asked: Any, **more: Any) -> Any:
        for profile in narrowed:
            other.act(apis.apply_profile, scene.api, profile)
            scene.house.cold.catch_up()
        return load(*asked, **more)

    monkeypatch.setattr(composition, "load_record", late)
    scene.code(text)
    assert scene.code(text) == "scope_missing"


def _implying() -> dict[str, Any]:
    return {"description": "Create chats", "implies": ["read:chat"]}


def test_an_ask_that_changes_overtake_again_and_again_is_refused_in_the_end(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, cold = scene.key(), scene.house.cold
    scene.code(None)
    monkeypatch.setattr(Directory, "put", lambda *_asked: None)
    assert scene.code(text) == "unavailable"
    assert isinstance(cold, Cold)
    assert cold.failures == 1
    monkeypatch.undo()
    assert scene.verdict(text).remaining == LIMIT - 1

"""Keys that another system made are admitted as they are; what only looks like one is refused, and costs little."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text as sql

from limen.control import apis, imports, keys, peppers
from limen.core.verdict import CREDENTIAL_INVALID, CREDENTIAL_MALFORMED
from limen.drain import drain
from tests.gate.scene import NewScene, Scene, changed, noise

FOREIGN: list[dict[str, Any]] = [
    {"prefix": "old_", "length": "44", "hash": "sha256", "class": "secret", "environment": "live"},
    {"prefix": "mac-", "length": "20-28", "hash": "hmac-sha256", "secret": "legacy"}
    | {"class": "secret", "environment": "live"},
    {"prefix": "", "length": "36", "hash": "plain", "class": "secret", "environment": "live"},
]
PROFILE = {"keys__foreign": FOREIGN, "keys__max_active_per_owner": "unlimited"}
SECRET = b"the secret of the other one"


def fresh(prefix: str = "old_", length: int = 44) -> str:
    """A text that fits."""
    return prefix + secrets.token_hex(40)[: length - len(prefix)]


@pytest.fixture
def legacy(new_scene: NewScene) -> Scene:
    """An API that lists foreign keys, with the secret that some need."""
    scene = new_scene(changed(**PROFILE))
    scene.app.act(peppers.add_secret, scene.settings.pepper_path, "legacy", SECRET)
    return scene


def brought(scene: Scene, *texts: str, api: str = "", **how: Any) -> list[imports.Brought]:
    """The keys *texts* of ann, as the other system stored them."""
    scene.owner()
    entries = []
    for number, text in enumerate(texts, 1):
        stored: dict[str, Any] = {"text": text}
        if text.startswith("old_"):
            stored = {"hash": "sha256", "hashed": hashlib.sha256(text.encode()).digest()}
        elif text.startswith("mac-"):
            stored = {"hash": "hmac-sha256", "hashed": hmac.digest(SECRET, text.encode(), "sha256")}
        entries.append(imports.Entry(number, "ann", scopes=("read:chat",), **stored))
    report = scene.app.act(imports.bring, imports.Import(api or scene.api, **how), entries)
    return list(report.keys)


@pytest.mark.parametrize("form", [("old_", 44), ("mac-", 24), ("", 36)], ids=["sha256", "hmac", "plain"])
def test_a_key_that_was_brought_along_is_admitted_and_is_from_memory_from_then_on(
    legacy: Scene, form: tuple[str, int]
) -> None:
    text = fresh(*form)
    assert legacy.code(text.encode()) == "credential_invalid"
    (key,) = brought(legacy, text)
    verdict = legacy.verdict(text.encode())
    assert (verdict.code.slug, verdict.record.key_id.decode()) == ("ok", key.key)
    assert settled(legacy, text) == "ok"
    assert legacy.warm(text.encode()) == "ok"


def test_it_is_a_key_like_any_other(legacy: Scene) -> None:
    text = fresh()
    (key,) = brought(legacy, text)
    assert legacy.code(text.encode(), "POST /chats") == "scope_missing"
    legacy.app.act(keys.deactivate, key.key)
    assert legacy.code(text.encode()) == "key_inactive"
    legacy.app.act(keys.reactivate, key.key)
    assert legacy.code(text.encode()) == "ok"
    replaced = legacy.app.act(keys.regenerate, key.key)
    assert legacy.code(text.encode()) == "key_revoked"
    assert legacy.code(replaced.text.encode()) == "ok"
    assert legacy.rows("select count(distinct lineage), count(*) from keys") == [(1, 2)]


def test_its_readings_are_its_own(legacy: Scene) -> None:
    text = fresh()
    (key,) = brought(legacy, text)
    assert [legacy.code(text.encode()) for _ in range(3)] == ["ok"] * 3
    drain(legacy.app)
    found = legacy.rows("select keys.key, count(*) from readings join keys using (locator) group by keys.key")
    assert found == [(key.key, 3)]
    assert legacy.rows("select last_used_at is not null from keys") == [(1,)]


@pytest.mark.check("C008")
@pytest.mark.parametrize(
    ("form", "code", "counted"),
    [
        (("old_", 44), "credential_invalid", ("unknown_id", "old_")),
        (("mac-", 24), "credential_invalid", ("unknown_id", "mac-")),
        (("", 36), "credential_invalid", ("unknown_id", "")),
        (("old_", 43), "credential_malformed", ("credential_malformed", "")),
        (("sk_live_", 60), "credential_malformed", ("credential_malformed", "")),
        (("fvak_", 55), "credential_malformed", ("credential_malformed", "")),
    ],
)
def test_what_fits_and_is_none_is_invalid_and_is_counted_without_a_part_of_it(
    legacy: Scene, form: tuple[str, int], code: str, counted: tuple[str, str]
) -> None:
    text = fresh(*form)
    assert legacy.code(text.encode()) == code
    legacy.house.gate.strangers.flush()
    assert legacy.rows("select code, prefix, count from refusals") == [(*counted, 1)]


def test_a_profile_that_lists_none_knows_none_and_looks_for_none(scene: Scene) -> None:
    assert scene.house.gate.rules.foreign is None
    assert scene.warm(None) is not None or scene.code(None)
    assert scene.warm(fresh().encode()) == "credential_malformed"


def test_keys_of_one_api_are_not_those_of_another(legacy: Scene) -> None:
    text = fresh()
    brought(legacy, text)
    legacy.app.act(apis.create, "second", changed(**PROFILE))
    there = legacy.app.gate("second").cold.decide_now(legacy.ask(text.encode()))
    assert there.code is CREDENTIAL_INVALID
    legacy.app.act(imports.bring, imports.Import("second"), [
        imports.Entry(1, "ann", scopes=("read:chat",), hash="sha256", hashed=hashlib.sha256(text.encode()).digest())
    ])  # fmt: skip
    there = legacy.app.gate("second").cold.decide_now(legacy.ask(text.encode()))
    assert there.record is not None
    assert legacy.code(text.encode()) == "ok"


def test_our_own_keys_are_found_as_before_beside_them(legacy: Scene) -> None:
    text = legacy.key("bob")
    assert [legacy.code(text), legacy.warm(text)] == ["ok", "ok"]
    (unknown,) = noise(1)
    assert legacy.code(unknown) == "credential_invalid"


def test_a_process_that_never_saw_the_secret_learns_it_with_the_key(legacy: Scene) -> None:
    """The gate runs already, the secret and the key come from elsewhere."""
    assert legacy.code(None) == "credential_missing"
    path = legacy.settings.pepper_path
    text = "mac-" + secrets.token_hex(9)
    other = legacy.other()
    profile = changed(**PROFILE | {"keys__foreign": [*FOREIGN[:1], FOREIGN[1] | {"secret": "second"}]})
    legacy.owner()
    other.act(apis.apply_profile, legacy.api, profile)
    assert legacy.code(text.encode()) == "credential_invalid"
    other.act(peppers.add_secret, path, "second", b"another secret, which is new")
    hashed = hmac.digest(b"another secret, which is new", text.encode(), "sha256")
    entry = imports.Entry(1, "ann", scopes=("read:chat",), hash="hmac-sha256", hashed=hashed)
    other.act(imports.bring, imports.Import(legacy.api), [entry])
    assert legacy.code(text.encode()) == "ok"


@pytest.mark.req("R69")
def test_revoked_elsewhere_is_refused_at_the_next_check(legacy: Scene) -> None:
    text, other = fresh(), legacy.other()
    (key,) = brought(legacy, text)
    assert [settled(legacy, text), legacy.warm(text.encode())] == ["ok", "ok"]
    other.act(keys.revoke, key.key, reason="leaked")
    assert legacy.warm(text.encode()) is None
    assert legacy.code(text.encode()) == "key_revoked"


@pytest.mark.req("R100")
def test_a_flood_of_texts_that_fit_is_held_within_bounds_and_pushes_no_key_out(new_scene: NewScene) -> None:
    scene = new_scene(changed(**PROFILE), records=100, unknown=100)
    texts = [fresh() for _ in range(20)]
    brought(scene, *texts)
    assert {scene.code(text.encode()) for text in texts} == {"ok"}
    assert _soon(scene, "select distinct scheme from keys", [("b2",)])
    assert {scene.code(text.encode()) for text in texts} == {"ok"}
    flood = {scene.code(fresh().encode()) for _ in range(400)}
    directory = scene.house.gate.directory
    assert flood == {"credential_invalid"}
    assert len(directory._unknown) + len(directory._unknown_old) <= 100
    assert {scene.warm(text.encode()) for text in texts} == {"ok"}


def test_what_is_known_to_be_unknown_costs_the_store_nothing(
    legacy: Scene, count_reads: Callable[[Scene], Any]
) -> None:
    text = fresh().encode()
    assert legacy.code(text) == "credential_invalid"
    reads = count_reads(legacy)
    assert {legacy.warm(text) for _ in range(50)} == {"credential_invalid"}
    assert reads == []


@pytest.fixture
def count_reads() -> Iterator[Callable[[Scene], Any]]:
    """What is asked of the store from then on."""
    from sqlalchemy import event

    undone: list[Callable[[], None]] = []

    def count(scene: Scene) -> list[str]:
        asked: list[str] = []

        def note(*found: Any) -> None:
            asked.append(found[2])

        engine = scene.app.store.engine
        event.listen(engine, "before_cursor_execute", note)
        undone.append(lambda: event.remove(engine, "before_cursor_execute", note))
        return asked

    yield count
    for undo in undone:
        undo()


@pytest.mark.req("R66")
@pytest.mark.check("C006", "C021")
def test_at_its_first_use_it_is_stored_as_our_own_keys_are(legacy: Scene) -> None:
    strong, weak = fresh(), "old_" + "password" * 5
    brought(legacy, strong, weak)
    assert legacy.rows("select scheme, weak from keys") == [("b2/sha256", 1)] * 2
    assert {legacy.code(text.encode()) for text in (strong, weak)} == {"ok"}
    assert _soon(legacy, "select scheme, weak from keys order by weak", [("b2", 0), ("b2", 1)])
    assert {legacy.code(text.encode()) for text in (strong, weak)} == {"ok"}
    assert {legacy.warm(text.encode()) for text in (strong, weak)} == {"ok"}
    assert legacy.rows("select count(*) from audit where verb like 'peppers.%' and verb <> 'peppers.add_secret'") == [
        (0,)
    ]


def test_a_wrong_text_at_the_right_place_stores_nothing(legacy: Scene) -> None:
    """Two texts of one hash are not known; a row of another hash at this place is."""
    text = fresh()
    brought(legacy, text)
    with legacy.app.store.engine.begin() as hand:
        hand.execute(sql("update keys set digest = :other"), {"other": secrets.token_bytes(32)})
    assert legacy.code(text.encode()) == "credential_invalid"
    time.sleep(0.7)
    assert legacy.rows("select scheme from keys") == [("b2/sha256",)]


@pytest.mark.check("C006")
def test_a_key_that_is_revoked_while_it_waits_to_be_stored_anew_stays_revoked(legacy: Scene) -> None:
    text = fresh()
    (key,) = brought(legacy, text)
    assert legacy.code(text.encode()) == "ok"
    legacy.app.act(keys.revoke, key.key)
    assert _soon(legacy, "select scheme, state from keys", [("b2", "revoked")])
    assert legacy.code(text.encode()) == "key_revoked"


def settled(scene: Scene, text: str) -> str:
    """The code for *text*, once nothing is about to be stored anew: that makes gates forget the key."""
    scene.code(text.encode())
    assert _soon(scene, "select distinct scheme from keys", [("b2",)])
    with scene.app.store.turn():  # whoever stored it anew has told gates too
        pass
    return scene.code(text.encode())


def _soon(scene: Scene, statement: str, wanted: list[tuple[Any, ...]]) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if scene.rows(statement) == wanted:
            return True
        time.sleep(0.05)
    return False


def test_it_is_malformed_again_once_the_profile_lists_it_no_more(legacy: Scene) -> None:
    text = fresh()
    brought(legacy, text)
    legacy.app.act(apis.apply_profile, legacy.api, changed(keys__max_active_per_owner="unlimited"))
    assert legacy.verdict(text.encode()).code is CREDENTIAL_MALFORMED

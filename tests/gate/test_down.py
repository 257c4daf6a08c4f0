"""A store that cannot be read: what is known is decided, what is not is unavailable, nothing is admitted by luck."""

from __future__ import annotations

import pytest

from limen.control import keys
from limen.core.problems import StoreDown
from tests.gate.scene import LIMIT, Scene, noise


@pytest.mark.sqlite  # elsewhere a lease ends, and what counts is down as well: tests/cluster
def test_while_nothing_changes_what_is_known_is_decided_and_the_rest_is_unavailable(scene: Scene) -> None:
    warm, cold = scene.key(), scene.key("bob")
    assert scene.code(warm) == "ok"
    with scene.down():
        assert [scene.code(warm) for _ in range(3)] == ["ok"] * 3
        assert scene.code(warm, "POST /chats") == "scope_missing"
        assert scene.code(None) == "credential_missing"
        assert scene.code(b"noise") == "credential_malformed"
        assert [scene.code(text) for text in (cold, next(noise(1)))] == ["unavailable"] * 2
        assert scene.house.cold.failures == 2
    assert scene.code(cold) == "ok"
    assert scene.verdict(warm).remaining == LIMIT - 5


@pytest.mark.req("R69")
@pytest.mark.sqlite  # elsewhere the change is known here already when it has answered
def test_once_something_changed_nothing_is_decided_until_the_store_can_be_read(scene: Scene) -> None:
    """Not even a key that is held, nor a refusal: any of it may be what has changed."""
    issued, kept = scene.issued(), scene.key("bob")
    text = issued.text.encode()
    assert {scene.code(credential) for credential in (text, kept)} == {"ok"}
    scene.other().act(keys.revoke, issued.key.key)
    with scene.down():
        for credential in (text, kept, None, b"noise"):
            assert scene.code(credential) == "unavailable"
        assert not scene.house.ready()
    assert scene.house.ready()
    assert [scene.code(credential) for credential in (text, kept)] == ["key_revoked", "ok"]


@pytest.mark.sqlite  # it is the file that is damaged
def test_a_database_that_is_none_any_more_is_a_store_that_is_down(scene: Scene) -> None:
    text = scene.key()
    scene.code(None)
    scene.app.store.engine.dispose()
    path = scene.settings.database_path
    content = path.read_bytes()
    path.write_bytes(b"\xff" * len(content))
    assert scene.code(text) == "unavailable"
    scene.app.store.engine.dispose()
    path.write_bytes(content)
    assert scene.code(text) == "ok"


@pytest.mark.req("R69", "R48")
def test_a_revocation_that_could_not_be_written_says_so(scene: Scene) -> None:
    issued = scene.issued()
    text = issued.text.encode()
    assert scene.code(text) == "ok"
    with scene.down(), pytest.raises(StoreDown):
        scene.app.act(keys.revoke, issued.key.key)
    assert scene.soon("ok", text)
    scene.app.act(keys.revoke, issued.key.key)
    assert scene.code(text) == "key_revoked"

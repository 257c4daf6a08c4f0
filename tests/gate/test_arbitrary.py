"""Whatever is asked is answered, and what was recorded of it can be read back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.core.keys import CONFLICT
from limen.core.verdict import Ask, Code
from limen.drain import drain
from tests.gate.scene import VERSION, Scene, changed, noise

pytestmark = pytest.mark.xdist_group("arbitrary asks")  # one journal, which the last of them drains

HUGE = 70_000  # more than the 16 bits of an entry's length hold
anything = st.binary(max_size=80) | st.sampled_from([b"/" * HUGE, bytes(HUGE), b"\0", b"\xff" * 200])
places = st.sampled_from(["192.0.2.7", "::1", "fe80::1%eth0", "a\0.b", "1" * HUGE + ".2", ":" * HUGE])
moments = st.floats(0, 1e11)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, bytes]]:
    """A scene with a key that is bound to addresses and origins, so that those are looked at."""
    folder: Path = tmp_path_factory.mktemp("arbitrary")
    scene = Scene(folder, changed(keys__classes__secret__origins=True), segments=1_000)
    yield scene, scene.key(addresses=("192.0.2.0/24",), origins=("https://app.example.com",))
    scene.close()


@settings(max_examples=300)
@given(
    which=st.sampled_from(["good", "conflict", "form", "missing"]) | anything,
    method=st.sampled_from([b"GET", b"HEAD", b"POST", b"OPTIONS", b"TRACE"]) | anything,
    path=st.sampled_from([b"/chats", b"/openapi.json", b"/chats/1/messages", b"", b"/\x00"]) | anything,
    version=st.sampled_from([VERSION.encode(), b"2024-02-30", None]) | anything,
    environment=st.sampled_from([b"live"]) | anything,
    now=moments,
    at=moments,
    origin=st.sampled_from([b"https://app.example.com"]) | st.none() | anything,
    address=places | st.none() | st.text(max_size=80),
)
def test_no_ask_makes_the_gate_raise(whole: tuple[Scene, bytes], which: bytes | str, **parts: object) -> None:
    scene, good = whole
    named = {"good": good, "conflict": CONFLICT, "form": next(noise(1)), "missing": None}
    credential = named[which] if isinstance(which, str) else which
    verdict = scene.house.cold.decide_now(Ask(credential, **parts))
    assert verdict.code in Code
    if credential is not good:
        assert verdict.record is None
        assert not verdict.admitted or verdict.operation.public


@settings(max_examples=200)
@given(st.lists(places | st.text(".:\0a1/\N{SNOWMAN}") | st.ip_addresses().map(str), min_size=1, max_size=20))
def test_whatever_strangers_are_counted_under_can_be_drained(whole: tuple[Scene, bytes], addresses: list[str]) -> None:
    scene, _ = whole
    for minute, address in enumerate(addresses):
        scene.verdict(None, address=address, later=60.0 * minute)
    scene.house.gate.strangers.flush()


def test_what_was_recorded_of_it_all_can_be_drained(whole: tuple[Scene, bytes]) -> None:
    """Runs last: one entry that the drain could not read would stop it for ever."""
    scene, good = whole
    fits = {"address": "192.0.2.7", "origin": b"https://app.example.com"}
    scene.verdict(good, "\0\0 /\0\0", **fits)
    scene.house.gate.strangers.flush()
    recorded = sum(1 for _ in scene.entries())
    assert recorded > 0
    assert drain(scene.app) == recorded
    assert drain(scene.app) == 0
    assert scene.code(good, later=1e9, **fits) == "ok"

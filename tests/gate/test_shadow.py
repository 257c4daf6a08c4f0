"""Several windows at the gate, and limits that only count: what they would have refused can be read afterwards."""

from __future__ import annotations

import pytest

from limen.control import apis, terms
from limen.core.limits import read_limits
from tests.gate.scene import NewScene, Scene, changed

SHADOWED = "select code, prefix, block, count from refusals order by prefix"


def _counted(scene: Scene) -> list[tuple[str, str, str, int]]:
    scene.house.gate.strangers.flush()
    return scene.rows(SHADOWED)


@pytest.mark.req("R41", "R113")
@pytest.mark.sqlite  # elsewhere windows end by a clock that the test does not set
def test_the_windows_of_a_profile_hold_at_once(new_scene: NewScene) -> None:
    scene = new_scene(changed(limits__default="2 per 10 s, 3 per 60 s"))
    text = scene.key()
    codes = [scene.code(text, later=later) for later in (0, 0, 0, 11, 11, 59, 62)]
    assert codes == ["ok", "ok", "limit_exceeded", "ok", "limit_exceeded", "limit_exceeded", "ok"]
    assert str(scene.verdict(text, later=63).limit) == "2 per 10 s"


@pytest.mark.req("R123")
def test_a_shadow_limit_refuses_nobody_and_what_it_would_have_refused_is_counted(new_scene: NewScene) -> None:
    scene = new_scene(changed(limits__default="shadow 2 per 60 s, 5 per 60 s", operations__1__limit="shadow 4 per 1 d"))
    text = scene.key()
    verdicts = [scene.verdict(text) for _ in range(7)]
    assert [verdict.code.slug for verdict in verdicts] == ["ok"] * 5 + ["limit_exceeded"] * 2
    assert [verdict.remaining for verdict in verdicts] == [4, 3, 2, 1, 0, 0, 0]
    assert {str(verdict.limit) for verdict in verdicts} == {"5 per 60 s"}
    assert _counted(scene) == [
        ("limit_shadow", "shadow allowance/60", "", 3),
        ("limit_shadow", "shadow operation:listChats/86400", "", 1),
    ]


def test_where_only_a_shadow_limit_applies_nothing_is_said_of_a_limit(new_scene: NewScene) -> None:
    scene = new_scene(changed(limits__default="shadow 1 per 60 s"))
    text = scene.key()
    assert [(scene.code(text), scene.verdict(text).limit) for _ in range(2)] == [("ok", None)] * 2
    assert _counted(scene) == [("limit_shadow", "shadow allowance/60", "", 3)]


def test_what_is_refused_counts_in_no_shadow(scene: Scene) -> None:
    issued = scene.issued()
    text = issued.text.encode()
    scene.app.act(terms.set_limits, issued.key.key, limits=read_limits("shadow 0 per 60 s, 9 per 60 s", "allowance"))
    scene.app.act(apis.switch, scene.api, "emergency", read_limits("0 per 60 s", "emergency"))
    assert [scene.code(text) for _ in range(3)] == ["limit_exceeded"] * 3
    assert _counted(scene) == []


def test_a_limit_is_tried_out_as_a_shadow_and_then_set_without_a_restart(scene: Scene) -> None:
    text = scene.key()
    scene.app.act(apis.switch, scene.api, "emergency", read_limits("shadow 2 per 60 s", "emergency"))
    assert [scene.code(text) for _ in range(4)] == ["ok"] * 4
    assert _counted(scene) == [("limit_shadow", "shadow emergency/60", "", 2)]
    scene.app.act(apis.switch, scene.api, "emergency", read_limits("2 per 60 s", "emergency"))
    assert [scene.code(text) for _ in range(3)] == ["ok", "ok", "limit_exceeded"]

"""Who still calls which version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from limen.control import usage, versions
from limen.control.usage import VersionCaller
from limen.drain import drain

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.control.keys import Issued
    from tests.control.desk import Desk

OLD, NEW = "2025-06-26", "2026-06-26"


@pytest.mark.req("R71", "R167")
def test_who_still_calls_a_version_is_known_with_how_often(
    desk: Desk, owner: str, new_key: Callable[..., Issued]
) -> None:
    issued = new_key("creator", owner)
    desk.act(versions.register, "creator", NEW)
    began = desk.now
    for version, call, verdict in [
        (OLD, "GET /users/me", "ok"),
        (OLD, "GET /users/me", "ok"),
        (OLD, "GET /nowhere", "operation_unknown"),
        (NEW, "GET /users/me", "ok"),
    ]:
        desk.now += 1
        assert desk.verdict(issued.text, version=version, call=call) == verdict
    drain(desk.app)
    expected = VersionCaller(owner, issued.key.key, issued.key.name, 2, 1, began + 3)
    assert desk.ask(usage.callers_of, "creator", OLD, since=began) == [expected]
    assert [found.admitted for found in desk.ask(usage.callers_of, "creator", NEW, since=began)] == [1]
    assert desk.ask(usage.callers_of, "creator", OLD, since=began + 3.5) == []
    assert desk.ask(usage.callers_of, "organisation", OLD, since=began) == []
    assert desk.ask(usage.callers_of, "creator", "2024-01-01", since=began) == []

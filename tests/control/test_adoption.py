"""Who still calls which version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from limen.control import owners, recording, usage, versions
from limen.control.usage import VersionCaller
from limen.core.adoption import breaks, expected
from limen.core.usage import Decided
from limen.drain import drain

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.app import App
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


# -- how a version is left ------------------------------------------------------------------------------------------

DAY_S = 86_400


def _called(desk: Desk, key: Issued, calls: dict[int, int], version: str = OLD) -> None:
    """The key called *version* so often so many days ago."""
    (place,) = desk.rows("select locator from keys where key = ?", key.key.key)[0]
    moments = [desk.now - ago * DAY_S + n / 1_000 for ago, times in calls.items() for n in range(times)]
    first = desk.rows("select coalesce(max(number), 0) from readings")[0][0] + 1
    entries = [
        Decided(number, at, bytes(place), "ok", "GET", "getSelf", version, "/users/me")
        for number, at in enumerate(moments, first)
    ]
    desk.act(recording.record, f"s{first}", 64, api="creator", incarnation=7, entries=entries)


@pytest.mark.req("R167")
def test_who_leaves_too_slowly_is_named_and_sees_the_same_of_itself(
    desk: Desk, creator: App, new_key: Callable[..., Issued]
) -> None:
    going, staying, gone, fresh = (
        desk.act(owners.create, owners.NewOwner("user", owner=name)).owner for name in ("u-1", "u-2", "u-3", "u-4")
    )
    held = {owner: new_key("creator", owner) for owner in (going, staying, gone, fresh)}
    desk.act(versions.register, "creator", NEW)
    desk.act(versions.deprecate, "creator", OLD, at=desk.now, successor=NEW)
    desk.act(versions.sunset, "creator", OLD, at=desk.now + 28 * DAY_S, successor=NEW)
    _called(desk, held[going], {10: 80, 3: 8})
    _called(desk, held[staying], {13: 5, 8: 5, 2: 9, 0: 3})
    _called(desk, held[gone], {9: 40})
    _called(desk, held[fresh], {0: 2})
    _called(desk, held[gone], {3: 83}, NEW)
    found = desk.ask(usage.adoption, "creator", OLD)
    assert [(each.owner, each.week_before, each.last_week, each.today, each.breaks) for each in found.callers] == [
        (staying, 10, 9, 3, True),
        (going, 80, 8, 0, False),
        *sorted([(gone, 40, 0, 0, False), (fresh, 0, 0, 2, True)]),
    ]
    assert (found.owners, found.breaking, found.share) == (4, 2, 0.17)
    assert sum(times for _, times in found.days) == 152
    assert found.successor == NEW
    own = desk.ask(usage.adoption, "creator", OLD, owner=staying)
    assert ([each.owner for each in own.callers], own.share) == ([staying], 1.0)
    assert sum(times for _, times in own.days) == 22
    assert desk.ask(usage.adoption, "creator", NEW).callers[0].expected is None
    desk.refused("version_not_registered", usage.adoption, "creator", "2020-01-01")


def test_a_week_is_expected_to_be_to_the_one_before_as_the_last_two_were() -> None:
    assert expected(80, 8, 28) == pytest.approx(0.0008)
    assert expected(0, 7, 365) == 7
    assert expected(5, 50, 70) == 50
    assert expected(5, 0, 0) == 0
    assert not breaks(80, 8, 28)
    assert breaks(80, 8, 6)
    assert breaks(10, 9, 100)

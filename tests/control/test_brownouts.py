"""Brownouts: announced, of a deprecated version before its sunset, over when they end or are cancelled."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from limen.control import versions
from tests.control.desk import Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.app import App
    from limen.control.keys import Issued
    from tests.control.desk import Desk

OLD, NEW = "2025-06-26", "2026-06-26"


@pytest.fixture
def api(desk: Desk, creator: App) -> str:
    """An API with a version that is deprecated, and sunset in a day; and one to move to."""
    desk.act(versions.register, "creator", NEW)
    desk.act(versions.sunset, "creator", OLD, at=desk.now + 86_400, successor=NEW)
    return "creator"


@pytest.mark.req("R166")
def test_a_brownout_is_announced_once_and_told(desk: Desk, api: str) -> None:
    before, epoch = desk.said(), desk.epoch
    span = {"starts_at": desk.now + 60, "ends_at": desk.now + 120}
    (found,) = desk.act(versions.announce_brownout, api, OLD, **span).brownouts
    assert (found.starts_at, found.ends_at, found.status) == (desk.now + 60, desk.now + 120, 410)
    assert desk.said()[len(before) :] == [Said("versions.announce_brownout", "version.brownout_announced", api, OLD)]
    payload = json.loads(desk.rows("select payload from outbox order by id desc limit 1")[0][0])
    assert payload == {"api": api, "subject": OLD, "brownout": found.brownout, "status": 410} | span
    assert desk.rows("select kind, api from changes order by seq desc limit 1") == [("rules", api)]
    after = desk.dump()
    assert desk.act(versions.announce_brownout, api, OLD, **span).brownouts == (found,)
    assert desk.dump() == after
    assert desk.epoch == epoch + 2


@pytest.mark.req("R166")
@pytest.mark.parametrize("status", [410, 503])
def test_a_version_does_not_work_in_it_and_works_again_after_it(
    desk: Desk, owner: str, api: str, new_key: Callable[..., Issued], status: int
) -> None:
    text = new_key(api, owner).text
    span = {"starts_at": desk.now + 60, "ends_at": desk.now + 120}
    desk.act(versions.announce_brownout, api, OLD, **span, status=status)
    codes = []
    for wait_s in (59, 1, 59, 1):
        desk.now += wait_s
        codes.append((desk.verdict(text, version=OLD), desk.verdict(text, version=NEW)))
    assert codes == [("ok", "ok"), ("version_brownout", "ok"), ("version_brownout", "ok"), ("ok", "ok")]


def test_a_brownout_may_be_cancelled_before_it_comes_and_while_it_lasts(
    desk: Desk, owner: str, api: str, new_key: Callable[..., Issued]
) -> None:
    text = new_key(api, owner).text
    for wait_s in (0, 90):
        span = {"starts_at": desk.now + 60, "ends_at": desk.now + 120}
        (found,) = desk.act(versions.announce_brownout, api, OLD, **span).brownouts
        desk.now += wait_s
        assert (desk.verdict(text, version=OLD) == "ok") is (wait_s == 0)
        before = desk.said()
        assert desk.act(versions.cancel_brownout, api, found.brownout).brownouts == ()
        assert desk.verdict(text, version=OLD) == "ok"
        said = Said("versions.cancel_brownout", "version.brownout_cancelled", api, OLD)
        assert desk.said()[len(before) :] == [said]
        after = desk.dump()
        desk.act(versions.cancel_brownout, api, found.brownout)
        assert desk.dump() == after
        desk.now += 120
        assert desk.verdict(text, version=OLD) == "ok", "it does not come either"


def test_what_has_ended_is_not_cancelled_any_more(desk: Desk, api: str) -> None:
    (found,) = desk.act(versions.announce_brownout, api, OLD, starts_at=desk.now, ends_at=desk.now + 60).brownouts
    desk.now += 60
    after = desk.dump()
    assert desk.act(versions.cancel_brownout, api, found.brownout).brownouts == (found,)
    assert desk.dump() == after


def test_no_brownout_of_another_api_is_cancelled(desk: Desk, api: str, organisation: App) -> None:
    (found,) = desk.act(versions.announce_brownout, api, OLD, starts_at=desk.now, ends_at=desk.now + 60).brownouts
    for where, which in ((api, "nothing"), ("organisation", found.brownout)):
        assert which in desk.refused("brownout_unknown", versions.cancel_brownout, where, which)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"starts": -1}, "begins now or later"),
    ({"starts": 60, "ends": 60}, "ends after that"),
    ({"starts": 60, "ends": 59}, "ends after that"),
    ({"ends": math.inf}, "before the year 9999"),
    ({"starts": math.nan}, "begins now or later"),
    ({"ends": math.nan}, "ends after that"),
    ({"status": 404}, "410 or 503, not with 404"),
    ({"version": NEW}, "is deprecated never"),
    ({"starts": 86_000, "ends": 86_401}, "end it before that"),
    ({"starts": 130, "ends": 200}, "in that time already"),
    ({"starts": 50, "ends": 101}, "in that time already"),
    ({"starts": 120, "ends": 130}, "in that time already"),
]


@pytest.mark.parametrize(("changes", "detail"), WRONG)
def test_a_brownout_lies_ahead_and_between_deprecation_and_sunset(
    desk: Desk, api: str, changes: dict[str, Any], detail: str
) -> None:
    desk.act(versions.announce_brownout, api, OLD, starts_at=desk.now + 100, ends_at=desk.now + 150)
    wanted = {"version": OLD, "starts": 0, "ends": 50, "status": 410} | changes
    span = {"starts_at": desk.now + wanted["starts"], "ends_at": desk.now + wanted["ends"]}
    verb = versions.announce_brownout
    assert detail in desk.refused("brownout_wrong", verb, api, wanted["version"], **span, status=wanted["status"])


def test_a_brownout_is_of_a_version_that_is_deprecated_by_then(desk: Desk, creator: App) -> None:
    desk.act(versions.deprecate, "creator", OLD, at=desk.now + 100)
    early, late = desk.now + 99, desk.now + 100
    verb, end = versions.announce_brownout, desk.now + 200
    assert "is deprecated from" in desk.refused("brownout_wrong", verb, "creator", OLD, starts_at=early, ends_at=end)
    (found,) = desk.act(verb, "creator", OLD, starts_at=late, ends_at=end).brownouts
    assert found.starts_at == late
    desk.refused("version_not_registered", verb, "creator", "2020-01-01", starts_at=late, ends_at=end)


def test_dates_that_are_moved_leave_the_brownouts_where_they_are(
    desk: Desk, owner: str, creator: App, new_key: Callable[..., Issued]
) -> None:
    """And one that lies before the deprecation by then does not come: what is not deprecated works."""
    text = new_key("creator", owner).text
    desk.act(versions.register, "creator", NEW)
    desk.act(versions.deprecate, "creator", OLD, at=desk.now + 10, successor=NEW)
    verb = versions.announce_brownout
    desk.act(verb, "creator", OLD, starts_at=desk.now + 20, ends_at=desk.now + 30)
    held = desk.act(versions.deprecate, "creator", OLD, at=desk.now + 25)
    assert len(held.brownouts) == len(desk.act(versions.sunset, "creator", OLD, at=desk.now + 99).brownouts) == 1
    codes = []
    for _ in range(3):
        desk.now += 12
        codes.append(desk.verdict(text, version=OLD))
        desk.now -= 2
    assert codes == ["ok", "ok", "ok"]
    desk.now -= 5
    assert desk.verdict(text, version=OLD) == "version_brownout"


def test_versions_are_listed_with_their_brownouts(desk: Desk, api: str) -> None:
    desk.act(versions.announce_brownout, api, OLD, starts_at=desk.now + 60, ends_at=desk.now + 70)
    desk.act(versions.announce_brownout, api, OLD, starts_at=desk.now, ends_at=desk.now + 10)
    listed = desk.ask(versions.listed, api)
    assert [version.name for version in listed] == [OLD, NEW]
    assert [found.starts_at for found in listed[0].brownouts] == [desk.now, desk.now + 60]
    assert desk.ask(versions.require, api, OLD).brownouts == listed[0].brownouts
    desk.refused("api_unknown", versions.listed, "nowhere")

"""Versions: registered, deprecated, sunset; one way only, with dates that make a life."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from limen.control import apis, versions
from limen.core.versions import Stage
from limen.db.changes import registered_versions
from tests.control.desk import Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.app import App
    from limen.control.keys import Issued
    from limen.core.versions import Version
    from tests.control.desk import Desk

OLD, NEW, NEWEST = "2025-06-26", "2026-06-26", "2027-06-26"


@pytest.fixture
def api(desk: Desk, creator: App) -> str:
    """An API with three active versions."""
    for name in (NEW, NEWEST):
        desk.act(versions.register, "creator", name)
    return "creator"


def _held(desk: Desk, name: str) -> Version:
    return next(
        found
        for found in desk.ask(lambda reader: registered_versions(reader.connection, "creator"))
        if found.name == name
    )


def _facts(version: Version) -> tuple[Any, ...]:
    return version.deprecated_at, version.sunset_at, version.successor


def _once(desk: Desk, said: Said, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    before, epoch = desk.said(), desk.epoch
    first = desk.act(verb, *args, **kwargs)
    assert _facts(first) == _facts(_held(desk, args[1]))
    assert desk.said()[len(before) :] == [said]
    assert desk.epoch == epoch + 2
    after = desk.dump()
    assert _facts(desk.act(verb, *args, **kwargs)) == _facts(first)
    assert desk.dump() == after
    assert desk.epoch == epoch + 2


# -- registered ------------------------------------------------------------------------------------------------------


@pytest.mark.req("R42")
def test_a_version_is_registered_active_and_told(desk: Desk, creator: App) -> None:
    before = desk.said()
    made = desk.act(versions.register, "creator", NEW)
    assert (made.name, *_facts(made)) == (NEW, None, None, None)
    assert desk.said()[len(before) :] == [Said("versions.register", "version.registered", "creator", NEW)]
    assert desk.rows("select kind, api from changes order by seq desc limit 1") == [("rules", "creator")]
    assert desk.rows("select by_staff from versions where version = ?", NEW) == [(1,)]
    assert NEW in desk.refused("version_exists", versions.register, "creator", NEW)


@pytest.mark.req("R40")
@pytest.mark.parametrize("name", ["2026-6-26", "2026-02-30", "20260626", "v1", "", "2026-06-26 ", "+2026-06-26"])
def test_a_version_has_the_form_that_its_api_has(desk: Desk, creator: App, name: str) -> None:
    assert "date" in desk.refused("version_malformed", versions.register, "creator", name)


def test_another_api_has_another_form(desk: Desk, organisation: App) -> None:
    desk.refused("version_malformed", versions.register, "organisation", NEW)
    assert desk.act(versions.register, "organisation", "v2").name == "v2"


def test_an_api_without_versions_has_none_to_register(desk: Desk, creator: App, altered: Callable[..., Any]) -> None:
    desk.act(apis.create, "plain", altered("creator", {"versioning": ...}))
    assert "no 'versioning'" in desk.refused("lifecycle_dates_wrong", versions.register, "plain", NEW)


@pytest.mark.parametrize("verb", [versions.deprecate, versions.sunset])
def test_no_verb_finds_a_version_or_an_api_that_is_not_there(desk: Desk, api: str, verb: Callable[..., Any]) -> None:
    said = desk.refused("version_not_registered", verb, api, "2020-01-01", at=desk.now)
    assert f"it has {OLD}, {NEW}, {NEWEST}" in said
    desk.refused("api_unknown", verb, "nowhere", OLD, at=desk.now)


# -- deprecated ------------------------------------------------------------------------------------------------------


@pytest.mark.req("R57", "R166")
def test_a_version_is_deprecated_from_a_date_on(desk: Desk, api: str) -> None:
    said = Said("versions.deprecate", "version.deprecated", api, OLD)
    _once(desk, said, versions.deprecate, api, OLD, at=desk.now + 60, successor=NEW)
    held = _held(desk, OLD)
    assert _facts(held) == (desk.now + 60, None, NEW)
    assert [held.stage(desk.now + after_s) for after_s in (59, 60)] == [Stage.ACTIVE, Stage.DEPRECATED]


@pytest.mark.req("R57")
def test_a_date_may_be_moved_until_it_has_come(desk: Desk, api: str) -> None:
    desk.act(versions.deprecate, api, OLD, at=desk.now + 60)
    desk.act(versions.deprecate, api, OLD, at=desk.now + 120, successor=NEW)
    desk.act(versions.deprecate, api, OLD, at=desk.now + 90)
    assert _facts(_held(desk, OLD)) == (desk.now + 90, None, NEW)
    desk.now += 90
    for moment in (desk.now + 1, desk.now, desk.now - 100):
        if moment != _held(desk, OLD).deprecated_at:
            desk.refused("lifecycle_one_way", versions.deprecate, api, OLD, at=moment)
    desk.refused("lifecycle_one_way", versions.deprecate, api, OLD, at=desk.now, successor=NEWEST)


# -- sunset ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("R56", "R57", "R166")
def test_a_version_stops_working_at_a_date(desk: Desk, owner: str, api: str, new_key: Callable[..., Issued]) -> None:
    text = new_key(api, owner).text
    said = Said("versions.sunset", "version.sunset", api, OLD)
    _once(desk, said, versions.sunset, api, OLD, at=desk.now + 60, successor=NEW)
    assert _facts(_held(desk, OLD)) == (desk.now, desk.now + 60, NEW)
    desk.now += 59
    assert desk.verdict(text, version=OLD) == "ok"
    desk.now += 1
    assert desk.verdict(text, version=OLD) == "version_sunset"
    assert desk.verdict(text, version=NEW) == "ok"


@pytest.mark.req("R56")
def test_a_version_can_be_stopped_at_once(desk: Desk, owner: str, api: str, new_key: Callable[..., Issued]) -> None:
    text = new_key(api, owner).text
    assert desk.verdict(text, version=OLD) == "ok"
    desk.act(versions.sunset, api, OLD, at=desk.now, successor=NEW)
    assert desk.verdict(text, version=OLD) == "version_sunset"


@pytest.mark.req("R57")
def test_no_version_comes_back_from_its_sunset(desk: Desk, api: str) -> None:
    desk.act(versions.sunset, api, OLD, at=desk.now + 60, successor=NEW)
    desk.act(versions.sunset, api, OLD, at=desk.now + 120)  # announced, and not yet come: it may still be moved
    desk.now += 120
    for after_s in (60, 1, -1):
        desk.refused("lifecycle_one_way", versions.sunset, api, OLD, at=desk.now + after_s)
        desk.refused("lifecycle_one_way", versions.deprecate, api, OLD, at=desk.now + after_s)


@pytest.mark.check("C046")
def test_no_sunset_comes_before_its_deprecation(desk: Desk, api: str) -> None:
    desk.act(versions.deprecate, api, OLD, at=desk.now + 60, successor=NEW)
    said = desk.refused("lifecycle_dates_wrong", versions.sunset, api, OLD, at=desk.now + 59)
    assert "sunset must not come before its deprecation" in said
    desk.act(versions.sunset, api, OLD, at=desk.now + 60)
    desk.refused("lifecycle_dates_wrong", versions.deprecate, api, OLD, at=desk.now + 61)


@pytest.mark.parametrize("verb", [versions.deprecate, versions.sunset])
@pytest.mark.parametrize("moment", [math.nan, math.inf, -math.inf, -1.0, 253_370_764_800.0, 1e300])
def test_a_date_is_one_that_a_header_can_say(desk: Desk, api: str, verb: Callable[..., Any], moment: float) -> None:
    """Else every gate of the API would fail where it writes the header."""
    desk.refused("lifecycle_dates_wrong", verb, api, OLD, at=moment, successor=NEW)


def test_the_last_date_is_one_that_every_gate_can_say(desk: Desk, owner: str, api: str, new_key: Any) -> None:
    last = datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
    desk.act(versions.sunset, api, OLD, at=last, successor=NEW)
    assert desk.verdict(new_key(api, owner).text, version=OLD) == "ok"


# -- the version to move to ------------------------------------------------------------------------------------------


def test_a_version_ends_only_where_there_is_one_to_move_to(desk: Desk, api: str) -> None:
    assert "needs a successor" in desk.refused("lifecycle_dates_wrong", versions.sunset, api, OLD, at=desk.now + 60)
    desk.act(versions.deprecate, api, OLD, at=desk.now, successor=NEW)
    assert _facts(desk.act(versions.sunset, api, OLD, at=desk.now + 60)) == (desk.now, desk.now + 60, NEW)


def test_a_successor_goes_on_working(desk: Desk, api: str) -> None:
    for verb in (versions.deprecate, versions.sunset):
        desk.refused("version_not_registered", verb, api, OLD, at=desk.now, successor="2030-01-01")
        assert "cannot be" in desk.refused("lifecycle_dates_wrong", verb, api, OLD, at=desk.now, successor=OLD)
    desk.act(versions.sunset, api, NEW, at=desk.now, successor=NEWEST)
    for verb in (versions.deprecate, versions.sunset):
        desk.refused("lifecycle_dates_wrong", verb, api, OLD, at=desk.now, successor=NEW)


def test_successors_do_not_lead_back(desk: Desk, api: str) -> None:
    desk.act(versions.deprecate, api, NEW, at=desk.now, successor=NEWEST)
    desk.act(versions.deprecate, api, NEWEST, at=desk.now, successor=OLD)
    for successor in (NEW, NEWEST):
        desk.refused("lifecycle_dates_wrong", versions.deprecate, api, OLD, at=desk.now, successor=successor)

"""Rules of alerts as functions: what goes before what in their settings, and what a profile may say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from limen.core.alerting import PACE_OF, PACES, Setting, in_force
from limen.core.alerts import KINDS, Picture, Window, found
from limen.core.baseline import WEEK, usual
from limen.core.profile import ProfileError

if TYPE_CHECKING:
    from collections.abc import Callable


def _picture(**known: Any) -> Picture:
    return Picture(now=1e9, created_at=0.0, **known)


def test_every_rule_has_a_pace_and_is_silent_about_a_key_of_which_nothing_is_known() -> None:
    assert {PACE_OF[kind] for kind in KINDS} == set(PACES)
    just = Picture(now=1e9, created_at=1e9 - 60)
    assert [kind for kind in KINDS if found(kind, just, {}) is not None] == []


@pytest.mark.req("R265")
def test_the_owner_goes_before_staff_and_staff_before_the_profile() -> None:
    profile = {"expiring": (False, {"days": 20.0})}
    said = in_force("expiring", "u-1", "creator", (), profile)
    assert (said.enabled, dict(said.numbers), said.source) == (False, {"days": 20.0}, "profile")
    settings = [
        Setting("u-1", "", "expiring", True, {"days": 5.0}),
        Setting("", "creator", "expiring", True, {"days": 9.0}),
        Setting("", "", "expiring", False, {"days": 8.0}),
        Setting("u-2", "", "expiring", False, {"days": 4.0}),
        Setting("u-1", "other", "expiring", False, {"days": 3.0}),
    ]
    assert in_force("expiring", "u-1", "creator", settings, profile).numbers == {"days": 5.0}
    assert in_force("expiring", "u-3", "creator", settings, profile).numbers == {"days": 9.0}
    assert in_force("expiring", "u-3", "x", settings, profile) == in_force("expiring", "", "", settings[2:3], {})
    assert in_force("expiring", "u-1", "creator", (), {}).source == "default"


def test_a_profile_says_which_rules_hold_and_by_which_numbers(altered: Callable[..., Any]) -> None:
    read = altered("creator", {"alerts": {"rotation_due": {"days": 180}, "new_operation": "off"}}).alerts
    assert read["rotation_due"] == (True, {"days": 180.0})
    assert read["new_operation"] == (False, {})
    assert read["expiring"] == (True, {})
    for wrong in ({"nonsense": "off"}, {"rotation_due": {"days": 0}}, {"rotation_due": {"weeks": 2}}):
        with pytest.raises(ProfileError):
            altered("creator", {"alerts": wrong})


@pytest.mark.parametrize(("used", "level"), [(74, 0), (75, 1), (90, 2), (99, 2), (100, 3)])
@pytest.mark.req("R266")
def test_steps_of_a_limit(used: int, level: int) -> None:
    finding = found("limit_near", _picture(windows=(Window("plan", 100, 60, used),)), {})
    assert (0 if finding is None else finding.level) == level


def test_what_fires_goes_on_until_it_is_clearly_less() -> None:
    picture = _picture(windows=(Window("plan", 100, 60, 70),))
    assert found("limit_near", picture, {}) is None
    assert found("limit_near", picture, {}, firing=True) is not None
    assert found("limit_near", _picture(windows=(Window("plan", 100, 60, 59),)), {}, firing=True) is None


@pytest.mark.req("R267")
def test_one_bad_week_does_not_become_the_measure() -> None:
    hours = dict.fromkeys(range(8 * WEEK), 100)
    quiet = usual(hours, 8 * WEEK)
    hours |= dict.fromkeys(range(5 * WEEK, 5 * WEEK + 24), 50000)
    after = usual(hours, 8 * WEEK)
    assert quiet is not None
    assert after is not None
    assert after.expected == quiet.expected == 100
    assert usual(dict.fromkeys(range(2 * WEEK - 1), 100), 2 * WEEK - 1) is None

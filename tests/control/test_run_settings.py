"""Settings that change while the installation runs, and what goes by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from limen.control import members, owners, requests, run_settings
from limen.control.run_settings.catalogue import CATALOGUE
from limen.core.people import Role
from tests.control.desk import Said

if TYPE_CHECKING:
    from tests.control.desk import Desk

DAY_S = 86_400


def test_until_somebody_sets_it_a_setting_is_its_default(desk: Desk) -> None:
    for held in desk.ask(run_settings.listed):
        assert (held.value, held.set_at, held.set_by) == (held.default, None, "")
        assert held.value == desk.ask(run_settings.value, held.name)
        assert CATALOGUE[held.name].fits(held.default)


def test_a_setting_is_set_audited_and_told_once(desk: Desk) -> None:
    for _ in range(2):
        held = desk.act(run_settings.set_value, "replies.hours", 5)
    assert (held.value, held.default, held.set_at, held.set_by) == (5, 24, desk.now, "terminal:tester")
    assert desk.ask(run_settings.value, "replies.hours") == 5
    for _ in range(2):
        assert desk.act(run_settings.reset, "replies.hours").set_at is None
    assert desk.said() == [
        Said("settings.set", "setting.changed", "", "replies.hours"),
        Said("settings.reset", "setting.changed", "", "replies.hours"),
    ]


def test_a_default_that_is_set_by_hand_outlasts_a_release_with_another(desk: Desk) -> None:
    assert desk.act(run_settings.set_value, "replies.hours", 24).set_at == desk.now


@pytest.mark.parametrize("value", [0, 721, -1, "24", "", True])
def test_what_is_not_allowed_is_refused_with_what_is(desk: Desk, value: object) -> None:
    detail = desk.refused("setting_not_allowed", run_settings.set_value, "replies.hours", value)
    assert "from 1 to 720" in detail


def test_a_setting_that_is_none_is_refused_with_those_that_are(desk: Desk) -> None:
    for verb, arguments in ((run_settings.set_value, (1,)), (run_settings.reset, ())):
        assert "replies.hours" in desk.refused("setting_unknown", verb, "nothing", *arguments)


def test_what_a_release_does_not_allow_any_more_is_the_default(desk: Desk) -> None:
    desk.act(run_settings.set_value, "replies.hours", 5)
    with desk.app.store.engine.connect() as connection:
        connection.exec_driver_sql("update run_settings set value = '5000'")
        connection.commit()
    assert desk.ask(run_settings.value, "replies.hours") == 24
    assert desk.ask(run_settings.require, "replies.hours").set_at is None


def test_how_long_a_grant_and_an_invitation_last(desk: Desk, owner: str) -> None:
    desk.act(run_settings.set_value, "requests.lapse_days", 2)
    desk.act(run_settings.set_value, "invitations.days", 3)
    wish = requests.Wish("creator", owner, "a key", {"read:self": "to read"}, "an application")
    granted = desk.act(requests.grant, desk.act(requests.ask, wish).request)
    assert granted.lapses_at == desk.now + 2 * DAY_S
    firm = desk.act(owners.create, owners.NewOwner("organisation", "A firm")).owner
    invited = desk.act(members.invite, firm, email="a@example.com", role=Role.VIEWER)
    assert invited.invitation.expires_at == desk.now + 3 * DAY_S

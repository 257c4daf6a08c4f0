"""Alerts over the management API: who sees them, what is done about them, and whose rules are set."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from limen.drain.chores import raise_alerts

if TYPE_CHECKING:
    from tests.http.v1.house import Caller, House


@pytest.mark.req("R265", "R270")
async def test_owners_see_their_alerts_deal_with_them_and_set_their_rules(house: House, staff: Caller) -> None:
    member, other = house.member(), house.member()
    ends_at = house.app.clock.read()[0] + 20 * 86_400
    for each in (member, other):
        house.key(each.owner, expires_at=ends_at)
    raise_alerts(house.app)

    (alert,) = (await member.get("/alerts?rule=expiring"))["items"]
    assert (alert["owner"], alert["rule"], alert["state"]) == (member.owner, "expiring", "firing")
    assert {each["owner"] for each in (await staff.get("/alerts"))["items"]} >= {member.owner, other.owner}
    place = f"/alerts/{alert['alert']}"
    await other.refused("alert_unknown", "GET", place)
    await other.refused("alert_unknown", "POST", f"{place}/acknowledge")
    await other.refused("alert_unknown", "POST", f"{place}/mute", {})

    seen = await member("POST", f"{place}/acknowledge")
    assert seen.json()["state"] == "acknowledged"
    until = datetime.fromtimestamp(ends_at, UTC).isoformat()
    muted = await member("POST", f"{place}/mute", {"until": until})
    assert (muted.json()["state"], (await member.get(place))["state"]) == ("muted", "muted")
    assert (await member("POST", f"{place}/mute", {})).json()["state"] == "acknowledged"

    set_ = await member("PUT", "/alert-rules/expiring", {"numbers": {"days": 10}})
    assert (set_.json()["source"], set_.json()["numbers"]) == ("owner", {"days": 10.0})
    theirs = {each["rule"]: each for each in (await other.get("/alert-rules"))["rules"]}
    assert theirs["expiring"]["numbers"] == {"days": 30.0}
    await member.refused("alert_rule_wrong", "PUT", "/alert-rules/expiring", {"numbers": {"days": 0}})
    await other.refused("owner_unknown", "PUT", "/alert-rules/expiring", {"owner": member.owner})

    since = datetime.fromtimestamp(house.app.clock.read()[0] - 7_200, UTC).isoformat()
    tried = (await other("POST", "/alert-rules/expiring/try", {"since": since})).json()
    assert {each["owner"] for each in tried["trials"]} <= {other.owner}
    assert tried["keys"] >= 1

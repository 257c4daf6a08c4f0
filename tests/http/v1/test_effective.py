"""What a write says of since when it holds: on one host at once, and that is what it says."""

from __future__ import annotations

import pytest

from limen.core.profile import BUILT_IN
from tests.http.v1.house import PROFILE, Caller, House

pytestmark = pytest.mark.sqlite  # over hosts: tests/cluster


@pytest.mark.req("R69")
@pytest.mark.parametrize("headers", [{}, {"Prefer": "respond-async"}], ids=["waiting", "not waiting"])
@pytest.mark.sqlite
async def test_on_one_host_a_write_holds_at_once(house: House, staff: Caller, headers: dict[str, str]) -> None:
    key = house.key(house.user()).key.key
    for call, status in (("deactivate", 200), ("reactivate", 200), ("revoke", 200), ("revoke", 200)):
        answer = await staff("POST", f"/keys/{key}/{call}", {} if call == "revoke" else None, headers=headers)
        assert (answer.status_code, answer.headers["limen-effective"]) == (status, "true")
        assert int(answer.headers["limen-effective-ms"]) >= 0
        assert "preference-applied" not in answer.headers
    gone = await staff("DELETE", f"/keys/{key}", headers=headers)
    assert (gone.status_code, gone.headers["limen-effective"]) == (204, "true")
    read = await staff("GET", "/keys", headers=headers)
    assert "limen-effective" not in read.headers


def test_the_document_says_so_of_every_write(house: House) -> None:
    document = house.public._management.openapi()
    written = {each.name for each in PROFILE.operations if each.write and not each.public}
    calls = {call["operationId"]: call for item in document["paths"].values() for call in item.values()}
    for name in written:
        good = {status: each for status, each in calls[name]["responses"].items() if status < "300"}
        assert "202" in good, name
        assert all("Limen-Effective" in each["headers"] for each in good.values()), name
        assert "Prefer" in {each["name"] for each in calls[name]["parameters"]}, name


@pytest.mark.sqlite
async def test_on_one_host_there_are_no_nodes(house: House, staff: Caller) -> None:
    house.app.gate(BUILT_IN)
    assert await staff.get("/nodes") == {"items": [], "next": None}
    await house.staff("read:settings").refused("scope_missing", "GET", "/nodes")
    await house.member().refused("scope_missing", "GET", "/nodes")

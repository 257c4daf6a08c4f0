"""ETags: who has read a thing knows whether it is still that; of two who edit it at once, the second finds out."""

from __future__ import annotations

import pytest

from tests.http.v1.house import Caller, House


async def _etag(caller: Caller, path: str) -> str:
    return str((await caller("GET", path)).headers["etag"])


async def test_what_is_known_already_is_not_sent_again(house: House, staff: Caller) -> None:
    path = f"/owners/{house.user()}"
    etag = await _etag(staff, path)
    for held in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = await staff("GET", path, headers={"If-None-Match": held})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert (await staff("GET", path, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_an_etag_changes_with_what_it_is_of(house: House, staff: Caller) -> None:
    user = house.user()
    before = await _etag(staff, f"/owners/{user}")
    answer = await staff("POST", f"/owners/{user}/suspend", {"reason": "abuse"})
    assert answer.headers["etag"] != before
    assert answer.headers["etag"] == await _etag(staff, f"/owners/{user}")


async def test_of_two_who_edit_the_same_thing_the_second_is_refused(house: House, staff: Caller) -> None:
    path = f"/owners/{house.user()}"
    etag = await _etag(staff, path)
    first = {"plan": "", "limits": "5 per 60 s"}
    done = await staff("PUT", f"{path}/standings/creator", first, headers={"If-Match": etag})
    assert done.status_code == 200
    await house.staff().refused(
        "precondition_failed", "PUT", f"{path}/standings/creator", {"limits": "9 per 60 s"}, headers={"If-Match": etag}
    )
    assert (await staff.get(path))["standings"][0]["limits"] == "5 per 60 s"
    await staff.do("PUT", f"{path}/standings/creator", {}, headers={"If-Match": done.headers["etag"]})


async def test_a_profile_is_replaced_by_who_has_read_it(house: House, staff: Caller) -> None:
    path = "/apis/organisation/profile"
    document, etag = await staff.get(path), await _etag(staff, path)
    changed = document | {"title": "Another title"}
    done = await staff("PUT", path, changed, headers={"If-Match": etag})
    assert (done.status_code, done.headers["etag"]) == (200, await _etag(staff, path))
    await staff.refused("precondition_failed", "PUT", path, document, headers={"If-Match": etag})
    await staff.do("PUT", path, document, headers={"If-Match": "*"})


@pytest.mark.parametrize("held", ['W/"x"', '"x"', '"x", "y"'])
async def test_what_is_not_the_tag_does_not_match(house: House, staff: Caller, held: str) -> None:
    path = f"/owners/{house.user()}"
    held = held.replace("x", (await _etag(staff, path)).strip('"')) if held.startswith("W/") else held
    await staff.refused(
        "precondition_failed", "POST", f"{path}/suspend", {"reason": "abuse"}, headers={"If-Match": held}
    )


@pytest.mark.parametrize("held", ["x", '"x', '"x" "y"', '*, "x"', '"a b"'])
@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
async def test_what_is_no_list_of_tags_is_refused(house: House, staff: Caller, name: str, held: str) -> None:
    await staff.refused("request_malformed", "GET", f"/owners/{house.user()}", headers={name: held})


async def test_where_there_is_nothing_to_compare_with_no_condition_holds(house: House, staff: Caller) -> None:
    await staff.refused("precondition_failed", "POST", "/owners", {"kind": "user"}, headers={"If-Match": "*"})
    await staff.refused(
        "owner_unknown", "POST", "/owners/nobody/suspend", {"reason": "abuse"}, headers={"If-Match": "*"}
    )


async def test_a_key_that_was_used_since_is_still_the_key_that_was_read(house: House, staff: Caller) -> None:
    key = house.key(house.user()).key.key
    path = f"/keys/{key}"
    etag = await _etag(staff, path)
    house.execute("update keys set last_used_at = 1700000000 where key = ?", key)
    used = await _etag(staff, path)
    assert used != etag
    assert (await staff("GET", path, headers={"If-None-Match": etag})).status_code == 200
    await staff.do("POST", f"{path}/deactivate", headers={"If-Match": etag})
    await staff.refused("precondition_failed", "POST", f"{path}/reactivate", headers={"If-Match": etag})


async def test_a_write_that_is_sent_again_is_answered_although_it_has_changed_the_tag(
    house: House, staff: Caller
) -> None:
    path = f"/owners/{house.user()}"
    headers = {"If-Match": await _etag(staff, path), "Idempotency-Key": "suspend"}
    first = await staff.do("POST", f"{path}/suspend", {"reason": "abuse"}, headers=headers)
    assert (await staff.do("POST", f"{path}/suspend", {"reason": "abuse"}, headers=headers)) == first


async def test_a_key_is_deleted_by_who_has_read_it(house: House, staff: Caller) -> None:
    path = f"/keys/{house.key(house.user()).key.key}"
    await staff.refused("precondition_failed", "DELETE", path, headers={"If-Match": '"old"'})
    await staff.do("DELETE", path, headers={"If-Match": await _etag(staff, path)})
    await staff.refused("key_unknown", "GET", path)

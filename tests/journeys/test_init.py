"""The first minute: ``limen init`` prints a staff key once, the key works, and nobody finds it in the folder."""

from __future__ import annotations

import pytest

from tests.journeys.stage import Stage

pytestmark = pytest.mark.xdist_group("stage")  # one server for all of them


@pytest.mark.req("R66", "R67", "R208", "R210")
@pytest.mark.check("C003", "C004")
def test_the_first_staff_key_works_and_is_nowhere_in_the_folder(stage: Stage) -> None:
    text = stage.staff.text
    said = stage.staff.get("/me")
    assert (said["kind"], said["owner"], "admin" in said["scopes"]) == ("staff", "staff", True)

    # It may do everything, and what it makes works at once.
    user = stage.user()
    issued = stage.issue(user, "read:chat")
    assert stage.ask(issued["text"]) == "ok"

    # Run again, also while everything runs, init makes nothing, and shows no second key.
    again = stage.json("init")
    assert [row["made"] for row in again] == [False, False, False]
    assert text not in str(again)
    (held,) = stage.staff.get("/keys?api=limen&owner=staff")["items"]
    assert held["key"] == said["key"]

    # Database, journals, tombstones, log: none of them has a text, or the secret that is a part of it.
    for each in (text, issued["text"]):
        assert stage.files_with(each) == []
        assert stage.files_with(each[-38:-6]) == []

"""Yesterday's backup is put back, and what ended today has ended: no revoked key comes back to life."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limen.core.profile import Profile
from tests.journeys.stage import Stage


@pytest.fixture
def house(tmp_path: Path, altered: Callable[..., Profile]) -> Iterator[Stage]:
    """A server whose tombstones lie elsewhere, as they would on another disk."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    profiles = {"creator": altered("creator", {})}
    with Stage(tmp_path, profiles, tombstones=str(elsewhere / "tombstones")) as made:
        yield made.open()
        made.shut()


@pytest.mark.timeout(240)
@pytest.mark.req("R48", "R68", "R69", "R165", "R223")
@pytest.mark.check("C027", "C038")
def test_todays_ends_hold_after_yesterdays_backup_is_restored(house: Stage) -> None:
    names = ("revoked", "deleted", "replaced", "suspended", "asleep", "left alone")
    keys = {name: house.issue(house.user(), "read:chat") for name in names}

    def seen() -> dict[str, str]:
        return {name: house.ask(key["text"]) for name, key in keys.items()}

    assert set(seen().values()) == {"ok"}
    made = house.json("backup", "yesterday.db")
    assert house.files_with(keys["revoked"]["text"]) == []

    # Today.
    house.staff.do("POST", f"/keys/{keys['revoked']['key']}/revoke", {"reason": "found in a log"})
    house.staff.do("DELETE", f"/keys/{keys['deleted']['key']}")
    fresh = house.issue(keys["replaced"]["owner"], "read:chat")
    house.staff.do("POST", f"/owners/{keys['suspended']['owner']}/suspend", {"reason": "shares its key"})
    house.staff.do("POST", f"/keys/{keys['asleep']['key']}/deactivate")
    assert house.ask(fresh["text"]) == "ok"
    today = seen()
    assert today == {
        "revoked": "key_revoked",
        "deleted": "key_revoked",
        "replaced": "key_revoked",
        "suspended": "owner_suspended",
        "asleep": "key_inactive",
        "left alone": "ok",
    }

    # Not while it runs; and once it has stopped, yesterday is back, but for the keys and owners that ended since.
    refused = house.run("restore", "yesterday.db", "--yes")
    assert refused.returncode != 0
    assert seen() == today
    house.shut()
    done = house.json("restore", "yesterday.db", "--yes")
    assert (done["backup_at"], done["missing"], done["unconfirmed"]) == (made["backup_at"], "", 0)
    house.open()
    assert seen() == today
    assert house.ask(fresh["text"]) == "credential_invalid"

    # What is to be known of it is known: who restored, why each has ended; and the first key of staff still works.
    why = house.staff.get(f"/keys/{keys['revoked']['key']}")
    assert (why["state"], why["ended_reason"].partition(":")[0]) == ("revoked", "restored")
    entry = house.staff.get("/audit?verb=installation.restore")["items"][0]
    assert entry["actor"].startswith("terminal:")

    # And what ends from now on ends for good again.
    house.staff.do("POST", f"/keys/{keys['left alone']['key']}/revoke")
    assert house.ask(keys["left alone"]["text"]) == "key_revoked"

"""Keys of another system, brought along by the management API."""

from __future__ import annotations

import copy
import hashlib

import pytest

from limen.control import apis
from limen.core.profile_reader import read_profile
from limen.profiles import load
from tests.http.v1.house import Caller, House

TEXTS = [f"legacy_{number:032x}" for number in range(3)]


@pytest.fixture(scope="module")
def legacy(house: House) -> str:
    """An API whose profile lists the keys of another system."""
    document = copy.deepcopy(dict(load("creator").document))
    document["keys"]["max_active_per_owner"] = "unlimited"
    document["keys"]["foreign"] = [FOREIGN]
    house.app.act(apis.create, "legacy", read_profile(document))
    return "legacy"


FOREIGN = {"prefix": "legacy_", "length": 39, "hash": "sha256", "class": "secret", "environment": "live"}


def _asked(api: str, owner: str, *texts: str) -> dict[str, object]:
    entries = [
        {"owner": owner, "sha256": hashlib.sha256(text.encode()).hexdigest(), "scopes": ["read:self"]} for text in texts
    ]
    return {"api": api, "entries": entries, "create_owners": True, "allow_owners": True}


async def test_keys_are_brought_along_once(house: House, staff: Caller, legacy: str) -> None:
    owner = house.name()
    asked = _asked(legacy, owner, *TEXTS[:2])
    before = house.commits
    shown = await staff.do("POST", "/imports/check", asked)
    assert ([key["number"] for key in shown["keys"]], shown["owners"]) == ([1, 2], [owner])
    assert house.commits == before
    brought = await staff.do("POST", "/imports", asked)
    assert [key["owner"] for key in brought["keys"]] == [owner] * 2
    assert (await staff.do("POST", "/imports", asked))["present"] == [1, 2]
    found = await staff.do("POST", "/keys/inspect", {"text": TEXTS[0]})
    assert found["key"]["key"] == brought["keys"][0]["key"]


async def test_what_is_wrong_is_told_entry_by_entry(house: House, staff: Caller, legacy: str) -> None:
    owner = house.name()
    asked = _asked(legacy, owner, TEXTS[2])
    bad = [{"owner": owner}, {"owner": owner, "sha256": "xyz"}, {"sha256": "00" * 32}]
    problem = await staff.refused("import_wrong", "POST", "/imports", asked | {"entries": [*asked["entries"], *bad]})  # type: ignore[misc]
    assert [each["number"] for each in problem["wrong"]] == [2, 3, 4]
    shown = await staff.do("POST", "/imports", asked | {"entries": [*bad, *asked["entries"]], "skip_wrong": True})  # type: ignore[misc]
    assert [each["number"] for each in shown["wrong"]] == [1, 2, 3]
    assert [each["number"] for each in shown["keys"]] == [4]
    await staff.refused("import_wrong", "POST", "/imports", asked | {"api": "creator"})
    await staff.refused("api_unknown", "POST", "/imports", asked | {"api": "nowhere"})
    await staff.refused("request_malformed", "POST", "/imports", asked | {"entries": []})


@pytest.mark.check("C055")
async def test_many_are_read_and_too_many_refused(house: House, staff: Caller, legacy: str) -> None:
    asked = _asked(legacy, house.name(), *(f"legacy_{number:032x}" for number in range(100, 4_100)))
    shown = await staff.do("POST", "/imports/check", asked)
    assert len(shown["keys"]) == 4_000
    entries = list(asked["entries"]) * 3  # type: ignore[call-overload]
    await staff.refused("request_malformed", "POST", "/imports", asked | {"entries": entries})


async def test_owners_are_made_by_those_alone_who_may(house: House, legacy: str) -> None:
    asked, brings = _asked(legacy, house.name(), "legacy_" + "ab" * 16), house.staff("import")
    for which in ("create_owners", "allow_owners"):
        await brings.refused("scope_missing", "POST", "/imports", asked | dict.fromkeys(_ASIDE - {which}, False))
    await brings.do("POST", "/imports/check", asked)
    await house.staff("import", "manage:owners").do("POST", "/imports", asked)


_ASIDE = {"create_owners", "allow_owners"}


async def test_weak_keys_live_no_longer_than_can_be_shown(house: House, staff: Caller, legacy: str) -> None:
    owner = house.name()
    asked = _asked(legacy, owner, "legacy_" + "cd" * 16)
    await staff.refused("request_malformed", "POST", "/imports", asked | {"weak_life_s": 3650 * 86_400 + 1})
    await staff.do("POST", "/imports", asked | {"weak_life_s": 3650 * 86_400})
    assert len((await staff.get(f"/keys?owner={owner}"))["items"]) == 1

"""Lists of keys: the newest first, in pages that show each key exactly once, by what is wanted of them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limen.control import keys, owners
from limen.control.keys.views import STATES

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.control.keys import Issued
    from limen.db.transaction import Tx
    from tests.control.desk import Desk

LIVES = ("active", "inactive", "expiring", "asleep and expiring", "revoked", "revoked and expiring", "deleted")
_numbers = itertools.count()


def _state(life: str, *, later: bool) -> str:
    """The state that a key of this *life* is in, now or *later*."""
    if later and "expiring" in life and "revoked" not in life:
        return "expired"
    return {"asleep and expiring": "inactive", "expiring": "active", "revoked and expiring": "revoked",
            "deleted": "revoked"}.get(life, life)  # fmt: skip


def _live(tx: Tx, key: str, life: str) -> None:
    """Bring the new key into this *life*."""
    if "expiring" in life:
        keys.set_expiry(tx, key, expires_at=tx.now + 1000)
    if "asleep" in life or life == "inactive":
        keys.deactivate(tx, key)
    if "revoked" in life:
        keys.revoke(tx, key)
    if life == "deleted":
        keys.delete(tx, key)


def _made(tx: Tx, owner: str, plan: list[tuple[float, str]]) -> dict[str, str]:
    """Keys of *owner*, each issued some seconds after the desk's moment: key to life."""
    now, made = tx.now, {}
    for after_s, life in plan:
        tx.now = now + after_s
        key = keys.issue(tx, keys.NewKey("organisation", owner, life)).key.key
        _live(tx, key, life)
        made[key] = life
    tx.now = now
    return made


def _all(desk: Desk, size: int, **wanted: Any) -> list[keys.Key]:
    """Everything that is *wanted*, a page of *size* at a time."""
    found: list[keys.Key] = []
    while True:
        page = desk.ask(keys.listed, after=found[-1].key if found else "", limit=size, **wanted)
        assert len(page) <= size
        found += page
        if len(page) < size:
            return found


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plan=st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from(LIVES)), max_size=12),
    size=st.integers(1, 5),
)
def test_pages_show_each_key_exactly_once(desk: Desk, firm: str, plan: list[tuple[float, str]], size: int) -> None:
    """Whatever moments they have in common, and whatever is asked for."""
    owner = f"page-{next(_numbers)}"
    desk.act(owners.create, owners.NewOwner("organisation", owner=owner))
    made = desk.act(_made, owner, plan)
    for later in (False, True):
        desk.now += 2000 if later else 2
        every = _all(desk, size, owner=owner, hidden=True)
        assert sorted(found.key for found in every) == sorted(made)
        assert [(found.created_at, found.key) for found in every] == sorted(
            ((found.created_at, found.key) for found in every), reverse=True
        )
        assert {found.key: found.state for found in every} == {
            key: _state(life, later=later) for key, life in made.items()
        }
        shown = _all(desk, size, owner=owner)
        assert [found.key for found in shown] == [found.key for found in every if made[found.key] != "deleted"]
        lists = {state: _all(desk, size, owner=owner, state=state, hidden=True) for state in STATES}
        assert [state for state, found in lists.items() if any(each.state != state for each in found)] == []
        by_state = [each for found in lists.values() for each in found]
        assert sorted(found.key for found in by_state) == sorted(made), "every key is in exactly one state"


def test_a_revoked_key_is_listed_as_revoked_when_its_date_is_past_too(
    desk: Desk, firm: str, new_key: Callable[..., Issued]
) -> None:
    key = new_key("organisation", firm, expires_at=desk.now + 60).key.key
    desk.act(keys.revoke, key)
    desk.now += 60
    found = {state: [each.key for each in desk.ask(keys.listed, state=state)] for state in STATES}
    assert found == {"active": [], "inactive": [], "expired": [], "revoked": [key]}


def test_a_key_is_listed_as_expired_from_its_very_moment_on(
    desk: Desk, firm: str, new_key: Callable[..., Issued]
) -> None:
    new_key("organisation", firm, expires_at=desk.now + 60)
    for after_s, state in ((59.5, "active"), (0.5, "expired")):
        desk.now += after_s
        assert [len(desk.ask(keys.listed, state=each)) for each in ("active", "expired")] == [
            state == "active",
            state == "expired",
        ]


def test_a_page_goes_on_behind_a_key_that_was_deleted_meanwhile(
    desk: Desk, firm: str, new_key: Callable[..., Issued]
) -> None:
    made = []
    for _ in range(4):
        desk.now += 1
        made.append(new_key("organisation", firm).key.key)
    first = [found.key for found in desk.ask(keys.listed, limit=2)]
    assert first == made[:1:-1]
    desk.act(keys.delete, first[-1])
    new_key("organisation", firm)
    assert [found.key for found in desk.ask(keys.listed, after=first[-1])] == made[1::-1]


def test_keys_are_listed_by_api_and_by_owner(desk: Desk, owner: str, firm: str, new_key: Callable[..., Issued]) -> None:
    mine, theirs = new_key("creator", owner).key.key, new_key("organisation", firm).key.key
    for wanted, found in (
        ({}, {mine, theirs}),
        ({"api": "creator"}, {mine}),
        ({"owner": firm}, {theirs}),
        ({"api": "creator", "owner": firm}, set()),
        ({"api": "nowhere"}, set()),
        ({"api": "creator", "owner": owner, "state": "active"}, {mine}),
    ):
        assert {each.key for each in desk.ask(keys.listed, **wanted)} == found, wanted


def test_a_list_is_asked_for_in_words_that_there_are(desk: Desk) -> None:
    assert "none of active, inactive, expired, revoked" in desk.refused("request_malformed", keys.listed, state="gone")
    assert "'nothing'" in desk.refused("key_unknown", keys.listed, after="nothing")


def test_a_list_shows_a_key_masked_with_its_name_type_and_state(
    desk: Desk, firm: str, new_key: Callable[..., Issued]
) -> None:
    issued = new_key("organisation", firm, name="Website", key_class="public", environment="test")
    (found,) = desk.ask(keys.listed, owner=firm)
    assert (found.name, found.key_class, found.environment, found.state) == ("Website", "public", "test", "active")
    assert found.created_at == desk.now
    assert found.hint == issued.text[: len("pk_test_") + 4] + "…"

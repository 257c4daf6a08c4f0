"""Lists of keys: in their order, in pages that show each key exactly once, by what is wanted of them."""

from __future__ import annotations

import itertools
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limen.control import apis, keys, owners
from limen.control.apis import ensure_built_in
from limen.control.keys.views import STATES
from limen.core.names import beyond, folded
from limen.db import listing
from tests.control.listing import APIS, OWNERS, ROWS, WANTED, Plans, Row, add, in_order, matches, moments

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.control.keys import Issued
    from limen.core.profile import Profile
    from limen.db.transaction import Tx
    from tests.control.desk import Desk

LIVES = ("active", "inactive", "expiring", "asleep and expiring", "revoked", "revoked and expiring", "deleted")
_numbers = itertools.count()
_every = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


@pytest.fixture
def shelf(desk: Desk, firm: str, altered: Callable[..., Profile]) -> Desk:
    """A desk with three APIs, Limen's own among them, and two owners."""
    desk.act(owners.create, owners.NewOwner("organisation", owner="o-2"))
    desk.act(apis.create, "shop", altered("organisation", {}))
    desk.act(ensure_built_in, altered("organisation", {}))
    return desk


def _pages(desk: Desk, size: int, **wanted: Any) -> list[keys.Key]:
    """Everything that is *wanted*, a page of *size* at a time."""
    found: list[keys.Key] = []
    after = ""
    while True:
        page = desk.ask(keys.listed, after=after, limit=size, **wanted)
        assert len(page.items) <= size
        found += page.items
        if not page.next:
            return found
        assert page.next != after
        after = page.next


@pytest.mark.req("R6", "R213")
@pytest.mark.parametrize(("most", "arms"), [(listing.MOST, 100), (3, 2)], ids=["as it is", "cut short"])
def test_a_list_is_what_is_wanted_of_all_keys_in_its_order(
    shelf: Desk, monkeypatch: pytest.MonkeyPatch, most: int, arms: int
) -> None:
    """Also where few rows are looked at for a page, and few parts of an index in one statement."""
    monkeypatch.setattr(listing, "MOST", most)
    monkeypatch.setattr(listing, "_ARMS", arms)
    there: list[Row] = []

    @_every
    @given(drawn=ROWS, wanted=WANTED, size=st.integers(1, 7))
    def hold(drawn: list[Row], wanted: Row, size: int) -> None:
        there.extend(shelf.act(add, drawn))
        asked = moments(wanted, shelf.now)
        expected = in_order([row for row in there if matches(row, asked, shelf.now)], asked)
        assert [found.key for found in _pages(shelf, size, **asked)] == [row["key"] for row in expected]
        assert shelf.ask(_count, asked) == len(expected)

    hold()


def _count(reader: Any, wanted: Any) -> int:
    return listing.count(reader.connection, wanted, STATES, now=reader.now)


class How(NamedTuple):
    """What a database says of a list that is as it should be."""

    directly: re.Pattern[str]
    """Of every step, where it sorts nothing and reads nothing from end to end."""
    along: re.Pattern[str]
    """Of a step that walks along an index."""
    from_the_place: re.Pattern[str]
    """Of such a step, where it begins behind the place at which the page before ended."""
    behind_one: re.Pattern[str]
    """Of each second step that looks up what there is in an index, where it seeks behind what it has found."""


HOW = {
    True: How(
        re.compile(r"^SEARCH keys USING (COVERING )?INDEX |^MERGE \(UNION ALL\)$|^LEFT$|^RIGHT$"),
        re.compile(r"^SEARCH keys |keys USING"),
        re.compile(r"\)[<>]\(|\(key>\?"),
        re.compile(r"\)>\(|state>\?"),
    ),
    False: How(
        re.compile(
            r"^(->  )?(Limit|Merge Append|Index (Only )?Scan |Result)|^(Sort Key|Index Cond|Filter): |^Disabled: "
        ),
        re.compile(r"^Index Cond: "),
        re.compile(r"ROW\(.*\) [<>] ROW\(|\(key > "),
        re.compile(r"ROW\(.*\) > ROW\(|\(state > "),
    ),
}
"""By whether it is SQLite."""

FILTERS: dict[str, Any] = {
    "state active": {"state": "active"},
    "state inactive": {"state": "inactive"},
    "state expired": {"state": "expired"},
    "state revoked": {"state": "revoked"},
    "class": {"key_class": "public"},
    "environment": {"environment": "test"},
    "class and environment": {"key_class": "secret", "environment": "live"},
    "prefix": {"prefix": "sk_live_"},
    "id": {"id": "0000"},
    "name": {"name": "web"},
    "created": {"created_after": 1.0, "created_before": 9e9},
    "created by": {"created_by": "staff:s-1"},
    "used": {"used_before": 9e9},
    "used since": {"used_after": 1.0},
    "never used": {"never_used": True},
    "expiring": {"expiring_after": 1.0, "expiring_before": 9e9},
    "weak": {"weak": True},
    "leaked": {"leaked": True},
    "hidden": {"hidden": True},
    "all": {},
}
SCOPES: dict[str, Any] = {"alone": {}, "of an API": {"api": "shop"}, "of an owner": {"owner": "o-1"},
                          "of an owner on an API": {"owner": "o-1", "api": "shop"}}  # fmt: skip


@pytest.fixture
def full(shelf: Desk) -> Desk:
    """Keys of every kind, two and two of them of one moment."""
    names = ("api", "owner", "class", "environment", "state", "expires_at", "last_used_at")
    states, endings_s, uses_s = ("active", "inactive", "revoked"), (None, 50.0, -1.0), (None, -9.0)
    kinds = itertools.product(APIS, OWNERS, ("secret", "public"), ("live", "test"), states, endings_s, uses_s)
    common = {"id": "0000", "name": "website", "created_by": "staff:s-1", "leaked_at": -1.0, "weak": True}
    drawn = [
        common | dict(zip(names, kind, strict=True)) | {"created_at": float(-at // 2)} for at, kind in enumerate(kinds)
    ]
    drawn += [each | {"state": "deleted"} for each in drawn[::5]]
    shelf.act(add, drawn)
    return shelf


@pytest.mark.parametrize("scope", SCOPES)
def test_no_list_is_sorted_and_none_looks_at_all_keys(full: Desk, scope: str, subtests: pytest.Subtests) -> None:
    """The database says how it goes about each: along an index, from where the page before ended, and in its order."""
    for name, wanted in FILTERS.items():
        with subtests.test(name):
            asked = wanted | SCOPES[scope]
            first = full.ask(keys.listed, limit=1, **asked)
            assert first.items
            assert first.next
            with Plans(full) as plans:
                assert full.ask(keys.listed, limit=50, after=first.next, **asked).items
            lines, how = plans.found.lines, HOW[full.app.settings.on_one_host]
            assert [line for line in lines if not how.directly.search(line)] == []
            along = [line for line in lines if how.along.search(line)]
            assert along != []
            assert [line for line in along if not how.from_the_place.search(line)] == []
            seeks = [line for line in plans.seeks.lines if how.along.search(line) and "rowid" not in line]
            assert [line for line in seeks[1::2] if not how.behind_one.search(line)] == []


def test_what_no_index_answers_is_looked_at_in_parts(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST", 5)
    sizes = []
    after = ""
    while True:
        page = full.ask(keys.listed, after=after, limit=50, leaked=True, key_class="public")
        sizes.append(len(page.items))
        if not (after := page.next):
            break
    assert max(sizes) <= 5
    assert sum(sizes) == 144
    assert len(sizes) >= 58


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
        every = _pages(desk, size, owner=owner, hidden=True)
        assert sorted(found.key for found in every) == sorted(made)
        assert [(found.created_at, found.key) for found in every] == sorted(
            ((found.created_at, found.key) for found in every), reverse=True
        )
        assert {found.key: found.state for found in every} == {
            key: _state(life, later=later) for key, life in made.items()
        }
        shown = _pages(desk, size, owner=owner)
        assert [found.key for found in shown] == [found.key for found in every if made[found.key] != "deleted"]
        lists = {state: _pages(desk, size, owner=owner, state=state, hidden=True) for state in STATES}
        assert [state for state, found in lists.items() if any(each.state != state for each in found)] == []
        by_state = [each for found in lists.values() for each in found]
        assert sorted(found.key for found in by_state) == sorted(made), "every key is in exactly one state"


def test_a_revoked_key_is_listed_as_revoked_when_its_date_is_past_too(
    desk: Desk, firm: str, new_key: Callable[..., Issued]
) -> None:
    key = new_key("organisation", firm, expires_at=desk.now + 60).key.key
    desk.act(keys.revoke, key)
    desk.now += 60
    found = {state: [each.key for each in desk.ask(keys.listed, state=state).items] for state in STATES}
    assert found == {"active": [], "inactive": [], "expired": [], "revoked": [key]}


def test_a_key_is_listed_as_expired_from_its_very_moment_on(
    desk: Desk, firm: str, new_key: Callable[..., Issued]
) -> None:
    new_key("organisation", firm, expires_at=desk.now + 60)
    for after_s, expired in ((59.5, False), (0.5, True)):
        desk.now += after_s
        assert len(desk.ask(keys.listed, state="active").items) == (not expired)
        assert len(desk.ask(keys.listed, expiring_before=desk.now + 1).items) == (not expired)
        assert len(desk.ask(keys.listed, state="expired").items) == expired


def test_a_page_goes_on_behind_a_key_that_was_deleted_meanwhile(
    desk: Desk, firm: str, new_key: Callable[..., Issued]
) -> None:
    made = []
    for _ in range(4):
        desk.now += 1
        made.append(new_key("organisation", firm).key.key)
    first = desk.ask(keys.listed, limit=2)
    assert [found.key for found in first.items] == made[:1:-1]
    desk.act(keys.delete, made[2])
    new_key("organisation", firm)
    assert [found.key for found in desk.ask(keys.listed, after=first.next).items] == made[1::-1]


@pytest.mark.req("R233")
def test_keys_are_listed_by_api_and_by_owner(desk: Desk, owner: str, firm: str, new_key: Callable[..., Issued]) -> None:
    mine, theirs = new_key("creator", owner).key.key, {new_key("organisation", firm).key.key for _ in range(2)}
    for wanted, found in (
        ({}, {mine, *theirs}),
        ({"api": "creator"}, {mine}),
        ({"owner": firm}, theirs),
        ({"api": "creator", "owner": firm}, set()),
        ({"api": "nowhere"}, set()),
        ({"api": "creator", "owner": owner, "state": "active"}, {mine}),
    ):
        assert {each.key for each in desk.ask(keys.listed, **wanted).items} == found, wanted


def test_keys_of_limens_own_api_are_listed_where_it_is_named(shelf: Desk) -> None:
    key = shelf.act(keys.issue, keys.NewKey("limen", "o-1", "mine")).key.key
    assert [found.key for found in shelf.ask(keys.listed, api="limen").items] == [key]
    assert shelf.ask(keys.listed, owner="o-1").items == ()
    assert shelf.ask(keys.listed).items == ()


def test_a_renamed_key_is_found_by_its_new_name(desk: Desk, firm: str, new_key: Callable[..., Issued]) -> None:
    """No verb renames a key; whatever comes to write one does so by the same rows."""
    from limen.control.keys import _rows

    key = new_key("organisation", firm, name="Before").key.key
    desk.act(lambda tx: _rows.change(tx.connection, key, name="ÖFTER"))
    assert [found.key for found in desk.ask(keys.listed, name="öf").items] == [key]
    assert desk.ask(keys.listed, name="bef").items == ()


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"state": "gone"}, "none of active, inactive, expired, revoked"),
        ({"never_used": True, "used_after": 1.0}, "never used"),
        ({"created_after": float("nan")}, "created_after"),
        ({"used_before": float("inf")}, "used_before"),
        ({"name": "a\ud800"}, "name is not text"),
        ({"id": "4f"}, "by 3 of its characters"),
        ({"after": "nothing"}, "No page ended"),
    ],
)
def test_a_list_is_asked_for_in_words_that_there_are(desk: Desk, wanted: Row, said: str) -> None:
    assert said in desk.refused("request_malformed", keys.listed, **wanted)


def _place(*values: Any) -> str:
    return urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "after",
    [
        "é",
        "x",
        urlsafe_b64encode(b"{}").decode(),
        urlsafe_b64encode(b"1").decode(),
        urlsafe_b64encode(b"[" * 5_000).decode(),
        _place(),
        _place("-created_at"),
        _place("-created_at", 1.0),
        _place("-created_at", 1.0, "a", "b"),
        _place("-created_at", "a", 1.0),
        _place("-created_at", None, "a"),
        _place("-created_at", 10**400, "a"),
        _place("-created_at", 1.0, "\ud800"),
        _place("+folded", "a", 1.0, "a"),
        _place(["-created_at"], 1.0, "a"),
    ],
)
def test_a_place_that_no_page_said_is_refused(full: Desk, after: str) -> None:
    full.refused("request_malformed", keys.listed, after=after)


def test_a_place_in_one_list_shows_nothing_more_of_another(full: Desk) -> None:
    """Of the same order, but for other names: what does not begin so stays out."""
    behind = full.ask(keys.listed, name="web", limit=1).next
    assert json.loads(urlsafe_b64decode(behind + "=="))[0] == "+folded"
    assert full.ask(keys.listed, name="x", after=behind).items == ()
    assert full.ask(keys.listed, name="a", after=behind).items == ()
    assert full.ask(keys.listed, used_before=1.0, after=full.ask(keys.listed, used_after=1.0, limit=1).next).items == ()


@pytest.mark.req("R214", "R215", "R216", "R217", "R218")
def test_a_list_shows_a_key_masked_with_its_name_type_and_state(
    desk: Desk, firm: str, new_key: Callable[..., Issued]
) -> None:
    issued = new_key("organisation", firm, name="Website", key_class="public", environment="test")
    (found,) = desk.ask(keys.listed, owner=firm).items
    assert (found.name, found.key_class, found.environment, found.state) == ("Website", "public", "test", "active")
    assert (found.created_at, found.last_used_at) == (desk.now, None)
    assert found.hint == issued.text[: len("pk_test_") + 4] + "…"


@given(beginning=st.text(max_size=4), rest=st.text(max_size=4), other=st.text(max_size=6))
def test_what_begins_so_lies_between(beginning: str, rest: str, other: str) -> None:
    end = beyond(beginning)
    assert end is None or beginning + rest < end
    assert (beginning <= other and (end is None or other < end)) == other.startswith(beginning)
    assert folded(folded(other)) == folded(other)

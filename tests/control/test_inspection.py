"""The key inspector: which key it is, every reason for which it is refused, and what to do, in plain words."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest

from limen.control import apis, inspection, keys, leaks, measures, owners, recording, versions
from limen.control.inspection import Inspection, Presented, Wish
from limen.control.inspection.words import WHAT_TO_DO
from limen.control.measures import Target
from limen.core.keys import checksum, mint
from limen.core.limits import Limit
from limen.core.usage import Decided
from limen.core.verdict import Code

if TYPE_CHECKING:
    from collections.abc import Callable

    from limen.control.keys import Issued
    from limen.core.profile import Profile
    from tests.control.desk import Desk

OLD, NEW = "2025-06-26", "2026-06-26"


@pytest.fixture
def key(desk: Desk, owner: str, new_key: Callable[..., Issued]) -> Issued:
    """A key of ``creator`` with ``read:self``."""
    return new_key("creator", owner)


def of_text(desk: Desk, text: str, *, of: set[str] | None = None, **wish: str) -> Inspection:
    """What is found of a text."""
    (recognised,) = desk.app.recognise([text])
    return desk.ask(inspection.inspect, Presented(text=text, recognised=recognised), Wish(**wish), of=of)


def of_id(desk: Desk, key: str, *, of: set[str] | None = None, **wish: str) -> Inspection:
    """What is found of an id."""
    return desk.ask(inspection.inspect, Presented(key), Wish(**wish), of=of)


def codes(found: Inspection) -> list[str]:
    """The codes of all reasons."""
    return [reason.code for reason in found.reasons]


def reason(found: Inspection, code: str) -> str:
    """What was found, of the reason *code*."""
    return next(each.found for each in found.reasons if each.code == code)


# -- which key it is -------------------------------------------------------------------------------------------------


@pytest.mark.req("R271")
def test_a_whole_key_that_is_good_is_not_refused(desk: Desk, key: Issued) -> None:
    found = of_text(desk, key.text, operation="GET /users/me", version=OLD)
    assert (found.presented, found.whole, found.flaw, found.refused, found.reasons) == ("text", True, "", False, ())
    assert found.key == key.key
    assert (found.operation, found.scopes_needed, found.scopes_missing) == ("getCurrentUser", ("read:self",), ())
    assert [(each.limit, each.source) for each in found.limits] == [("100 per 60 s", "the API's default")]
    assert found.not_looked_at == ()


def test_an_id_proves_nothing_and_is_looked_into_all_the_same(desk: Desk, key: Issued) -> None:
    found = of_id(desk, key.key.key)
    assert (found.presented, found.whole, found.refused) == ("id", None, False)
    assert found.not_looked_at == ("operation", "version")


def test_the_text_is_nowhere_in_what_is_found(desk: Desk, key: Issued) -> None:
    wrong = key.text[:-1] + ("0" if key.text[-1] != "0" else "1")
    for text in (key.text, wrong, key.text[:-3], f"'{key.text}'", f"Bearer {key.text}"):
        shown = repr(of_text(desk, text)) + repr(Presented(text=text))
        assert key.text[17:40] not in shown


def made(prefix: str = "fvak_") -> str:
    """A text that has the whole form of a key, and is none."""
    return mint(prefix, secrets.token_bytes)[1]


def swapped(text: str, place: int) -> str:
    """*text* with another character at *place*, and a checksum that fits."""
    stem = text[:place] + ("0" if text[place] != "0" else "1") + text[place + 1 : -6]
    return stem + checksum(stem.encode()).decode()


@pytest.mark.req("R271")
@pytest.mark.parametrize(
    ("text", "flaw", "code", "said"),
    [
        (lambda _: "", "empty", "credential_malformed", "Nothing"),
        (lambda _: "  \n", "empty", "credential_malformed", "Nothing"),
        (lambda text: f" {text}", "surrounded", "credential_malformed", "alone"),
        (lambda text: f'"{text}"', "surrounded", "credential_malformed", "quotes"),
        (lambda text: f"Bearer {text}", "surrounded", "credential_malformed", "scheme"),
        (lambda _: made("other_"), "unknown_prefix", "credential_malformed", "fvak_, fvak_test_"),
        (lambda _: "noise", "unknown_prefix", "credential_malformed", "no prefix"),
        (lambda text: text[:-4], "wrong_length", "credential_malformed", "cut off: 46 characters follow fvak_, 50"),
        (lambda text: text + "aa", "wrong_length", "credential_malformed", "too long: 52"),
        (lambda text: text[:20] + "-" + text[21:], "wrong_alphabet", "credential_malformed", "Character 21"),
        (
            lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"),
            "wrong_checksum",
            "credential_malformed",
            "mistyped",
        ),
        (lambda _: made(), "unknown_id", "credential_invalid", "never"),
        (lambda text: swapped(text, 25), "wrong_secret", "credential_invalid", "its secret is not"),
    ],
)
def test_of_what_is_no_key_it_says_precisely_what_is_wrong(
    desk: Desk, key: Issued, text: Callable[[str], str], flaw: str, code: str, said: str
) -> None:
    given = text(key.text)
    found = of_text(desk, given)
    assert (found.flaw, codes(found), found.refused, found.whole) == (flaw, [code], True, False)
    assert said in found.found
    assert (found.key is not None) == (flaw == "wrong_secret")
    assert desk.verdict(given) == code or flaw in ("empty", "surrounded")


def test_an_id_that_there_never_was(desk: Desk, key: Issued) -> None:
    found = of_id(desk, "0123456789Ab")
    assert (found.flaw, codes(found), found.key) == ("unknown_id", ["credential_invalid"], None)


@pytest.mark.parametrize(("again", "code"), [("organisation", "credential_malformed"), ("again", "credential_invalid")])
def test_a_key_of_another_api_is_told_apart(
    desk: Desk, key: Issued, organisation: object, altered: Callable[..., Profile], again: str, code: str
) -> None:
    desk.act(apis.create, "again", altered("creator", {}))
    found = of_text(desk, key.text, api=again)
    assert (found.flaw, codes(found), found.whole) == ("other_api", [code], True)
    assert f"of creator, not of {again}" in found.found
    assert of_text(desk, key.text, api="creator").flaw == ""
    desk.refused("api_unknown", inspection.inspect, Presented(key.key.key), Wish(api="nowhere"))


# -- every reason ----------------------------------------------------------------------------------------------------


@pytest.mark.req("R271", "R273")
def test_all_reasons_are_told_in_their_order_and_the_first_is_the_gates(
    desk: Desk, owner: str, new_key: Callable[..., Issued]
) -> None:
    key = new_key("creator", owner, environment="test", addresses=("203.0.113.0/24",), expires_at=desk.now + 60)
    desk.act(keys.deactivate, key.key.key)
    desk.act(owners.suspend, owner, reason="an unpaid bill")
    desk.act(owners.disallow, owner, "creator")
    desk.act(apis.switch, "creator", "read_only", True)
    desk.act(measures.block, Target("owner", owner), reason="a flood")
    wish = {"operation": "POST /chats", "version": "2020-01-01", "environment": "live", "address": "192.0.2.1"}
    found = of_text(desk, key.text, **wish)
    assert codes(found) == [
        "key_inactive",
        "owner_suspended",
        "owner_not_allowed",
        "environment_mismatch",
        "address_not_allowed",
        "version_unknown",
        "writes_disabled",
        "access_blocked",
        "scope_missing",
    ]
    assert desk.verdict(key.text, version="2020-01-01", call="POST /chats") == codes(found)[0]
    assert found.scopes_missing == ("write:chat",)
    assert [(each.kind, each.reason) for each in found.measures] == [("block", "a flood")]
    assert reason(found, "owner_suspended") == "Suspended: an unpaid bill."
    assert reason(found, "environment_mismatch") == "The key is for test, the request for live."
    assert reason(found, "address_not_allowed") == "Allowed: 203.0.113.0/24."
    assert "2025-06-26" in reason(found, "version_unknown")
    assert "needs write:chat" in reason(found, "scope_missing")
    assert all(each.what_to_do.endswith(".") for each in found.reasons)
    desk.now += 60
    assert codes(of_text(desk, key.text, **wish))[:2] == ["key_expired", "key_inactive"]


@pytest.mark.req("R271", "R272")
@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("another key", "credential_invalid"),
        ("expired", "key_expired"),
        ("inactive", "key_inactive"),
        ("environment", "environment_mismatch"),
    ],
)
def test_the_four_checks_are_told_apart(
    desk: Desk, owner: str, new_key: Callable[..., Issued], wrong: str, code: str
) -> None:
    key = new_key("creator", owner, expires_at=desk.now + 60)
    if wrong == "inactive":
        desk.act(keys.deactivate, key.key.key)
    desk.now += 60 if wrong == "expired" else 0
    text = made() if wrong == "another key" else key.text
    environment = "test" if wrong == "environment" else "live"
    found = of_text(desk, text, operation="GET /users/me", version=OLD, environment=environment)
    assert codes(found) == [code]
    assert found.reasons[0].what_to_do == WHAT_TO_DO[Code[code.upper()]]


@pytest.mark.req("R271")
def test_how_a_key_ended_is_told(desk: Desk, key: Issued) -> None:
    desk.act(keys.revoke, key.key.key, reason="found in a chat")
    found = of_text(desk, key.text)
    assert codes(found) == ["key_revoked"]
    assert reason(found, "key_revoked").endswith("Z: found in a chat.")
    desk.act(keys.delete, key.key.key)
    found = of_text(desk, key.text)
    assert (codes(found), found.key, found.deleted_at) == (["key_revoked"], None, desk.now)
    assert "deleted on" in reason(found, "key_revoked")


def test_what_was_not_said_of_the_request_is_no_reason(desk: Desk, firm: str, new_key: Callable[..., Issued]) -> None:
    key = new_key(
        "organisation", firm, key_class="public", origins=("https://a.example",), addresses=("203.0.113.0/24",)
    )
    found = of_text(desk, key.text)
    assert (found.refused, found.not_looked_at) == (False, ("operation", "version", "address", "origin"))
    asked = {"operation": "GET /v1/experiences", "address": "203.0.113.9", "origin": "https://a.example"}
    found = of_text(desk, key.text, **asked)
    assert (found.refused, found.not_looked_at, found.operation) == (False, (), "listExperiences")
    assert codes(of_text(desk, key.text, **asked | {"origin": "https://b.example"})) == ["origin_not_allowed"]
    assert [(each.limit, each.source) for each in found.limits] == [
        ("100 per 60 s", "the API's default"),
        ("60 per 60 s", "class:public"),
    ]


@pytest.mark.parametrize("operation", ["GET /nowhere", "nowhere", "GET", "PATCH /chats"])
def test_an_operation_that_there_is_not(desk: Desk, key: Issued, operation: str) -> None:
    assert codes(of_text(desk, key.text, operation=operation, version=OLD)) == ["operation_unknown"]


def test_an_operation_is_named_by_its_id_too(desk: Desk, key: Issued) -> None:
    found = of_text(desk, key.text, operation="sendMessage", version=OLD)
    assert (codes(found), found.scopes_missing) == (["scope_missing"], ("write:chat",))


def test_a_public_operation_asks_for_no_key(desk: Desk, key: Issued) -> None:
    desk.act(keys.revoke, key.key.key)
    found = of_text(desk, key.text, operation="getOpenapi")
    assert (found.refused, found.operation) == (False, "getOpenapi")


def test_a_version_at_its_end_is_told_with_the_next(desk: Desk, key: Issued) -> None:
    desk.act(versions.register, "creator", NEW)
    desk.act(versions.sunset, "creator", OLD, at=desk.now + 10, successor=NEW)
    desk.now += 10
    found = of_text(desk, key.text, operation="getCurrentUser", version=OLD)
    assert codes(found) == ["version_sunset"]
    assert reason(found, "version_sunset").endswith(f"move to {NEW}.")


def test_whose_limits_hold_is_told(desk: Desk, firm: str, new_key: Callable[..., Issued]) -> None:
    def sources(**wish: str) -> list[tuple[str, str]]:
        return [(each.limit, each.source) for each in of_id(desk, key.key.key, **wish).limits]

    key = new_key("organisation", firm)
    assert sources() == [("100 per 60 s", "the API's default")]
    desk.act(owners.set_plan, firm, "organisation", plan="pro")
    assert sources() == [("10000 per 60 s", "plan pro")]
    desk.act(owners.set_plan, firm, "organisation", plan="pro", limits=(Limit("allowance", 7, 60),))
    desk.act(apis.switch, "organisation", "emergency", (Limit("emergency", 9, 1),))
    measure = desk.act(measures.throttle, Target("key", key.key.key), limits=(Limit("m", 1, 5),), reason="a test")
    assert sources(operation="createConsumers") == [
        ("7 per 60 s", "the owner's own"),
        ("100 per 60 s", "operation:createConsumers"),
        ("9 per 1 s", "emergency"),
        ("1 per 5 s", f"measure:{measure.measure}"),
    ]
    assert [each.kind for each in of_id(desk, key.key.key).measures] == ["throttle"]


def test_that_it_leaked_and_goes_on_inside_retry_after_is_told(
    desk: Desk, key: Issued, altered: Callable[..., Profile]
) -> None:
    desk.act(apis.apply_profile, "creator", altered("creator", {"keys.on_leak": "warn"}))
    desk.act(leaks.report, [leaks.Leak(key.key.key, "")], source="a test")
    place = key.key.key.encode()
    entries = [Decided(n, desk.now + n, place, "limit_exceeded", "GET", "getCurrentUser", OLD, "/") for n in (1, 2, 3)]
    desk.act(recording.record, "segment", 1, api="creator", incarnation=7, entries=entries)
    found = of_text(desk, key.text)
    assert found.key is not None
    assert (found.key.leaked_at, found.limited_at, found.disregards) == (desk.now, desk.now + 1, 2)


# -- for members -----------------------------------------------------------------------------------------------------


def test_a_member_learns_nothing_of_foreign_keys(desk: Desk, key: Issued) -> None:
    wrong = swapped(key.text, 25)
    for text in (key.text, wrong):
        foreign, unknown = of_text(desk, text, of={"u-2"}), of_text(desk, made(), of={"u-2"})
        assert foreign == unknown
    assert of_id(desk, key.key.key, of={"u-2"}) == of_id(desk, "0123456789Ab", of={"u-2"})
    assert of_text(desk, key.text, of={"u-1"}).key == key.key
    assert of_text(desk, wrong, of={"u-1"}).flaw == "wrong_secret"


def test_what_is_for_staff_is_not_shown_to_a_member(desk: Desk, key: Issued, owner: str) -> None:
    desk.act(owners.suspend, owner, reason="a note of staff")
    desk.act(measures.block, Target("owner", owner), reason="a note of staff")
    found = of_text(desk, key.text, of={owner})
    assert codes(found) == ["owner_suspended", "access_blocked"]
    assert "a note of staff" not in repr(found)


def test_a_deleted_key_is_unknown_to_a_member(desk: Desk, key: Issued, owner: str) -> None:
    desk.act(keys.delete, key.key.key)
    assert of_text(desk, key.text, of={owner}).flaw == "unknown_id"


def test_nothing_is_changed_or_spent(desk: Desk, key: Issued) -> None:
    before = desk.dump()
    for _ in range(3):
        of_text(desk, key.text, operation="getCurrentUser", version=OLD)
    assert desk.dump() == before


@pytest.mark.parametrize("code", list(Code), ids=lambda code: code.slug)
def test_there_is_something_to_do_about_every_code(code: Any) -> None:
    assert WHAT_TO_DO[code].endswith(".")

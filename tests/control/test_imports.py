"""Keys of another system, brought along: each entry is judged, what is brought is admitted, and twice is once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from limen.app import App
from limen.control import apis, imports, keys, owners, peppers
from limen.control.imports import Entry, Import, read_entry
from limen.core.people import Actor
from limen.core.problems import ProblemError
from limen.core.verdict import Ask
from limen.db import pepper
from tests.db.dump import kept, place_of

if TYPE_CHECKING:
    from pathlib import Path

    from limen.core.profile import Profile

SECRET = b"the secret of the other one"
LIVE = {"class": "secret", "environment": "live"}
FOREIGN: list[dict[str, Any]] = [
    {"prefix": "sha_", "length": "44", "hash": "sha256"} | LIVE,
    {"prefix": "five_", "length": "45", "hash": "sha512"} | LIVE,
    {"prefix": "mac_", "length": "44", "hash": "hmac-sha256", "secret": "legacy"} | LIVE,
    {"prefix": "plain_", "length": "10-46", "hash": "plain"} | LIVE,
]
FORMS = {"sha256": "sha_", "sha512": "five_", "hmac-sha256": "mac_", "text": "plain_"}
FEW = Import("creator", create_owners=True, allow_owners=True)


@pytest.fixture
def many(altered: Callable[..., Profile]) -> Profile:
    """The shipped profile ``creator`` with foreign keys, and any number of active keys an owner."""
    return altered("creator", {"keys.foreign": FOREIGN, "keys.max_active_per_owner": "unlimited"})


@pytest.fixture
def legacy(installation: App, many: Profile) -> App:
    """An installation with the API ``creator`` that lists foreign keys, with the secret that some need."""
    installation.act(apis.create, "creator", many)
    installation.act(peppers.add_secret, installation.settings.pepper_path, "legacy", SECRET)
    return installation


def fresh(kind: str = "sha256") -> str:
    """The text of a key of another system."""
    return FORMS[kind] + secrets.token_hex(20)


def stored(kind: str, text: str) -> Any:
    """What that system had of it."""
    made = {
        "sha256": lambda: hashlib.sha256(text.encode()).digest(),
        "sha512": lambda: hashlib.sha512(text.encode()).digest(),
        "hmac-sha256": lambda: hmac.new(SECRET, text.encode(), "sha256").digest(),
    }
    return made[kind]() if kind in made else text


def entry(number: int = 1, text: str = "", kind: str = "sha256", **more: Any) -> Entry:
    """An entry for a key of u-1."""
    found = stored(kind, text or fresh(kind))
    how = {"text": found} if kind == "text" else {"hash": kind, "hashed": found}
    return Entry(**{"number": number, "owner": "u-1", "scopes": ("read:self",)} | how | more)


def code(app: App, text: str) -> str:
    """What the gate says to a request with it."""
    now, at = app.clock.read()
    ask = Ask(text.encode(), b"GET", b"/users/me", b"2025-06-26", b"live", now, at)
    return app.gate("creator").cold.decide_now(ask).code.slug


def wrong(app: App, *entries: Entry, how: Import = FEW) -> dict[int, str]:
    """The codes of the wrong ones of *entries*, by their numbers; none is brought."""
    before = rows(app)
    with pytest.raises(ProblemError) as caught:
        app.act(imports.bring, how, entries)
    assert caught.value.problem.code == "import_wrong"
    assert rows(app) == before
    said = caught.value.extra["wrong"]
    with app.reading() as reader:
        report = imports.check(reader, how, entries, app.ring.keyring)
    assert said == [{"number": each.number, "code": each.code, "detail": each.detail} for each in report.wrong]
    return {each["number"]: each["code"] for each in said}


def rows(app: App) -> list[tuple[Any, ...]]:
    """All keys, owners, audit rows and events."""
    with app.reading() as reader:
        return [
            tuple(row)
            for table in ("keys", "owners", "standings", "audit", "outbox", "changes")
            for row in reader.connection.exec_driver_sql(f"select * from {table}")
        ]


# -- what is brought -------------------------------------------------------------------------------------------------


@pytest.mark.req("R66")
@pytest.mark.check("C004")
@pytest.mark.sqlite  # a minute on PostgreSQL, and nothing else than with a few
def test_ten_thousand_keys_of_every_kind_are_brought_and_verify(legacy: App) -> None:
    chance = random.Random(7)
    kinds = [chance.choice(list(FORMS)) for _ in range(10_000)]
    texts = [fresh(kind) for kind in kinds]
    lines: list[dict[str, Any]] = []
    for number, (kind, text) in enumerate(zip(kinds, texts, strict=True)):
        found = stored(kind, text)
        if kind != "text":
            found = base64.b64encode(found).decode() if number % 2 else found.hex()
        lines.append({"owner": f"u-{number % 4_000}", "scopes": ["read:self"], kind: found})
    entries = [read_entry(line, number) for number, line in enumerate(lines, 1)]
    began = time.process_time()
    reports = [legacy.act(imports.bring, FEW, entries[at : at + 1_000]) for at in range(0, 10_000, 1_000)]
    print(f"10,000 keys of 4,000 owners in {time.process_time() - began:.1f} s of processor time")
    assert sum(len(report.keys) for report in reports) == 10_000
    assert sum(len(report.owners) for report in reports) == 4_000
    assert Counter(code(legacy, text) for text in texts) == {"ok": 10_000}
    unknown = Counter(code(legacy, fresh(kind)) for kind in FORMS)
    assert unknown == {"credential_invalid": 4}


def test_what_is_kept_of_an_entry(legacy: App) -> None:
    text, made_at = fresh(), legacy.clock.read()[0] - 86_400
    ends_at = made_at + 40 * 86_400
    more = {"name": "server", "addresses": ("10.0.0.0/8",), "created_at": made_at, "expires_at": ends_at}
    report = legacy.act(imports.bring, FEW, [entry(7, text, owner_name="Ann", **more)])
    (key,) = report.keys
    assert (key.number, key.owner, key.weak, report.owners) == (7, "u-1", True, ("u-1",))
    with legacy.reading() as reader:
        found = keys.require(reader, key.key)
        ann = owners.require(reader, "u-1")
    assert (found.name, found.scopes, found.addresses) == ("server", ("read:self",), ("10.0.0.0/8",))
    assert (found.created_at, found.expires_at, found.state, found.weak) == (made_at, ends_at, "active", True)
    assert (found.key_class, found.environment, found.hint) == ("secret", "live", "sha_…")
    assert (ann.kind, ann.name, ann.standings[0].allowed) == ("user", "Ann", True)


@pytest.mark.req("R66")
@pytest.mark.check("C004")
@pytest.mark.parametrize("kind", FORMS)
def test_neither_text_nor_hash_is_in_any_row(legacy: App, kind: str, tmp_path: Path) -> None:
    text = fresh(kind)
    legacy.act(imports.bring, FEW, [entry(1, text, kind)])
    assert code(legacy, text) == "ok"
    legacy.close()
    found = stored(kind, text) if kind != "text" else text.encode()
    for name, content in kept(place_of(legacy), tmp_path).items():
        for each in (found, found.hex().encode(), base64.b64encode(found), text[8:].encode()):
            assert each not in content, name


def test_each_key_is_audited_told_and_told_to_gates(legacy: App) -> None:
    before = rows(legacy)
    report = legacy.act(
        imports.bring, FEW, [entry(number) for number in range(3)], actor=Actor("staff", "s", "192.0.2.7")
    )
    with legacy.reading() as reader:
        sql = reader.connection.exec_driver_sql
        audited = sql("select subject, actor, api from audit where verb = 'imports.bring' order by id").all()
        told = sql("select payload from outbox where event = 'key.imported' order by id").scalars().all()
        changed = sql("select count(*) from changes where kind = 'key'").scalar()
        origins = sql("select value from audit_personal where field = 'origin' group by 1").all()
    ids = [each.key for each in report.keys]
    assert [tuple(row) for row in audited] == [(key, "staff:s", "creator") for key in ids]
    payloads = [json.loads(each) if isinstance(each, str) else each for each in told]
    assert [(each["subject"], each["weak"]) for each in payloads] == [(key, True) for key in ids]
    assert (changed, len(rows(legacy)) > len(before)) == (3, True)
    assert [tuple(row) for row in origins] == [("192.0.2.7",)]


def test_bringing_it_again_changes_nothing(legacy: App) -> None:
    texts = [fresh(kind) for kind in FORMS]
    entries = [entry(number, text, kind) for number, (text, kind) in enumerate(zip(texts, FORMS, strict=True))]
    legacy.act(imports.bring, FEW, entries)
    before = rows(legacy)
    report = legacy.act(imports.bring, FEW, entries)
    assert (report.keys, report.present, report.wrong) == ((), (0, 1, 2, 3), ())
    assert rows(legacy) == before


def test_a_key_that_was_revoked_does_not_come_back_by_being_brought_again(legacy: App) -> None:
    text = fresh()
    (key,) = legacy.act(imports.bring, FEW, [entry(1, text)]).keys
    legacy.act(keys.revoke, key.key)
    assert legacy.act(imports.bring, FEW, [entry(1, text)]).present == (1,)
    assert code(legacy, text) == "key_revoked"


def test_one_text_twice_in_a_call_is_one_key(legacy: App) -> None:
    text = fresh()
    report = legacy.act(imports.bring, FEW, [entry(1, text), entry(2, text, owner="u-2")])
    assert ([each.number for each in report.keys], report.present) == ([1], (2,))


def test_checking_says_what_would_be_done_and_does_nothing(legacy: App) -> None:
    before = rows(legacy)
    with legacy.reading() as reader:
        report = imports.check(reader, FEW, [entry(1), entry(2, owner="no such id!")], legacy.ring.keyring)
    assert ([(each.number, each.key) for each in report.keys], report.owners) == ([(1, "")], ("u-1",))
    assert [each.number for each in report.wrong] == [2]
    assert rows(legacy) == before


def test_a_key_that_was_wrapped_meanwhile_is_there_already(legacy: App) -> None:
    text = fresh()
    legacy.act(imports.bring, FEW, [entry(1, text)])
    legacy.act(peppers.add, legacy.settings.pepper_path)
    legacy.act(peppers.wrap)
    assert legacy.act(imports.bring, FEW, [entry(1, text)]).present == (1,)
    assert code(legacy, text) == "ok"


# -- what is refused -------------------------------------------------------------------------------------------------


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no such owner id": ({"owner": "not an id!"}, "request_malformed"),
    "no name": ({"name": ""}, "name_wrong"),
    "no such scope": ({"scopes": ("read:nothing",)}, "scope_unknown"),
    "no scopes at all": ({"scopes": None}, "scope_unknown"),
    "another class": ({"key_class": "public"}, "import_wrong"),
    "another environment": ({"environment": "test"}, "import_wrong"),
    "origins, where the class has none": ({"origins": ("https://example.com",)}, "origins_wrong"),
    "no address range": ({"addresses": ("10.0.0.0/99",)}, "addresses_wrong"),
    "it has ended": ({"expires_at": 1_000_000.0}, "expiry_wrong"),
    "made tomorrow": ({"created_at": 9_999_999_999.0}, "import_wrong"),
    "a text that looks like none": ({"text": "other_0123456789", "hash": "", "hashed": b""}, "import_wrong"),
    "one of our own": ({"text": "fvak_" + "0" * 50, "hash": "", "hashed": b""}, "import_wrong"),
}


@pytest.mark.parametrize(("change", "expected"), WRONG.values(), ids=WRONG)
def test_what_the_profile_does_not_allow_is_wrong(legacy: App, change: dict[str, Any], expected: str) -> None:
    assert wrong(legacy, entry(1), entry(2, **change), entry(3)) == {2: expected}


def test_all_that_is_wrong_is_told_by_its_number_and_nothing_is_brought(legacy: App) -> None:
    bad = [entry(number, name="") for number in (12, 3, 7)]
    assert list(wrong(legacy, *bad, entry(1), entry(20))) == [3, 7, 12]


def test_what_is_wrong_can_be_skipped(legacy: App) -> None:
    how = Import("creator", create_owners=True, skip_wrong=True)
    report = legacy.act(imports.bring, how, [entry(1), entry(2, name="", owner="u-2"), entry(3)])
    assert [each.number for each in report.keys] == [1, 3]
    assert [(each.number, each.code) for each in report.wrong] == [(2, "name_wrong")]
    with legacy.reading() as reader:
        assert [each.owner for each in owners.listed(reader)] == ["u-1"], "nobody is made for a key that is wrong"


def test_owners_are_made_only_where_that_is_asked(legacy: App) -> None:
    how = Import("creator")
    assert wrong(legacy, entry(1), how=how) == {1: "owner_unknown"}
    legacy.act(owners.create, owners.NewOwner("user", owner="u-1"))
    assert legacy.act(imports.bring, how, [entry(1)]).owners == ()


def test_an_owner_of_another_kind_holds_none(legacy: App) -> None:
    legacy.act(owners.create, owners.NewOwner("organisation", owner="u-1"))
    assert wrong(legacy, entry(1)) == {1: "owner_type_wrong"}


def test_no_error_repeats_a_text_or_a_hash(legacy: App) -> None:
    texts = ["other_" + secrets.token_hex(16), "plain_" + secrets.token_hex(10)]
    bad = [
        entry(1, texts[0], "text"),
        entry(2, texts[1], "text", name=""),
        entry(3, name=""),
    ]
    with pytest.raises(ProblemError) as caught:
        legacy.act(imports.bring, FEW, bad)
    told = f"{caught.value} {caught.value.extra} {bad}"
    for each in (*texts, bad[2].hashed.hex(), repr(bad[2].hashed)):
        assert each[8:] not in told


@pytest.mark.req("R10", "R11")
def test_where_an_owner_has_one_active_key_the_second_is_wrong(legacy: App, altered: Callable[..., Profile]) -> None:
    one = altered("creator", {"keys.foreign": FOREIGN})
    legacy.act(apis.apply_profile, "creator", one)
    assert wrong(legacy, entry(1), entry(2), entry(3, owner="u-2"), entry(4)) == {2: "slot_taken", 4: "slot_taken"}
    legacy.act(imports.bring, FEW, [entry(1)])
    assert wrong(legacy, entry(2), entry(3, owner="u-3")) == {2: "slot_taken"}
    legacy.act(keys.issue, keys.NewKey("creator", "u-1", "another", scopes=("read:self",)))
    with legacy.reading() as reader:
        states = sorted(each.state for each in keys.listed(reader, api="creator").items)
    assert states == ["active", "revoked"], "what is issued later takes the place of what was brought"


def test_a_profile_that_lists_no_keys_takes_none(creator: App) -> None:
    with pytest.raises(ProblemError, match="lists no keys of another system"):
        creator.act(imports.bring, FEW, [entry(1)])


def test_a_hash_that_the_profile_does_not_list_is_wrong(legacy: App, altered: Callable[..., Profile]) -> None:
    few = altered("creator", {"keys.foreign": FOREIGN[:1], "keys.max_active_per_owner": "unlimited"})
    legacy.act(apis.apply_profile, "creator", few)
    assert wrong(legacy, entry(1), entry(2, kind="sha512")) == {2: "import_wrong"}


def test_which_of_several_is_meant_has_to_be_said(legacy: App, altered: Callable[..., Profile]) -> None:
    test = FOREIGN[0] | {"prefix": "shatest_", "environment": "test"}
    profile = altered("creator", {"keys.foreign": [*FOREIGN, test], "keys.max_active_per_owner": "unlimited"})
    legacy.act(apis.apply_profile, "creator", profile)
    assert wrong(legacy, entry(1)) == {1: "import_wrong"}
    report = legacy.act(imports.bring, FEW, [entry(1, environment="test"), entry(2, environment="live")])
    with legacy.reading() as reader:
        found = [keys.require(reader, each.key).environment for each in report.keys]
    assert found == ["test", "live"]


def test_without_the_secret_its_keys_are_wrong_and_the_others_are_not(installation: App, many: Profile) -> None:
    installation.act(apis.create, "creator", many)
    assert wrong(installation, entry(1), entry(2, kind="hmac-sha256")) == {2: "import_wrong"}
    with installation.reading() as reader:
        report = imports.check(reader, FEW, [entry(2, kind="hmac-sha256")], installation.ring.keyring)
    assert "limen pepper add-secret legacy" in report.wrong[0].detail


def test_without_the_locators_secret_nothing_is_brought(legacy: App) -> None:
    path = legacy.settings.pepper_path
    with legacy.store.engine.begin() as hand:
        hand.exec_driver_sql("delete from pepper_secrets")
    pepper.drop(path, "locator")
    other = App.open(legacy.settings)
    with pytest.raises(ProblemError, match="add-secret locator") as caught:
        other.act(imports.bring, FEW, [entry(1)])
    assert caught.value.problem.code == "pepper_wrong"
    other.close()


def test_too_many_for_one_call_are_refused(legacy: App) -> None:
    with pytest.raises(ProblemError, match="At most 10000 entries") as caught:
        legacy.act(imports.bring, FEW, [entry(1)] * 10_001)
    assert caught.value.problem.code == "request_too_large"


def test_nobody_but_staff_brings_keys(legacy: App) -> None:
    with pytest.raises(ProblemError) as caught:
        legacy.act(imports.bring, FEW, [entry(1)], actor=Actor("member", "u-1"))
    assert caught.value.problem.code == "staff_only"


# -- weak ones -------------------------------------------------------------------------------------------------------


@pytest.mark.check("C021")
def test_what_is_easy_to_guess_is_marked_and_listed_and_made_to_rotate(legacy: App) -> None:
    weak = Import("creator", create_owners=True, weak_life_s=86_400)
    texts = [fresh("text"), "plain_" + "password" * 5, "plain_1234"]
    report = legacy.act(imports.bring, weak, [entry(number, text, "text") for number, text in enumerate(texts)])
    assert [each.weak for each in report.keys] == [False, True, True]
    with legacy.reading() as reader:
        listed = {each.key: each for each in keys.listed(reader, api="creator", weak=True).items}
        strong = keys.require(reader, report.keys[0].key)
    assert set(listed) == {each.key for each in report.keys[1:]}
    assert strong.expires_at is None
    now = legacy.clock.read()[0]
    assert all(now < each.expires_at <= now + 86_400 for each in listed.values())
    replaced = legacy.act(keys.regenerate, report.keys[1].key).key
    with legacy.reading() as reader:
        assert not keys.require(reader, replaced.key).weak
        assert {each.key for each in keys.listed(reader, api="creator", weak=True, state="active").items} == {
            report.keys[2].key
        }


@pytest.mark.check("C021")
def test_a_date_of_its_own_that_is_nearer_stays(legacy: App) -> None:
    soon = legacy.clock.read()[0] + 3_600
    how = Import("creator", create_owners=True, weak_life_s=86_400)
    (key,) = legacy.act(imports.bring, how, [entry(1, "plain_1234", "text", expires_at=soon)]).keys
    with legacy.reading() as reader:
        assert keys.require(reader, key.key).expires_at == soon


@pytest.mark.check("C021")
def test_of_a_hash_nothing_is_known_unless_the_platform_says_so(legacy: App, altered: Callable[..., Profile]) -> None:
    (unknown,) = legacy.act(imports.bring, FEW, [entry(1)]).keys
    trusted = Import("creator", create_owners=True, trusted=True)
    (said,) = legacy.act(imports.bring, trusted, [entry(2)]).keys
    assert (unknown.weak, said.weak) == (True, False)
    short = FOREIGN[0] | {"length": "20"}
    profile = altered("creator", {"keys.foreign": [short], "keys.max_active_per_owner": "unlimited"})
    legacy.act(apis.apply_profile, "creator", profile)
    (cannot,) = legacy.act(imports.bring, trusted, [entry(3)]).keys
    assert cannot.weak, "16 characters cannot have as much as is asked for"


# -- what an entry says ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [32, 64])
def test_hashes_are_read_in_every_usual_way(size: int) -> None:
    name = {32: "sha256", 64: "sha512"}[size]
    value = bytes(range(200, 200 + size)) if size < 56 else bytes(range(size))
    value = b"\xff\xfe\xfb" + value[3:]
    plain = base64.b64encode(value).decode()
    for written in (
        value.hex(),
        value.hex().upper(),
        plain,
        plain.rstrip("="),
        base64.urlsafe_b64encode(value).decode(),
    ):
        assert read_entry({"owner": "u-1", name: f" {written} "}, 1).hashed == value


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"owner": "u-1"},
        {"owner": "", "text": "plain_0123456789"},
        {"text": "plain_0123456789"},
        {"owner": "u-1", "text": "short"},
        {"owner": "u-1", "text": "plain_with a space"},
        {"owner": "u-1", "text": "plain_with,comma"},
        {"owner": "u-1", "text": "plain_ümlaut_123"},
        {"owner": "u-1", "text": "x" * 513},
        {"owner": "u-1", "text": 12345678},
        {"owner": "u-1", "text": "plain_0123456789", "sha256": "00" * 32},
        {"owner": "u-1", "sha256": "00" * 31},
        {"owner": "u-1", "sha256": "zz" * 32},
        {"owner": "u-1", "sha256": "00" * 64},
        {"owner": "u-1", "sha512": "00" * 32},
        {"owner": "u-1", "sha256": ["00" * 32]},
        {"owner": "u-1", "md5": "00" * 16},
        {"owner": 7, "sha256": "00" * 32},
        {"owner": "u-1", "sha256": "00" * 32, "scopes": [1]},
        {"owner": "u-1", "sha256": "00" * 32, "scopes": 1},
        {"owner": "u-1", "sha256": "00" * 32, "expires_at": "next year"},
        {"owner": "u-1", "sha256": "00" * 32, "created_at": "2026-02-30"},
        {"owner": "u-1", "sha256": "00" * 32, "colour": "red"},
    ],
    ids=str,
)
def test_what_is_no_entry_says_which_field_and_what_is_allowed(data: dict[str, Any]) -> None:
    with pytest.raises(ProblemError) as caught:
        read_entry(data, 1)
    assert caught.value.problem.code == "import_wrong"
    assert any(word in caught.value.detail for word in ("allowed", "Known", "missing", "not"))
    assert "0000" not in caught.value.detail
    assert "plain_" not in caught.value.detail


def test_lists_and_moments_are_read_from_json_and_from_csv() -> None:
    json = {"scopes": ["read:self", "read:chat"], "expires_at": "2030-01-01", "created_at": None}
    csv = {"scopes": "read:self, read:chat", "expires_at": "2030-01-01T00:00:00Z", "created_at": "", "origins": ""}
    found = [read_entry({"owner": "u-1", "sha256": "00" * 32, **each}, 1) for each in (json, csv)]
    assert found[0] == found[1]
    assert found[0].scopes == ("read:self", "read:chat")
    assert (found[0].expires_at, found[0].created_at) == (1_893_456_000.0, None)


def test_a_name_of_a_field_that_may_be_a_key_is_not_repeated() -> None:
    with pytest.raises(ProblemError) as caught:
        read_entry({"owner": "u-1", "plain_" + "0" * 40: "x"}, 1)
    assert "0000" not in caught.value.detail


@pytest.mark.check("C021")
@pytest.mark.parametrize("life_s", [0, 3650 * 86_400 + 1, 10**12, 10**400])
def test_weak_keys_live_a_time_that_a_calendar_has(legacy: App, life_s: int) -> None:
    how = Import("creator", create_owners=True, weak_life_s=life_s)
    with pytest.raises(ProblemError, match="3650 d") as caught:
        legacy.act(imports.bring, how, [entry(1, "plain_1234", "text")])
    assert caught.value.problem.code == "import_wrong"
    assert len(legacy.act(imports.bring, FEW, [entry(1, "plain_1234", "text")]).keys) == 1


@pytest.mark.req("R67")
@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"owner": "{}"}, "owner_unknown"),
        ({"owner": "{}/"}, "request_malformed"),
        ({"scopes": ("{}",)}, "scope_unknown"),
        ({"key_class": "{}"}, "import_wrong"),
        ({"environment": "{}"}, "import_wrong"),
        ({"addresses": ("{}",)}, "addresses_wrong"),
        ({"origins": ("{}",)}, "origins_wrong"),
        ({"name": "{}" * 4}, "name_wrong"),
        ({"owner_name": "{}" * 4}, "name_wrong"),
    ],
)
def test_what_stood_in_the_wrong_column_is_not_repeated(legacy: App, more: dict[str, Any], code: str) -> None:
    text = fresh()
    put = {
        name: value.format(*[text] * 4) if isinstance(value, str) else tuple(each.format(text) for each in value)
        for name, value in more.items()
    }
    how = Import("creator", create_owners=code != "owner_unknown", skip_wrong=True)
    legacy.act(owners.create, owners.NewOwner("user", "", "u-1")) if code == "owner_unknown" else None
    (said,) = legacy.act(imports.bring, how, [entry(1, **put)]).wrong
    assert said.code == code
    assert text not in said.detail


def test_of_two_keys_of_one_owner_the_refusal_does_not_name_it(legacy: App, altered: Callable[..., Profile]) -> None:
    legacy.act(apis.apply_profile, "creator", altered("creator", {"keys.foreign": FOREIGN}))
    how = Import("creator", create_owners=True, skip_wrong=True)
    (said,) = legacy.act(imports.bring, how, [entry(1, owner="sha_1"), entry(2, owner="sha_1")]).wrong
    assert (said.code, "sha_1" in said.detail) == ("slot_taken", False)


def test_a_key_in_place_of_a_heading_is_not_repeated() -> None:
    with pytest.raises(ProblemError) as caught:
        read_entry({"owner": "u-1", "old_A1b2C3d4E5f6": "x"}, 1)
    assert "A1b2" not in caught.value.detail

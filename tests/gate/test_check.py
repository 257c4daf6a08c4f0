"""The decision over a real store: every reason in its order, what a refusal costs, and what is held against an ask."""

from __future__ import annotations

import pytest

from limen.control import apis, keys, owners, versions
from limen.core.keys import CONFLICT, checksum
from limen.core.limits import Limit
from tests.gate.scene import LIMIT, VERSION, NewScene, Scene, changed, noise

READ, WRITE = "GET /chats", "POST /chats"
FREE_FOR_ALL = {"owners__allowlist": True, "keys__max_active_per_owner": "unlimited", "keys__on_overflow": "reject"}
WEB, HOST = "https://app.example.com", "192.0.2.0/24"


def _restricted(new_scene: NewScene, default: str = "1 per 60 s") -> Scene:
    """A scene in which every reason for a refusal can hold."""
    profile = changed(**FREE_FOR_ALL, keys__classes__secret__origins=True, limits__default=default)
    return new_scene(profile)


@pytest.mark.req("R3", "R45", "R74", "R75")
def test_every_reason_is_given_before_all_that_come_after_it(new_scene: NewScene) -> None:
    scene = _restricted(new_scene)
    act, now = scene.app.act, scene.app.clock.read()[0]
    act(versions.sunset, scene.api, _old(scene, now), at=now - 1, successor=VERSION)
    bound = {"origins": (WEB,), "addresses": (HOST,)}
    good, revoked, expiring, inactive = (scene.issued(**bound, expires_at=now + 3600) for _ in range(4))
    fits = {"origin": WEB.encode(), "address": "192.0.2.7"}
    assert scene.code(good.text.encode(), **fits) == "ok"  # and so its limit is used up

    act(keys.revoke, revoked.key.key)
    act(keys.deactivate, inactive.key.key)
    act(owners.suspend, "ann", reason="abuse")
    act(owners.disallow, "ann", scene.api)
    act(apis.switch, scene.api, "read_only", True)

    worst = {"call": "POST /nowhere", "version": None, "environment": b"test", "origin": None, "address": None}
    text = good.text.encode()
    assert scene.code(None, **worst) == "credential_missing"
    assert scene.code(CONFLICT, **worst) == "credential_conflict"
    assert scene.code(text[:-1] + b"!", **worst) == "credential_malformed"
    assert scene.code(next(noise(1)), **worst) == "credential_invalid"
    assert scene.code(_other_secret(text), **worst) == "credential_malformed"  # its checksum is another one's
    assert scene.code(revoked.text.encode(), later=7200, **worst) == "key_revoked"
    assert scene.code(inactive.text.encode(), later=7200, **worst) == "key_expired"
    assert scene.code(expiring.text.encode(), later=7200, **worst) == "key_expired"
    assert scene.code(inactive.text.encode(), **worst) == "key_inactive"

    assert scene.code(text, **worst) == "owner_suspended"
    act(owners.restore, "ann")
    assert scene.code(text, **worst) == "owner_not_allowed"
    act(owners.allow, "ann", scene.api)
    assert scene.code(text, **worst) == "environment_mismatch"
    mending: list[tuple[dict[str, object], str]] = [
        ({"environment": b"live"}, "origin_not_allowed"),
        ({"origin": WEB.encode()}, "address_not_allowed"),
        ({"address": "192.0.2.7"}, "operation_unknown"),
        ({"call": WRITE}, "version_missing"),
        ({"version": b"2025-6-26"}, "version_malformed"),
        ({"version": b"2024-02-29"}, "version_unknown"),
        ({"version": b"2025-01-01"}, "version_sunset"),
        ({"version": VERSION.encode()}, "writes_disabled"),
    ]
    for mended, reason in mending:
        worst = {**worst, **mended}
        assert scene.code(text, **worst) == reason
    act(apis.switch, scene.api, "read_only", False)
    assert scene.code(text, **worst) == "scope_missing"
    assert scene.code(text, **{**worst, "call": READ}) == "limit_exceeded"
    if scene.settings.on_one_host:  # elsewhere windows end by a clock that the test does not set
        assert scene.code(text, later=60, **{**worst, "call": READ}) == "ok"


def _old(scene: Scene, now: float) -> str:
    scene.app.act(versions.register, scene.api, "2025-01-01")
    scene.app.act(versions.deprecate, scene.api, "2025-01-01", at=now - 2, successor=VERSION)
    return "2025-01-01"


def _other_secret(text: bytes) -> bytes:
    place = len(text) - 20
    return text[:place] + (b"A" if text[place : place + 1] != b"A" else b"B") + text[place + 1 :]


@pytest.mark.req("R47")
@pytest.mark.check("C009")
def test_a_known_id_with_another_secret_says_no_more_than_an_unknown_one(scene: Scene) -> None:
    """Checksum and id are right, the secret is not: the code that strangers get, though the journal keeps which."""
    text = scene.key()
    forged = next(noise(1))
    forged = _checked(forged[:5] + text[5:17] + forged[17:-6])
    unknown = next(noise(1))
    assert [scene.code(credential) for credential in (forged, unknown)] == ["credential_invalid"] * 2
    assert sorted(scene_counts(scene)) == [("unknown_id", "fvak_", 1), ("wrong_secret", "fvak_", 1)]
    assert scene.code(text) == "ok"


def _checked(stem: bytes) -> bytes:
    return stem + checksum(stem)


def scene_counts(scene: Scene) -> list[tuple[str, str, int]]:
    """The counts of refusals without a known key that are in the database in the end."""
    scene.house.gate.strangers.flush()
    return [(code, prefix, count) for code, prefix, count in scene.rows("select code, prefix, count from refusals")]


def test_refusals_spend_no_limit(new_scene: NewScene) -> None:
    scene = _restricted(new_scene, "3 per 60 s")
    text = scene.key()
    scene.app.act(apis.switch, scene.api, "read_only", True)
    refused: list[dict[str, object]] = [
        {"environment": b"test"},
        {"call": "GET /nowhere"},
        {"version": None},
        {"version": b"yesterday"},
        {"version": b"2024-02-29"},
        {"call": WRITE},
        {"call": "GET /users/me"},
    ]
    for _ in range(10):
        assert {scene.code(text, **parts) for parts in refused} == {
            "environment_mismatch",
            "operation_unknown",
            "version_missing",
            "version_malformed",
            "version_unknown",
            "writes_disabled",
            "scope_missing",
        }
        assert scene.code(_forged(text)) == "credential_invalid"
    remaining = [scene.verdict(text).remaining for _ in range(3)]
    assert remaining == [2, 1, 0]
    assert scene.code(text) == "limit_exceeded"


def _forged(text: bytes) -> bytes:
    return _checked(text[:20] + next(noise(1))[20:-6])


@pytest.mark.req("R112", "R120", "R257", "R258")
def test_the_shipped_default_admits_a_hundred_requests_a_key_and_window(scene: Scene) -> None:
    text = scene.key()
    verdicts = [scene.verdict(text, later=second / 10) for second in range(LIMIT + 1)]
    assert [verdict.code.slug for verdict in verdicts] == ["ok"] * LIMIT + ["limit_exceeded"]
    assert [verdict.remaining for verdict in verdicts] == [*reversed(range(LIMIT)), 0]
    assert all(verdict.limit.count == LIMIT for verdict in verdicts)
    assert scene.code(scene.key("bob")) == "ok"


@pytest.mark.req("R113")
def test_the_default_limit_is_configuration(new_scene: NewScene) -> None:
    scene = new_scene(changed(limits__default="2 per 10 s"))
    text = scene.key()
    assert [scene.code(text) for _ in range(3)] == ["ok", "ok", "limit_exceeded"]
    if scene.settings.on_one_host:  # elsewhere windows end by a clock that the test does not set
        assert scene.code(text, later=10.5) == "ok"


@pytest.mark.req("R114", "R123")
def test_an_operation_has_a_limit_of_its_own_beside_the_allowance(new_scene: NewScene) -> None:
    scene = new_scene(changed(operations__1__limit="2 per 60 s"))
    text = scene.key(scopes=("read:chat", "read:self"))
    assert [scene.code(text) for _ in range(3)] == ["ok", "ok", "limit_exceeded"]
    assert scene.verdict(text).limit.name == "operation:listChats"
    assert scene.verdict(text, "GET /users/me").remaining == LIMIT - 3


@pytest.mark.req("R124", "R169")
def test_an_emergency_limit_holds_over_all_callers_at_once(scene: Scene) -> None:
    ann, bob = scene.key("ann"), scene.key("bob")
    assert [scene.code(text) for text in (ann, bob)] == ["ok", "ok"]
    scene.app.act(apis.switch, scene.api, "emergency", (Limit("emergency", 2, 60),))
    assert [scene.code(text) for text in (ann, bob, ann, bob)] == ["ok", "ok", "limit_exceeded", "limit_exceeded"]
    scene.app.act(apis.switch, scene.api, "emergency", ())
    assert scene.code(ann) == "ok"


@pytest.mark.req("R10", "R115")
def test_a_regenerated_or_replaced_key_goes_on_in_its_predecessors_window(scene: Scene) -> None:
    first = scene.issued()
    for _ in range(60):
        scene.verdict(first.text.encode())
    second = scene.app.act(keys.regenerate, first.key.key)
    assert scene.verdict(second.text.encode()).remaining == LIMIT - 61
    third = scene.key()  # takes the place of the second
    assert scene.verdict(third).remaining == LIMIT - 62
    assert scene.code(second.text.encode()) == "key_revoked"


@pytest.mark.req("R3", "R49")
def test_a_verdict_says_whose_key_it_was_and_what_it_may(scene: Scene) -> None:
    found = scene.verdict(scene.key(scopes=("read:chat", "read:self")))
    assert (found.record.owner.owner_id, found.record.owner.kind) == ("ann", "user")
    assert (found.record.terms.granted, found.operation.name) == (("read:self", "read:chat"), "listChats")
    assert found.version.name == VERSION


@pytest.mark.req("R45")
def test_a_public_operation_asks_for_no_key_and_counts_for_none(scene: Scene) -> None:
    text = scene.key()
    for credential in (None, CONFLICT, b"noise", text):
        found = scene.verdict(credential, "GET /openapi.json", version=None)
        assert (found.code.slug, found.record, found.reading) == ("ok", None, 0)
    assert scene.entries() == []
    assert scene.verdict(text).remaining == LIMIT - 1


@pytest.mark.req("R71", "R100", "R101", "R178")
def test_every_decision_on_a_known_key_is_recorded_and_strangers_are_counted(scene: Scene) -> None:
    issued = scene.issued()
    text = issued.text.encode()
    assert scene.code(text, "GET /chats") == "ok"
    assert scene.code(text, WRITE) == "scope_missing"
    assert [scene.code(credential) for credential in (None, None, b"noise")] == [
        "credential_missing",
        "credential_missing",
        "credential_malformed",
    ]
    scene.house.gate.strangers.flush()
    readings = scene.rows("select method, path, operation, version, code from readings order by number")
    assert readings == [
        ("GET", "/chats", "listChats", VERSION, "ok"),
        ("POST", "/chats", "createChat", VERSION, "scope_missing"),
    ]
    counts = scene.rows("select code, sum(count) from refusals group by code order by code")
    assert counts == [("credential_malformed", 1), ("credential_missing", 2)]
    assert scene.rows(f"select last_used_at is not null from keys where key = '{issued.key.key}'") == [(1,)]


@pytest.mark.req("R200")
@pytest.mark.check("C012")
@pytest.mark.parametrize("own", ["live", "test"])
def test_a_key_reaches_the_data_of_its_own_environment_only(scene: Scene, own: str) -> None:
    text = scene.key(environment=own)
    codes = {asked: scene.code(text, environment=asked.encode()) for asked in ("live", "test")}
    assert codes == {asked: "ok" if asked == own else "environment_mismatch" for asked in codes}


@pytest.mark.check("C010")
def test_a_key_ends_at_its_second(scene: Scene) -> None:
    ends = scene.app.clock.read()[0] + 100
    text = scene.key(expires_at=ends)
    assert [scene.code(text, now=ends + offset) for offset in (-0.001, 0, 0.001)] == [
        "ok",
        "key_expired",
        "key_expired",
    ]


@pytest.mark.check("C061")
@pytest.mark.parametrize(
    "call", ["GET /CHATS", "GET //chats", "GET /chats/", "GET /./chats", "GET /ch%61ts", "get /chats"]
)
def test_a_path_written_otherwise_is_no_operation_and_no_way_round_a_limit(scene: Scene, call: str) -> None:
    assert scene.code(scene.key(), call) == "operation_unknown"


def test_head_is_get(scene: Scene) -> None:
    found = scene.verdict(scene.key(), "HEAD /chats")
    assert (found.code.slug, found.operation.name, found.remaining) == ("ok", "listChats", LIMIT - 1)


@pytest.mark.check("C062")
@pytest.mark.parametrize(
    ("count", "codes"), [(5, ["limit_exceeded"] * 2), (10, ["limit_exceeded"] * 2), (12, ["ok"] * 2)]
)
def test_what_was_used_stays_used_when_the_owners_limit_changes(scene: Scene, count: int, codes: list[str]) -> None:
    text = scene.key()
    for _ in range(10):
        scene.verdict(text)
    scene.app.act(owners.set_plan, "ann", scene.api, plan="", limits=(Limit("allowance", count, 60),))
    assert [scene.code(text) for _ in range(2)] == codes

"""The same installation in another process: whatever is changed there holds here at the next check, without waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from limen.app import App
from limen.control import apis, keys, owners, versions
from limen.core.limits import Limit
from limen.db.transaction import Tx
from limen.gate.lease import HostLease
from tests.gate.scene import VERSION, NewScene, Scene, changed

Change = Callable[[Scene, App, keys.Issued], Any]
Act = Callable[..., Any]


def _act(verb: Act, *arguments: Any, **more: Any) -> Change:
    """A change by *verb*; of its arguments ``KEY`` is the key's id and ``API`` the API's name."""

    def change(scene: Scene, other: App, issued: keys.Issued) -> Any:
        named = {"KEY": issued.key.key, "API": scene.api}
        return other.act(verb, *(named.get(argument, argument) for argument in arguments), **more)

    return change


def _expire_now(tx: Tx, key: str) -> None:
    keys.set_expiry(tx, key, expires_at=tx.now)


def _expire(scene: Scene, other: App, issued: keys.Issued) -> None:
    other.act(_expire_now, issued.key.key)


def _sunset(scene: Scene, other: App, _issued: keys.Issued) -> None:
    now = other.clock.read()[0]
    other.act(versions.register, scene.api, "2026-01-15")
    other.act(versions.sunset, scene.api, VERSION, at=now, successor="2026-01-15")


def _narrowed(scene: Scene, other: App, _issued: keys.Issued) -> None:
    other.act(apis.apply_profile, scene.api, changed(operations__1__scopes=["read:self"]))


def _no_longer_there(scene: Scene, other: App, _issued: keys.Issued) -> None:
    operations = [o for o in scene.house.gate.rules.profile.document["operations"] if o["id"] != "listChats"]
    other.act(apis.apply_profile, scene.api, changed(operations=operations))


def _replaced(scene: Scene, other: App, _issued: keys.Issued) -> None:
    other.act(keys.issue, keys.NewKey(scene.api, "ann", "another", scopes=("read:chat",)))


ENDS: dict[str, tuple[Change, str]] = {
    "a key revoked": (_act(keys.revoke, "KEY"), "key_revoked"),
    "a key deleted": (_act(keys.delete, "KEY"), "key_revoked"),
    "a key deactivated": (_act(keys.deactivate, "KEY"), "key_inactive"),
    "a key regenerated": (_act(keys.regenerate, "KEY"), "key_revoked"),
    "a key replaced": (_replaced, "key_revoked"),
    "a key's date brought forward": (_expire, "key_expired"),
    "an owner suspended": (_act(owners.suspend, "ann", reason="abuse"), "owner_suspended"),
    "an owner taken off the list": (_act(owners.disallow, "ann", "API"), "owner_not_allowed"),
    "an owner's limit cut": (
        _act(owners.set_plan, "ann", "API", plan="", limits=(Limit("allowance", 1, 60),)),
        "limit_exceeded",
    ),
    "the API put under an emergency limit": (
        _act(apis.switch, "API", "emergency", (Limit("emergency", 0, 60),)),
        "limit_exceeded",
    ),
    "a version sunset": (_sunset, "version_sunset"),
    "a profile that asks for more": (_narrowed, "scope_missing"),
    "a profile without the operation": (_no_longer_there, "operation_unknown"),
}


@pytest.mark.req("R48", "R68", "R69", "R99", "R162", "R163", "R164", "R165", "R166", "R170", "R221")
@pytest.mark.check("C062")
@pytest.mark.parametrize(("change", "code"), ENDS.values(), ids=ENDS)
def test_what_another_process_took_away_is_refused_at_the_next_check(scene: Scene, change: Change, code: str) -> None:
    issued, other = scene.issued(), scene.other()
    text = issued.text.encode()
    assert [scene.code(text), scene.warm(text)] == ["ok", "ok"]
    change(scene, other, issued)
    if scene.settings.on_one_host:  # elsewhere memory has been told when the change has answered
        assert scene.warm(text) is None, "what memory knows is not believed any more"
    assert scene.code(text) == code
    assert scene.warm(text) == code


def _unlisted(scene: Scene) -> bytes:
    scene.owner("eve", allowed=False)
    return scene.key("eve")


def _lifted(scene: Scene) -> bytes:
    text = scene.key()
    scene.app.act(owners.set_plan, "ann", scene.api, plan="", limits=(Limit("allowance", 0, 60),))
    return text


def _asleep(scene: Scene) -> bytes:
    issued = scene.issued()
    scene.app.act(keys.deactivate, issued.key.key)
    return issued.text.encode()


def _suspended(scene: Scene) -> bytes:
    text = scene.key()
    scene.app.act(owners.suspend, "ann", reason="abuse")
    return text


def _wake(scene: Scene, other: App) -> None:
    (key,) = scene.rows("select key from keys")[0]
    other.act(keys.reactivate, key)


GIVES: dict[str, tuple[Callable[[Scene], bytes], str, Callable[[Scene, App], Any]]] = {
    "a key reactivated": (_asleep, "key_inactive", _wake),
    "an owner restored": (_suspended, "owner_suspended", lambda _scene, other: other.act(owners.restore, "ann")),
    "an owner put on the list": (
        _unlisted,
        "owner_not_allowed",
        lambda scene, other: other.act(owners.allow, "eve", scene.api),
    ),
    "the list taken away": (
        _unlisted,
        "owner_not_allowed",
        lambda scene, other: other.act(apis.switch, scene.api, "allowlist", False),
    ),
    "an owner's limit raised": (
        _lifted,
        "limit_exceeded",
        lambda scene, other: other.act(owners.set_plan, "ann", scene.api, plan="", limits=(Limit("allowance", 9, 60),)),
    ),
}


@pytest.mark.req("R99", "R123", "R222", "R255")
@pytest.mark.check("C062")
@pytest.mark.parametrize(("made", "before", "change"), GIVES.values(), ids=GIVES)
def test_what_another_process_gave_is_admitted_at_the_next_check(
    scene: Scene, made: Callable[[Scene], bytes], before: str, change: Callable[[Scene, App], Any]
) -> None:
    text, other = made(scene), scene.other()
    assert [scene.code(text), scene.warm(text)] == [before, before]
    change(scene, other)
    assert scene.code(text) == "ok"


@pytest.mark.check("C031")
def test_a_key_that_another_process_issued_is_admitted_at_the_next_check(scene: Scene) -> None:
    other = scene.other()
    scene.code(None)
    issued = other.act(keys.issue, keys.NewKey(scene.api, scene.owner(), "a key", scopes=("read:chat",)))
    assert scene.code(issued.text.encode()) == "ok"


@pytest.mark.req("R127")
def test_a_switch_to_read_only_refuses_writes_at_the_next_check_and_lets_reads_pass(scene: Scene) -> None:
    text, other = scene.key(scopes=("read:chat", "write:chat")), scene.other()
    assert [scene.code(text, call) for call in ("POST /chats", "GET /chats")] == ["ok", "ok"]
    other.act(apis.switch, scene.api, "read_only", True)
    assert [scene.code(text, call) for call in ("POST /chats", "GET /chats")] == ["writes_disabled", "ok"]
    other.act(apis.switch, scene.api, "read_only", False)
    assert scene.code(text, "POST /chats") == "ok"


def test_a_profile_applied_elsewhere_reads_every_record_anew(new_scene: NewScene) -> None:
    """What a record says may differ under another profile: none of them is kept."""
    scene = new_scene()
    texts, other = [scene.key(f"owner-{number}") for number in range(3)], scene.other()
    assert {scene.code(text) for text in texts} == {"ok"}
    other.act(apis.apply_profile, scene.api, changed(limits__default="7 per 60 s"))
    assert [scene.verdict(text).limit.count for text in texts] == [7] * 3
    assert len(scene.house.gate.directory) == 3


def test_a_change_to_one_key_costs_no_other_key_its_place(scene: Scene) -> None:
    kept, issued, other = scene.key("bob"), scene.issued(), scene.other()
    assert {scene.code(text) for text in (kept, issued.text.encode())} == {"ok"}
    other.act(keys.revoke, issued.key.key)
    scene.house.cold.catch_up()
    assert scene.warm(kept) == "ok"
    assert scene.warm(issued.text.encode()) is None


@pytest.mark.req("R69")
@pytest.mark.check("C028")
@pytest.mark.sqlite
def test_a_build_that_reads_no_epoch_would_admit_the_revoked_key(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    issued, other = scene.issued(), scene.other()
    text = issued.text.encode()
    assert scene.code(text) == "ok"
    monkeypatch.setattr(HostLease, "holds", lambda lease, _at: lease._applied != -1)
    other.act(keys.revoke, issued.key.key)
    assert scene.code(text) == "ok"
    monkeypatch.undo()
    assert scene.code(text) == "key_revoked"


@pytest.mark.sqlite
def test_while_a_change_commits_every_check_is_cold_and_is_answered(scene: Scene) -> None:
    """An odd epoch: a writer is about to commit, or was killed while it did. Nothing is believed, all is answered."""
    text = scene.key()
    assert [scene.code(text), scene.warm(text)] == ["ok", "ok"]
    cell = scene.app.store.epoch.cell
    cell[0] += 1
    for _ in range(3):
        assert scene.warm(text) is None
        assert scene.code(text) == "ok"
        assert scene.warm(text) is None
    scene.other().act(owners.allow, scene.owner("bob", allowed=False), scene.api)
    assert cell[0] % 2 == 0, "the next writer mends it"
    assert [scene.code(text), scene.warm(text)] == ["ok", "ok"]


@pytest.mark.sqlite
def test_a_revocation_whose_writer_died_right_after_its_commit_holds_all_the_same(scene: Scene) -> None:
    issued = scene.issued()
    text = issued.text.encode()
    assert scene.code(text) == "ok"
    cell = scene.app.store.epoch.cell
    scene.other().act(keys.revoke, issued.key.key)
    cell[0] -= 1  # as if it had been killed between its commit and the epoch's last step
    assert scene.code(text) == "key_revoked"


class TestLease:
    """The right to answer from memory, by eight bytes."""

    def test_it_is_not_held_until_it_was_renewed(self) -> None:
        cell = [0]
        lease = HostLease(cell)
        assert not lease.holds(0.0)
        lease.renew(lease.epoch())
        assert lease.holds(0.0)

    @pytest.mark.parametrize("moved", [1, 2, 4, 1 << 40])
    def test_it_ends_when_the_epoch_moves(self, moved: int) -> None:
        cell = [6]
        lease = HostLease(cell)
        lease.renew(6)
        cell[0] += moved
        assert not lease.holds(0.0)

    def test_it_is_not_held_by_an_odd_epoch(self) -> None:
        cell = [7]
        lease = HostLease(cell)
        lease.renew(7)
        assert not lease.holds(0.0)

    def test_an_epoch_that_moved_while_the_change_log_was_read_renews_nothing(self) -> None:
        cell = [6]
        lease = HostLease(cell)
        seen = lease.epoch()
        cell[0] = 8
        lease.renew(seen)
        assert not lease.holds(0.0)

    def test_it_can_be_dropped(self) -> None:
        lease = HostLease([4])
        lease.renew(4)
        lease.drop()
        assert not lease.holds(0.0)

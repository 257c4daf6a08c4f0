"""What a change by the command line does to the next request, and what cannot be changed at all."""

from __future__ import annotations

import time
from collections.abc import Iterator

from limen.cli.demo.cast import key_of
from limen.cli.demo.ground import CommandFailed
from limen.cli.demo.lines.refused import lacks_scope
from limen.cli.demo.rules import ACTIVE, DEPRECATED, SUNSET
from limen.cli.demo.scene import Scene, said
from limen.cli.demo.tour import Line
from limen.cli.demo.wants import Claim, Want, equal, matching, members, text, whole
from limen.cli.demo.wire import Answer, ask


def _passes(scene: Scene, answer: Answer) -> Claim:
    return scene.admitted(members({"uuid": text}, others=True), time.time()).of(answer)


def _second_key(scene: Scene) -> Iterator[Claim]:
    first = scene.keys["changing"]
    yield _passes(scene, scene.ask("changing"))
    command = ("keys", "issue", "creator", first.owner, "--name", "second", "--scope", "read:self", "--yes")
    scene.keys["changing"] = second = key_of(scene.limen(*command))
    yield scene.refused(401, "key_revoked").of(scene.ask(first.text))
    yield _passes(scene, scene.ask(second.text))


def _revoked(scene: Scene) -> Iterator[Claim]:
    yield _passes(scene, scene.ask("changing"))
    key = scene.limen("keys", "revoke", scene.keys["changing"].key_id, "--reason", "the tour", "--yes")
    yield scene.refused(401, "key_revoked").of(scene.ask("changing"))
    yield said("revoked", key["state"], equal("revoked")(key["state"]))


def _deactivated(scene: Scene) -> Iterator[Claim]:
    yield _passes(scene, scene.ask("asleep"))
    scene.limen("keys", "deactivate", scene.keys["asleep"].key_id)
    yield scene.refused(401, "key_inactive").of(scene.ask("asleep"))


def _suspended(scene: Scene) -> Iterator[Claim]:
    yield _passes(scene, scene.ask("suspended"))
    scene.limen("owners", "suspend", scene.keys["suspended"].owner, "--reason", "the tour")
    yield scene.refused(403, "owner_suspended").of(scene.ask("suspended"))


def _reactivated(scene: Scene) -> Iterator[Claim]:
    """Staff wake the key that was put to sleep, over the management API."""
    command = ("keys", "issue", "limen", "staff", "--name", "tour", "--class", "staff", "--scope", "write:keys")
    scene.keys["staff"] = staff = key_of(scene.limen(*command))
    path, bearer = f"/v1/keys/{scene.keys['asleep'].key_id}/reactivate", [("Authorization", f"Bearer {staff.text}")]
    answer = ask(scene.at.public, "POST", path, bearer)
    yield Want("200, and the key is active", 200, body=members({"state": "active"}, others=True)).of(answer)
    yield _passes(scene, scene.ask("asleep"))


def _blocked(scene: Scene) -> Iterator[Claim]:
    """Staff block a key, and lift the block again; then the key sleeps again, as later lines have it."""
    key = scene.keys["asleep"].key_id
    made = scene.limen("measures", "block", "--api", "creator", "--key", key, "--reason", "the tour", "--yes")
    yield scene.refused(403, "access_blocked").of(scene.ask("asleep"))
    scene.limen("measures", "lift", made["measure"])
    yield from _deactivated(scene)


def _brownout(scene: Scene) -> Iterator[Claim]:
    """A deprecated version does not work for some minutes, until that is cancelled."""
    command = ("versions", "brownout", "creator", DEPRECATED, "--at", "now", "--for", "5 min", "--status", "503")
    made = scene.limen(*command)
    body = members({"code": "version_brownout", "nextVersion": ACTIVE}, others=True)
    want = Want("503 version_brownout", 503, {"Retry-After": whole(1, 300)}, body)
    yield want.of(scene.ask("main", version=DEPRECATED))
    scene.limen("versions", "cancel-brownout", "creator", made["brownouts"][0]["brownout"])
    passes = Want("200", 200, body=members({"uuid": text}, others=True))
    yield passes.of(scene.ask("main", version=DEPRECATED))


def _one_way(scene: Scene) -> Iterator[Claim]:
    """A version that was sunset is not deprecated once more, which would bring it back (R57)."""
    try:
        scene.limen("versions", "deprecate", "creator", SUNSET, "--at", "2099-01-01", "--yes")
        got = "done"
    except CommandFailed as error:
        got = "lifecycle_one_way" if '"lifecycle_one_way"' in str(error) else str(error)
    yield said("lifecycle_one_way", got, equal("lifecycle_one_way")(got))
    yield Want("410 version_sunset", 410, body=members({"code": "version_sunset"}, others=True)).of(
        scene.ask("main", version=SUNSET)
    )


def _scopes_stay(scene: Scene) -> Iterator[Claim]:
    """Somebody with the database in their hands gives a key one more scope: a trigger refuses it (C4)."""
    edit = scene.ground.edit_scopes(scene.keys["narrow"].key_id, '["read:self", "read:chat"]')
    reason = matching("a key keeps its scopes.*")(edit.refusal)
    yield said("refused by the database", f"refused: {edit.refusal}", reason, equal(True)(edit.unchanged))
    yield from lacks_scope(scene)


CHANGES = (
    Line("a second key ends the first", _second_key),
    Line("a key is revoked between two requests", _revoked),
    Line("a key is deactivated between two requests", _deactivated),
    Line("the same key is reactivated over the management API", _reactivated),
    Line("a key is blocked, and the block lifted", _blocked),
    Line("a version has a brownout, which is cancelled", _brownout),
    Line("an owner is suspended between two requests", _suspended),
    Line("a sunset version is to come back", _one_way),
    Line("a key's scopes are edited in the database", _scopes_stay),
)

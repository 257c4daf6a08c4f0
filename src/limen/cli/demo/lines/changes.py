"""What a change by the command line does to the next request, and what cannot be changed at all."""

from __future__ import annotations

import time
from collections.abc import Iterator

from limen.cli.demo.cast import key_of
from limen.cli.demo.ground import CommandFailed
from limen.cli.demo.lines.refused import lacks_scope
from limen.cli.demo.rules import SUNSET
from limen.cli.demo.scene import Scene, said
from limen.cli.demo.tour import Line
from limen.cli.demo.wants import Claim, Want, equal, matching, members, text
from limen.cli.demo.wire import Answer


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
    Line("an owner is suspended between two requests", _suspended),
    Line("a sunset version is to come back", _one_way),
    Line("a key's scopes are edited in the database", _scopes_stay),
)

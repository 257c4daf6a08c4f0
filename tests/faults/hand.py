"""A second process beside a gate, as the command line is one: it does what it is told, and may be killed at it.

One order a line: ``{"verb": ..., "args": [...]}``. With ``killed_after_ms`` a child of its own does it and is killed
after so long; with ``dies_at`` the child kills itself there; with ``stalls`` the order never comes to an end: the
epoch stays odd, before or after the commit, until this process is killed.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import limen.drain.journals
from limen.app import App
from limen.control import apis, keys, owners, peppers, recording
from limen.control.recording import _rows
from limen.core.limits import Limit
from limen.core.problems import ProblemError
from limen.db.epoch import Epoch
from limen.drain import drain


def _issue(app: App, api: str, owner: str, scopes: list[str], expires_in: float | None = None) -> dict[str, Any]:
    now = app.clock.read()[0]
    expires_at = None if expires_in is None else now + expires_in
    new = keys.NewKey(api, owner, "a key", scopes=tuple(scopes), expires_at=expires_at)
    issued = app.act(keys.issue, new)
    return {"key": issued.key.key, "text": issued.text}


def _issue_drawn(app: App, api: str, owner: str, seed: int) -> dict[str, Any]:
    """A key that whoever knows *seed* knows beforehand."""
    real, secrets.token_bytes = secrets.token_bytes, random.Random(seed).randbytes
    try:
        return _issue(app, api, owner, ["read:experiences"])
    finally:
        secrets.token_bytes = real


def _regenerate(app: App, key: str) -> dict[str, Any]:
    issued = app.act(keys.regenerate, key)
    return {"key": issued.key.key, "text": issued.text}


def _expire(app: App, key: str) -> None:
    app.act(lambda tx: keys.set_expiry(tx, key, expires_at=tx.now))


def _own_limit(app: App, owner: str, api: str, count: int, window_s: int = 60) -> None:
    app.act(owners.set_plan, owner, api, plan="", limits=(Limit("allowance", count, window_s),))


def _wrap(app: App, limit: int) -> int:
    """All keys, batch by batch, as ``limen pepper wrap`` does it; how many that were."""
    count, batch = 0, app.act(peppers.wrap, limit=limit)
    while batch.count:
        count, batch = count + batch.count, app.act(peppers.wrap, after=batch.last, limit=limit)
    return count


def _retire(app: App, version: int) -> None:
    path = app.settings.pepper_path
    app.act(peppers.retire, path, version)
    app.act(peppers.forget, path, version)


VERBS: dict[str, Callable[..., Any]] = {
    "pepper_add": lambda app: app.act(peppers.add, app.settings.pepper_path),
    "pepper_wrap": _wrap,
    "pepper_retire": _retire,
    "issue": _issue,
    "issue_drawn": _issue_drawn,
    "regenerate": _regenerate,
    "expire": _expire,
    "revoke": lambda app, key: app.act(keys.revoke, key, reason="a test") and None,
    "deactivate": lambda app, key: app.act(keys.deactivate, key) and None,
    "reactivate": lambda app, key: app.act(keys.reactivate, key) and None,
    "delete": lambda app, key: app.act(keys.delete, key),
    "suspend": lambda app, owner: app.act(owners.suspend, owner, reason="a test") and None,
    "restore": lambda app, owner: app.act(owners.restore, owner) and None,
    "plan": lambda app, owner, api, plan: app.act(owners.set_plan, owner, api, plan=plan) and None,
    "own_limit": _own_limit,
    "allow": lambda app, owner, api: app.act(owners.allow, owner, api) and None,
    "disallow": lambda app, owner, api: app.act(owners.disallow, owner, api) and None,
    "switch": lambda app, api, name, value: app.act(apis.switch, api, name, value) and None,
    "drain": drain,
}


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_at(point: str, batch: int) -> None:
    """Let this process die at *point* of the transaction number *batch*, or of a segment's end after that."""
    seen = within = 0

    def dying_in(whole: Callable[..., Any]) -> Callable[..., Any]:
        def act(self: App, verb: Callable[..., Any], *args: Any, **named: Any) -> Any:
            nonlocal seen, within
            seen += not within
            if within or seen < batch:
                return whole(self, verb, *args, **named)
            if verb is recording.unseal:
                if point == "segment gone":
                    _die()
            elif point == "before":
                _die()
            elif point == "written":

                def dying(*given: Any, **how: Any) -> None:
                    verb(*given, **how)
                    _die()

                return whole(self, dying, *args, **named)
            within += 1  # what is noted may be done as a change
            result = whole(self, verb, *args, **named)
            within -= 1
            if point == "committed":
                _die()
            return result

        return act

    App.change = dying_in(App.change)  # type: ignore[method-assign]
    App.note = dying_in(App.note)  # type: ignore[method-assign]


def _mark_first() -> None:
    """Break this process's drain: the mark moves in a transaction of its own, before the entries are recorded."""
    whole, record = App.note, recording.record

    def act(self: App, verb: Callable[..., Any], *args: Any, **named: Any) -> Any:
        if verb is record:
            segment, offset = args[:2]
            whole(self, lambda tx: _rows.set_mark(tx.connection, segment, offset), actor=named["actor"])
        return whole(self, verb, *args, **named)

    App.note = act  # type: ignore[method-assign]


def _perform(app: App, order: dict[str, Any]) -> Any:
    limen.drain.journals.BATCH = order.get("entries", limen.drain.journals.BATCH)
    if "dies_at" in order:
        _die_at(order["dies_at"], order.get("batch", 1))
    if order.get("broken") == "mark_first":
        _mark_first()
    while order.get("again"):
        VERBS[order["verb"]](app, *order["args"])
    return VERBS[order["verb"]](app, *order["args"])


def _in_a_child(order: dict[str, Any]) -> dict[str, Any]:
    """Let a child do it, and kill it; *finished*: whether it had come to its end by then."""
    told, telling = os.pipe()
    child = os.fork()
    if child == 0:
        app = App.open()
        os.write(telling, b"+")
        _perform(app, order)
        os.write(telling, b"!")
        _die()
    os.close(telling)
    os.read(told, 1)
    if "killed_after_ms" in order:
        time.sleep(order["killed_after_ms"] / 1000)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    finished = os.read(told, 1) == b"!"
    os.close(told)
    return {"finished": finished}


def _stall(where: str) -> None:
    """From now on no change comes to an end: it stops with an odd epoch, *before* or *after* its commit."""

    @contextmanager
    def moving(self: Epoch) -> Iterator[None]:
        self.cell[0] += 1
        if where == "before":
            _wait_for_death()
        yield
        _wait_for_death()

    Epoch.moving = moving  # type: ignore[method-assign]


def _wait_for_death() -> None:
    _say({"stalled": True})
    while True:
        signal.pause()


def _say(answer: dict[str, Any]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


def main() -> None:
    """Do what standard input says, until it ends."""
    app: App | None = None
    for line in sys.stdin.buffer:
        order = json.loads(line)
        if "killed_after_ms" in order or "dies_at" in order:
            _say(_in_a_child(order))
            continue
        if "stalls" in order:
            _stall(order["stalls"])
        app = app or App.open()
        try:
            found = {"value": _perform(app, order)}
        except ProblemError as problem:
            found = {"problem": problem.problem.code, "detail": problem.detail}
        _say({"returned": time.monotonic(), **found})


if __name__ == "__main__":
    main()

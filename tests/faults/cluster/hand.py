"""A process that changes things, one after another, and says when each of them began and answered."""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from limen.app import App
from limen.control import keys, owners
from limen.core.keys import mint
from limen.core.limits import Limit
from limen.core.problems import ProblemError, StoreDown
from tests.faults.cluster.node import API, opened

if TYPE_CHECKING:
    from tests.faults.cluster.nursery import Born

PLENTY, NOTHING = Limit("allowance", 1_000_000_000, 60), Limit("allowance", 0, 60)
PREFIX = "sk_live_"


def drawn(seed: int) -> tuple[str, str]:
    """The id and the text of the key that is made when chance is *seed*."""
    return mint(PREFIX, random.Random(seed).randbytes)


def _with(seed: int, act: Callable[[], Any]) -> Any:
    real, secrets.token_bytes = secrets.token_bytes, random.Random(seed).randbytes
    try:
        return act()
    finally:
        secrets.token_bytes = real


VERBS: dict[str, Callable[[App, dict[str, Any]], Any]] = {
    "issue": lambda app, about: _with(
        about["seed"], lambda: app.act(keys.issue, keys.NewKey(API, about["owner"], "a key"))
    ),
    "regenerate": lambda app, about: _with(about["seed"], lambda: app.act(keys.regenerate, about["key"])),
    "revoke": lambda app, about: app.act(keys.revoke, about["key"], reason="a test"),
    "delete": lambda app, about: app.act(keys.delete, about["key"]),
    "deactivate": lambda app, about: app.act(keys.deactivate, about["key"]),
    "reactivate": lambda app, about: app.act(keys.reactivate, about["key"]),
    "suspend": lambda app, about: app.act(owners.suspend, about["owner"], reason="a test"),
    "restore": lambda app, about: app.act(owners.restore, about["owner"]),
    "cut": lambda app, about: app.act(owners.set_plan, about["owner"], API, plan="", limits=(NOTHING,)),
    "raise": lambda app, about: app.act(owners.set_plan, about["owner"], API, plan="", limits=(PLENTY,)),
}
"""What a change is about: ``owner``, ``key`` (its id), and for what makes a key ``seed``."""


def _do(app: App, order: dict[str, Any]) -> dict[str, Any]:
    """The change that *order* names; *outcome* is ``done``, ``refused`` (nothing has changed) or ``unknown``."""
    began = time.monotonic()
    try:
        VERBS[order["verb"]](app, order)
        outcome, detail = "done", ""
    except StoreDown as error:  # whether it was committed, nobody can tell
        outcome, detail = "unknown", str(error.detail)
    except ProblemError as problem:
        outcome, detail = "refused", f"{problem.problem.code}: {problem.detail}"
    return {"began": began, "ended": time.monotonic(), "outcome": outcome, "detail": detail}


def live(born: Born) -> None:
    """Do what the driver says until it hangs up."""
    app = opened(born.settings, gate=False)
    born.say(ready=True)
    with born.line.makefile("rb") as orders:
        for line in orders:
            born.say(**_do(app, json.loads(line)))
    app.close()

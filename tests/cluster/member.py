"""A process with a gate, as a host of a cluster has one: it answers what it is asked, a line of JSON at a time."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from limen.app import App
from limen.control import keys
from limen.core.problems import ProblemError, StoreDown
from limen.core.verdict import Ask, Verdict
from limen.settings import read_settings

API = "organisation"


class Member:
    """What this process can be told."""

    def __init__(self) -> None:
        self.app = App.open(read_settings())
        self.house = self.app.gate(API)

    def _ask(self, text: str) -> Ask:
        now, at = self.app.clock.read()
        return Ask(text.encode(), b"GET", b"/experiences", b"v1", b"live", now, at)

    def _said(self, verdict: Verdict | None, began: float) -> dict[str, Any]:
        return {"code": verdict and verdict.code.slug, "s": time.monotonic() - began}

    def ask(self, text: str) -> dict[str, Any]:
        """The verdict, whatever it takes; and how long that was."""
        began = time.monotonic()
        return self._said(self.house.cold.decide_now(self._ask(text)), began)

    def warm(self, text: str) -> dict[str, Any]:
        """The verdict from memory alone."""
        return self._said(self.house.gate.check(self._ask(text)), time.monotonic())

    def node(self) -> str:
        """Under which id the database knows this process."""
        return self.app.cluster.lease.node if self.app.cluster is not None else ""

    def revoke(self, key: str) -> dict[str, Any]:
        """Revoke *key*, and how that went."""
        began = time.monotonic()
        done = self.app.change(keys.revoke, key)
        return {"effective": done.effective, "ms": done.ms, "s": time.monotonic() - began}

    def revoke_soon(self, key: str) -> dict[str, Any]:
        """Revoke *key* without waiting for anybody."""
        done = self.app.change(keys.revoke, key, waits=False)
        return {"effective": done.effective}

    def issue(self, owner: str) -> dict[str, str]:
        """A new key."""
        issued = self.app.act(keys.issue, keys.NewKey(API, owner, "a key"))
        return {"key": issued.key.key, "text": issued.text}

    def fork(self, text: str) -> dict[str, Any]:
        """What a child says: which node it is, and its verdict on *text*."""
        assert self.app.cluster is not None
        lease = self.app.cluster.lease
        read, write = os.pipe()
        child = os.fork()
        if not child:
            try:
                state = self.app.settings.state_folder
                os.environ["LIMEN_STATE"] = f"{state}-child"
                App.initialise(read_settings()).close()
                other = Member()
                before = lease.holds(0.0)
                self.app.close()  # which is its parent's: nobody leaves by that
                said = {"node": other.node(), "code": other.ask(text)["code"], "parents": before}
                other.app.close()
                os.write(write, json.dumps(said).encode())
            finally:
                os._exit(0)
        os.close(write)
        os.waitpid(child, 0)
        with os.fdopen(read) as pipe:
            return dict(json.loads(pipe.read()))

    def close(self) -> None:
        """Leave."""
        self.app.close()


def main() -> None:
    """Do what stands on each line of the standard input."""
    member = Member()
    print(json.dumps({"ready": member.node()}), flush=True)
    for line in sys.stdin:
        order, *args = json.loads(line)
        work: Callable[..., Any] = getattr(member, order)
        try:
            said = {"returned": work(*args)}
        except (ProblemError, StoreDown) as error:
            said = {"problem": error.problem.code}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()

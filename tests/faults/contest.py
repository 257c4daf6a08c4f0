"""Askers against a change: threads that verify one key in a tight loop while another process changes something.

All moments are of one clock, CLOCK_MONOTONIC, which every process of a host reads alike.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, Thread

from tests.faults.installation import Installation, Server
from tests.faults.processes import ANSWER_S, wait_until
from tests.faults.wire import Line, request

API = "organisation"
AFTER = 3
"""How often each asker asks on, once the change has returned."""

FILLERS = 120
"""Keys that push every other one out of a directory of a hundred."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One verification."""

    started: float
    ended: float
    status: int

    @property
    def admitted(self) -> bool:
        """Whether it was let through; what is neither admitted nor refused is an error."""
        assert self.status in (200, 401, 403, 429), self
        return self.status == 200


@dataclass(slots=True)
class Outcome:
    """What came of one round."""

    returned: float
    """When the change had answered."""
    seen: list[Seen] = field(default_factory=list)

    def wrong(self, *, admitted: bool = False) -> list[Seen]:
        """Verifications that began after the change had answered and went by what was before it."""
        return [each for each in self.seen if each.started > self.returned and each.admitted != admitted]

    def before(self) -> list[Seen]:
        """Verifications that were over before the change had answered."""
        return [each for each in self.seen if each.ended < self.returned]


def verify(text: str, method: str = "GET") -> bytes:
    """The question whether *text* may list experiences, or make one."""
    return request(
        "GET",
        f"/gate/auth/{API}",
        [("authorization", f"Bearer {text}"), ("x-forwarded-method", method), ("x-forwarded-uri", "/v1/experiences")],
    )


class Arena:
    """A gate's server, its askers, and the other process."""

    def __init__(self, installation: Installation, factory: str, seed: int, *, askers: int = 4) -> None:
        self.installation, self.chance = installation, random.Random(seed)
        self.owners = 0
        self.owner = self.new_owner()
        self.server: Server = installation.serve(factory)
        self.hand = installation.hand()
        self.server.ready()
        self.lines = [self.server.line() for _ in range(askers + 1)]
        self.fillers: list[str] = []

    def new_owner(self, plan: str = "") -> str:
        """An owner without a limit to speak of, or with that of *plan*."""
        self.owners += 1
        owner = self.installation.owner(f"o{self.owners}", api=API)
        if plan:
            self.hand.do("plan", owner, API, plan)
        return owner

    def issue(self, owner: str = "", *scopes: str) -> tuple[str, str]:
        """A key that the other process issued: its id and its text. The first verification of it is admitted."""
        made = self.hand.do("issue", API, owner or self.owner, scopes or ("read:experiences",))
        first = self.ask(self.lines[-1], verify(made["value"]["text"]))
        assert first.started > made["returned"]
        assert first.admitted, "a key that had been issued was refused"
        return made["value"]["key"], made["value"]["text"]

    def ask(self, line: Line, sent: bytes) -> Seen:
        """One verification."""
        started = time.monotonic()
        answer = line.ask(sent)
        return Seen(started, time.monotonic(), answer.status)

    def push_out(self) -> None:
        """Ask for so many other keys that a directory of a hundred holds none that was asked for before."""
        if not self.fillers:
            new = self.installation.keys(self.owner, FILLERS, API)
            self.fillers = [issued.text for issued in new]
        for text in self.fillers:
            assert self.ask(self.lines[-1], verify(text)).admitted

    def contest(
        self, sent: bytes, change: Callable[[], float], *, spread_s: float, wait_s: float, answered: int = 0
    ) -> Outcome:
        """Ask on every line, each from a moment of its own within *spread_s*, and *change* after *wait_s*.

        *answered*: how many must have been answered before.
        """
        done, seen = Event(), list[Seen]()

        def loop(line: Line, pause: float) -> None:
            time.sleep(pause)
            after = 0
            while after < AFTER:
                after += done.is_set()
                seen.append(self.ask(line, sent))

        threads = [Thread(target=loop, args=(line, self.chance.uniform(0, spread_s))) for line in self.lines[:-1]]
        for thread in threads:
            thread.start()
        time.sleep(wait_s)
        wait_until(lambda: len(seen) >= answered, "answers")
        outcome = Outcome(change(), seen)
        seen.append(self.ask(self.lines[-1], sent))  # the first to begin after it, whatever the others wait for
        done.set()
        for thread in threads:
            thread.join(ANSWER_S)
            assert not thread.is_alive()
        return outcome

    def order(self, verb: str, *args: object) -> Callable[[], float]:
        """The change that the other process makes; the moment at which it returned there."""

        def change() -> float:
            answer = self.hand.do(verb, *args)
            assert "problem" not in answer, answer
            return float(answer["returned"])

        return change

    def revocation(self, *, cold: bool = False, slow: bool = False) -> Outcome:
        """A round: a key is issued, asked for, and revoked at a moment of chance."""
        if slow:  # nobody has asked for it: its load is under way when it is revoked
            made = self.hand.do("issue", API, self.owner, ["read:experiences"])["value"]
            key, text = made["key"], made["text"]
        else:
            key, text = self.issue()
        if cold:
            self.push_out()
        spread_s, wait_s = (0.08, 0.03) if slow else (0.004, 0.02)
        change = self.order("revoke", key)
        return self.contest(verify(text), change, spread_s=spread_s, wait_s=self.chance.uniform(0, wait_s))


def late(rounds: Sequence[Outcome]) -> int:
    """How many verifications of *rounds* were admitted though they began after a revocation had answered."""
    return sum(len(outcome.wrong()) for outcome in rounds)

"""A wall clock that is set back, or forward, by an hour under a running gate."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import Install
from tests.faults.contest import API, Arena, late, verify
from tests.faults.processes import wait_until
from tests.faults.wire import Answer

BUILDS = "tests.faults.builds:"
HOUR_S = 3_600


class Dial:
    """A gate whose wall clock is this test's to set; what decides is another process's change, on the right one."""

    def __init__(self, install: Install, build: str) -> None:
        installation = install()
        self._said = Path(installation.folder / "clock")
        self.set(0)
        installation.environment["FAULTS_CLOCK"] = str(self._said)
        self.arena = Arena(installation, BUILDS + build, 2631)

    def set(self, ahead_s: int) -> None:
        """Set the clock: by so many seconds ahead of the right time."""
        written = self._said.with_suffix(".new")
        written.write_text(str(ahead_s))
        written.replace(self._said)

    def ask(self, text: str) -> Answer:
        """One verification."""
        return self.arena.lines[-1].ask(verify(text))

    def expired(self) -> str:
        """A key whose date has just passed."""
        made = self.arena.hand.do("issue", API, self.arena.owner, ["read:experiences"], 1.0)["value"]
        assert self.ask(made["text"]).status == 200
        wait_until(lambda: self.ask(made["text"]).status == 401, "the key's end")
        return str(made["text"])

    def used_up(self, window_s: int) -> str:
        """A key whose owner's limit is used up for *window_s* seconds from now on."""
        owner = self.arena.new_owner()
        self.arena.hand.do("own_limit", owner, API, 3, window_s)
        _, text = self.arena.issue(owner)
        assert [self.ask(text).status for _ in range(3)] == [200, 200, 429]
        return text


def expiry_holds(dial: Dial) -> None:
    """A key that has expired stays so, by however much the clock is set back."""
    text = dial.expired()
    for ahead_s in (-HOUR_S, -24 * HOUR_S, 0):
        dial.set(ahead_s)
        answer = dial.ask(text)
        assert (answer.status, b"key_expired" in answer.body) == (401, True), "an expired key came back"


def windows_hold(dial: Dial) -> None:
    """A window is as long as it says, by however much the clock is set."""
    text = dial.used_up(60)
    for ahead_s in (-HOUR_S, HOUR_S):
        dial.set(ahead_s)
        answer = dial.ask(text)
        assert answer.status == 429, "a window ended with the clock"
        assert 0 < int(answer.header("retry-after")) <= 60, "a window grew with the clock"
    dial.set(0)
    text, began = dial.used_up(2), time.monotonic()
    dial.set(-HOUR_S)
    wait_until(lambda: dial.ask(text).status == 200, "a full window", 10)
    assert time.monotonic() - began > 1


@pytest.mark.check("C034")
def test_a_clock_that_is_set_back_revives_nothing(install: Install) -> None:
    dial = Dial(install, "other_time")
    expiry_holds(dial)
    windows_hold(dial)
    for ahead_s in (-HOUR_S, HOUR_S):
        dial.set(ahead_s)
        assert late([dial.arena.revocation() for _ in range(5)]) == 0


@pytest.mark.parametrize(
    ("build", "promise", "caught"),
    [
        ("believed_clock", expiry_holds, "an expired key came back"),
        ("windows_by_date", windows_hold, "a window grew with the clock"),
    ],
)
def test_a_gate_that_goes_by_the_wall_clock_is_caught(
    install: Install, build: str, promise: Callable[[Dial], None], caught: str
) -> None:
    dial = Dial(install, build)
    with pytest.raises(AssertionError, match=caught):
        promise(dial)

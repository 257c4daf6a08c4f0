"""The two clocks: dates by a wall clock that never runs backwards here, windows by time since boot."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from limen.gate import clock as module
from limen.gate.clock import ALARM_S, Clock
from tests.gate.scene import Scene


@dataclass
class Times:
    """What the machine's two clocks say."""

    wall: float = 1_800_000_000.0
    boot: float = 5_000.0

    def passed(self, seconds: float) -> None:
        """Time goes by on both."""
        self.wall += seconds
        self.boot += seconds


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    """Clocks that the test sets. There is no other way to set a machine's clock back."""
    said = Times()
    monkeypatch.setattr(module, "time", lambda: said.wall)
    monkeypatch.setattr(module, "clock_gettime", lambda _clock: said.boot)
    return said


def test_it_reads_unix_seconds_and_seconds_since_boot() -> None:
    now, at = Clock().read()
    assert abs(now - time.time()) < 1
    assert abs(at - time.clock_gettime(time.CLOCK_BOOTTIME)) < 1


def test_time_goes_by(times: Times) -> None:
    clock = Clock()
    assert clock.read() == (1_800_000_000.0, 5_000.0)
    times.passed(12.5)
    assert clock.read() == (1_800_000_012.5, 5_012.5)


def test_set_back_it_goes_on_at_its_own_pace(times: Times) -> None:
    clock = Clock()
    clock.read()
    times.wall -= 3_600
    assert clock.read()[0] == 1_800_000_000.0
    times.passed(10)
    assert clock.read() == (1_800_000_010.0, 5_010.0)
    assert clock.set_back_s() == 3_600.0


def test_set_forward_it_moves_on_and_does_not_come_back(times: Times) -> None:
    clock = Clock()
    times.wall += 3_600
    assert clock.read() == (1_800_003_600.0, 5_000.0)
    times.wall -= 3_600
    times.passed(1)
    assert clock.read() == (1_800_003_601.0, 5_001.0)


def test_windows_do_not_notice_that_the_wall_clock_was_set(times: Times) -> None:
    clock = Clock()
    for jump in (3_600, -7_200, 86_400):
        times.wall += jump
        times.passed(1)
        assert clock.read()[1] == times.boot


def test_being_set_back_is_told_beyond_what_is_usual(times: Times) -> None:
    clock = Clock()
    clock.read()
    assert clock.set_back_s() == 0
    times.wall -= ALARM_S / 2
    assert clock.set_back_s() == 0
    times.wall -= ALARM_S
    assert clock.set_back_s() == pytest.approx(1.5 * ALARM_S)


@pytest.mark.req("R207")
def test_a_clock_set_back_revives_no_expired_key(scene: Scene, times: Times) -> None:
    scene.app.clock = Clock()
    text = scene.key(expires_at=times.wall + 60)
    assert scene.code(text) == "ok"
    times.passed(60)
    assert scene.code(text) == "key_expired"
    times.wall -= 3_600
    assert scene.code(text) == "key_expired"


@pytest.mark.sqlite  # elsewhere windows end by the clock of whatever counts for all hosts
def test_a_clock_set_by_an_hour_ends_no_window_and_opens_none(scene: Scene, times: Times) -> None:
    scene.app.clock = Clock()
    text = scene.key()
    seen = []
    for jump in (0, 3_600, -3_600, 7_200):
        times.wall += jump
        times.passed(1)
        seen.append((scene.verdict(text).remaining, scene.verdict(text).ends_in))
    assert [ends_in for _, ends_in in seen] == [60.0, 59.0, 58.0, 57.0]
    assert [remaining for remaining, _ in seen] == [99, 97, 95, 93]

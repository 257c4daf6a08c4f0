"""Recorded equals counted equals shown: journals, readings, roll-ups, statistics and CSV, whoever is killed at it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from limen.control import recording
from limen.core.rollup import DAY_S, GRAINS
from limen.drain import CHORES, Rota
from tests.db import dump
from tests.faults import busy
from tests.faults.agreement import shown_alike
from tests.faults.conftest import Install
from tests.faults.installation import Installation
from tests.faults.processes import ANSWER_S, environment, wait_until
from tests.faults.recorders import WHILE_DRAINING, pages_overlap, rebuilt_on_top, whole_spans_alone

both = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])


class Deciders:
    """Processes that decide, killed and started anew until *decisions* are made; and a worker, killed as often."""

    def __init__(self, installation: Installation, folder: Path, decisions: int, seed: int) -> None:
        self.installation, self.chance = installation, random.Random(seed)
        owner = installation.owner("u1")
        texts = [installation.key(owner, "read:self", "read:chat").text]
        texts += [installation.key(installation.owner(f"u{n}"), "read:self", "read:chat").text for n in range(2, 8)]
        self.said = "\n".join(texts).encode()
        self.files = [folder / f"counts{number}" for number in range(2)]
        for file in self.files:
            numbers = [0] * 8
            numbers[busy.MOST] = decisions // len(self.files)
            file.write_bytes(b"".join(number.to_bytes(8, "little") for number in numbers))
        self.kills = 0

    def counts(self) -> list[int]:
        """What all of them counted."""
        every = [memoryview(file.read_bytes()).cast("Q").tolist() for file in self.files]
        return [sum(values) for values in zip(*every, strict=True)]

    def start(self, file: Path) -> subprocess.Popen[bytes]:
        """One that decides."""
        line = [sys.executable, "-m", "tests.faults.busy", str(file), str(self.chance.random())]
        process = subprocess.Popen(line, env=self._environment(), stdin=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write(self.said)
        process.stdin.close()
        return process

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.installation.environment, "PYTHONPATH": "src:.", "LIMEN_DRAIN_MS": "20"}

    def worker(self) -> subprocess.Popen[bytes]:
        """A worker."""
        line = [sys.executable, "-m", "limen", "worker", "--json"]
        return subprocess.Popen(line, env=self._environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def decide(self) -> None:
        """Until all decisions are made, and nobody drains."""
        running = [self.start(file) for file in self.files]
        try:
            assert [process.wait(ANSWER_S) for process in running] == [0] * len(running)
        finally:
            for process in running:
                process.kill()

    def run(self, kills: int) -> None:
        """Until all decisions are made; *kills*: of each process, at random moments."""
        running = [self.start(file) for file in self.files]
        worker, left = self.worker(), kills
        try:
            while any(process.poll() is None for process in running):
                time.sleep(self.chance.uniform(0.2, 0.8))
                if not left:
                    continue
                left -= 1
                if left % 2:
                    worker.kill()
                    worker.wait()
                    worker = self.worker()
                    continue
                which = self.chance.randrange(len(running))
                if running[which].poll() is None:
                    running[which].kill()
                    self.kills += 1
                running[which].wait()
                running[which] = self.start(self.files[which])
            assert [process.returncode for process in running] == [0] * len(running)
        finally:
            for process in (*running, worker):
                process.kill()
                process.wait()


def _drained(installation: Installation) -> None:
    wait_until(lambda: installation.drain() == 0 and not installation.segments(), "all segments to be drained", 120)
    Rota(tuple(chore for chore in CHORES if chore.name == "outcomes")).do(installation.app)


def _rows(installation: Installation, statement: str) -> list[tuple[Any, ...]]:
    return dump.rows(dump.place_of(installation.app), statement)


def _sums(installation: Installation, table: str, which: str) -> list[int]:
    admitted = "cast(coalesce(sum(case when code = 'ok' then calls else 0 end), 0) as bigint)"
    refused = "cast(coalesce(sum(case when code <> 'ok' then calls else 0 end), 0) as bigint)"
    classes = ", ".join(f"cast(coalesce(sum({name}), 0) as bigint)" for name in ("s2", "s4", "s5"))
    found = dump.rows(
        dump.place_of(installation.app), f"select {admitted}, {refused}, {classes} from {table} where {which}"
    )
    return list(found[0])


def rolled_up(installation: Installation, deciders: Deciders) -> list[int]:
    """The readings are those that were counted, and so are the roll-ups: admitted, refused, and answered by class."""
    counted = deciders.counts()[:5]
    recorded = _rows(
        installation,
        "select count(case when code = 'ok' then 1 end), count(case when code <> 'ok' then 1 end),"
        " count(case when status < 300 then 1 end), count(case when status between 400 and 499 then 1 end),"
        " count(case when status >= 500 then 1 end) from readings",
    )[0]
    assert all(0 <= found - count <= deciders.kills for found, count in zip(recorded, counted, strict=True))
    for grain in GRAINS:
        for which in ("length(locator) = 0", "length(locator) > 0"):
            assert _sums(installation, f"usage_{grain}s", which) == list(recorded), (grain, which)
    times = _rows(installation, "select cast(sum(calls) as bigint) from usage_times where length(locator) = 0")
    assert times[0][0] == sum(recorded[2:])
    return list(recorded)


def made_anew(installation: Installation) -> None:
    """Roll-ups that are made anew from the readings are what they were."""
    before = _rows(installation, "select * from usage_hours order by 1, 2, 3, 4, 5, 6")
    for (day,) in _rows(installation, "select distinct at from usage_days"):
        installation.app.act(recording.rebuild, int(day) // DAY_S)
    assert _rows(installation, "select * from usage_hours order by 1, 2, 3, 4, 5, 6") == before


def agree(installation: Installation, deciders: Deciders) -> None:
    """Everything that tells how many there were tells the same."""
    recorded = rolled_up(installation, deciders)
    made_anew(installation)
    asked = shown_alike(installation, "u1")
    print(
        f"{sum(recorded[:2])} decisions, {sum(recorded[2:])} answers, {deciders.kills} kills: all agree,"
        f" and so do {asked} answers about them"
    )


@both
@pytest.mark.timeout(300)
@pytest.mark.req("R71", "R264")
@pytest.mark.check("C064")
def test_recorded_equals_counted_equals_shown(install: Install, tmp_path: Path, kind: str) -> None:
    installation = install(kind=kind)
    deciders = Deciders(installation, tmp_path, 60_000, 6021)
    deciders.run(kills=10)
    _drained(installation)
    agree(installation, deciders)
    assert deciders.kills


@both
@pytest.mark.soak
def test_recorded_equals_counted_equals_shown_over_a_million(install: Install, tmp_path: Path, kind: str) -> None:
    installation = install(kind=kind)
    deciders = Deciders(installation, tmp_path, 1_000_000, 6022)
    deciders.run(kills=120)
    _drained(installation)
    agree(installation, deciders)
    assert deciders.kills


# -- what compares them catches who does not -----------------------------------------------------------------------


def _killed_while_draining(install: Install, folder: Path, build: str) -> tuple[Installation, Deciders]:
    """3,000 decisions, drained by *build* until it was killed at that, and then by the product."""
    installation = install()
    deciders = Deciders(installation, folder, 3_000, 6023)
    deciders.decide()
    line = [sys.executable, "-m", "tests.faults.recorders", build]
    drained = subprocess.run(line, env=environment(installation.environment), timeout=ANSWER_S, check=False)
    assert drained.returncode == -signal.SIGKILL
    _drained(installation)
    return installation, deciders


@pytest.mark.sqlite
@pytest.mark.req("R71")
@pytest.mark.check("C064")
@pytest.mark.parametrize("build", WHILE_DRAINING)
def test_who_records_otherwise_is_caught(install: Install, tmp_path: Path, build: str) -> None:
    installation, deciders = _killed_while_draining(install, tmp_path, build)
    if build == "sound":
        rolled_up(installation, deciders)
        return
    with pytest.raises(AssertionError):
        rolled_up(installation, deciders)


def _shown_to_owner(installation: Installation) -> None:
    shown_alike(installation, "u1")


@pytest.mark.sqlite
@pytest.mark.req("R260")
def test_who_shows_otherwise_is_caught(install: Install, tmp_path: Path) -> None:
    installation, deciders = _killed_while_draining(install, tmp_path, "sound")
    agree(installation, deciders)
    for build in (whole_spans_alone, pages_overlap, rebuilt_on_top):
        with pytest.MonkeyPatch.context() as patch:
            build(patch)
            with pytest.raises(AssertionError):
                (made_anew if build is rebuilt_on_top else _shown_to_owner)(installation)

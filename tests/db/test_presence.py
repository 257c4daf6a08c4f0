"""Who works on an installation is seen by who wants to be alone on it, and the other way round."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from limen.core.problems import ProblemError, StoreDown
from limen.db import presence
from tests.db.children import Child, Starter, in_child


def test_many_at_once_or_one_alone(tmp_path: Path) -> None:
    two = presence.entered(tmp_path), presence.entered(tmp_path)
    with two[0], two[1], pytest.raises(ProblemError, match="are running"), presence.alone(tmp_path):
        raise AssertionError("somebody was there")
    with presence.alone(tmp_path):
        for other in (presence.entered, presence.alone):
            with pytest.raises(ProblemError) as caught, other(tmp_path):
                raise AssertionError("it was not alone")
            assert caught.value.problem.code == "in_use"
    with presence.entered(tmp_path):
        pass


def test_a_kill_lets_go(tmp_path: Path) -> None:
    def work() -> None:
        presence.enter(tmp_path)
        os._exit(9)

    assert in_child(work) == 9
    with presence.alone(tmp_path):
        pass


def test_another_process_is_seen(tmp_path: Path) -> None:
    start, told = Starter(), tmp_path / "told"

    def work() -> None:
        presence.enter(tmp_path)
        told.touch()
        start.wait()

    child = Child(work)
    while not told.exists():
        pass
    with pytest.raises(ProblemError), presence.alone(tmp_path):
        raise AssertionError("somebody was there")
    start.open()
    assert child.wait() == 0
    start.close()
    with presence.alone(tmp_path):
        pass


def test_being_alone_ends_with_the_block_though_a_child_has_the_file_open(tmp_path: Path) -> None:
    start = Starter()
    with presence.alone(tmp_path):
        child = Child(start.wait)
    with presence.entered(tmp_path):
        pass
    start.open()
    assert child.wait() == 0
    start.close()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreDown):
        presence.enter(tmp_path / "nothing")

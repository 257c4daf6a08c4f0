"""Processes: several decide for an API, and count together; a fork writes nothing of its parent's."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from limen.control import apis
from limen.core.problems import ProblemError
from limen.gate.windows import HostWindows
from limen.profiles import load
from tests.gate.scene import LIMIT, Scene, named, python

HOLDS = """
import sys
from pathlib import Path
from limen.app import App
from limen.core.verdict import Ask
app = App.open()
house = app.gate("creator")
print("holds", flush=True)
ask = (b"GET", b"/chats", b"2025-06-26", b"live")
for line in sys.stdin:  # a key: how often is it admitted?
    asked = [Ask(line.strip().encode(), *ask, *app.clock.read()) for _ in range(60)]
    print(sum(house.cold.decide_now(ask).admitted for ask in asked), flush=True)
app.close()
"""


@contextmanager
def _holder(scene: Scene) -> Iterator[subprocess.Popen[str]]:
    """Another process that decides for the scene's API, until its standard input ends."""
    process = python(HOLDS, of=named(scene.settings))
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds\n", process.communicate()[1]
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


def _admitted(process: subprocess.Popen[str], text: bytes) -> int:
    """Of 60 asks that the other process makes now."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(text.decode() + "\n")
    process.stdin.flush()
    return int(process.stdout.readline())


@pytest.mark.req("R41", "R115")
@pytest.mark.check("C058")
def test_what_one_process_has_counted_alone_a_second_goes_on_with(scene: Scene) -> None:
    text, other = scene.key(), scene.key("bob")
    with _holder(scene) as process:
        assert _admitted(process, text) == 60
        assert sum(scene.code(text) == "ok" for _ in range(60)) == LIMIT - 60
        assert _admitted(process, text) == 0
        assert sum(scene.code(other) == "ok" for _ in range(60)) == 60
        assert _admitted(process, other) == LIMIT - 60
        with _holder(scene) as third:
            assert _admitted(third, text) == _admitted(third, other) == 0


def test_what_was_counted_stays_counted_when_every_process_has_ended(scene: Scene) -> None:
    text = scene.key()
    for together in (False, True):
        with _holder(scene) as process, ExitStack() as stack:
            beside = stack.enter_context(_holder(scene)) if together else None
            assert _admitted(process, text) == (LIMIT - 60 if together else 60)
            for each in (process, beside):
                if each is not None:
                    each.communicate("", timeout=30)
                    assert each.returncode == 0
    assert scene.code(text) == "limit_exceeded"


@pytest.mark.sqlite  # elsewhere nobody counts alone
@pytest.mark.sqlite
def test_a_process_that_counts_alone_and_is_stopped_keeps_the_second_out(scene: Scene, monkeypatch: Any) -> None:
    monkeypatch.setattr("limen.gate.together.HAND_OVER_S", 0.3)
    with _holder(scene) as process:
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(ProblemError) as refused:
            scene.app.gate(scene.api)
        assert refused.value.problem.code == "gate_taken"
        assert re.search(rf"\b{process.pid}\b", refused.value.detail)
        assert scene.app.gates == {}
        assert len(scene.segments()) <= 2, "the one that was refused made no journal"
        os.kill(process.pid, signal.SIGCONT)
        assert scene.code(scene.key()) == "ok"


def test_a_gate_of_another_api_runs_beside_it(scene: Scene) -> None:
    scene.app.act(apis.create, "organisation", load("organisation"))
    with _holder(scene):
        assert scene.app.gate("organisation").gate.rules.api == "organisation"


def test_a_process_that_ends_frees_its_api(scene: Scene) -> None:
    with _holder(scene) as process:
        process.communicate("", timeout=30)
        assert process.returncode == 0
        assert scene.code(scene.key()) == "ok"


def test_a_process_that_is_killed_frees_its_api(scene: Scene) -> None:
    with _holder(scene) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
        assert scene.code(scene.key()) == "ok"


@pytest.mark.sqlite
def test_while_the_windows_cannot_be_had_nothing_is_admitted_and_then_it_is_again(
    scene: Scene, monkeypatch: Any
) -> None:
    """As when a process is stopped in the microseconds in which it holds their lock."""
    monkeypatch.setattr(HostWindows.decide, "__defaults__", ((), 0.05))
    text, other = scene.key(), scene.other()
    other.gate(scene.api)
    assert scene.code(text) == "ok"
    stopped = os.open(scene.settings.state_folder / "windows" / f"{scene.api}.lock", os.O_RDWR)
    fcntl.flock(stopped, fcntl.LOCK_EX)
    assert scene.code(text) == "unavailable"
    assert scene.warm(text) is None
    os.close(stopped)
    assert scene.code(text) == "ok"


def test_two_apps_in_one_process_count_together_too(scene: Scene) -> None:
    text, other = scene.key(), scene.other()
    assert scene.code(text) == "ok"
    house = other.gate(scene.api)
    assert sum(house.cold.decide_now(scene.ask(text)).admitted for _ in range(LIMIT)) == LIMIT - 1
    assert scene.code(text) == "limit_exceeded"


FORKED = """
import asyncio, os, sys
from pathlib import Path
from limen.guard.asgi import Guard
from tests.gate.scene import Scene, VERSION

scene = Scene(Path(sys.argv[1]))
text = scene.key()

async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})

guard = Guard(hello, api=scene.api, settings=scene.settings)

def ask():
    sent = []
    async def send(message):
        sent.append(message)
    headers = [(b"x-fanvue-api-key", text), (b"x-fanvue-api-version", VERSION.encode())]
    scope = {"type": "http", "method": "GET", "raw_path": b"/chats", "path": "/chats", "query_string": b"",
             "headers": headers, "client": ("127.0.0.1", 1), "scheme": "http"}
    asyncio.run(guard(scope, None, send))
    return sent[0]["status"]

def written():
    return scene.segments()[0].read_bytes(), scene.entries()

assert ask() == 200
before, first = written(), scene.segments()[0]
child = os.fork()
if child == 0:
    try:
        answers = [ask() for _ in range(60)]
        os._exit(0 if set(answers) == {200} and first.read_bytes() == before[0] else 3)
    except BaseException as error:
        os.write(2, repr(error).encode())
        os._exit(4)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert first.read_bytes() == before[0], "the child wrote into its parent's journal"
assert [ask() for _ in range(60)].count(200) == 100 - 61, "the parent goes on, in one window with its child"

scene.close()
print("held")
"""


def test_a_forked_child_opens_a_gate_of_its_own_and_never_writes_its_parents_journal(tmp_path: Path) -> None:
    out, error = python(FORKED, str(tmp_path)).communicate(timeout=60)
    assert out == "held\n", error


FORKED_APP = """
import os, sys
from pathlib import Path
from tests.gate.scene import Scene

scene = Scene(Path(sys.argv[1]))
text = scene.key()
assert scene.code(text) == "ok"
journal, before = scene.house.gate.journal, (scene.segments()[0].read_bytes(), scene.entries())
child = os.fork()
if child == 0:
    unable = journal.outcome(1, 200, 0.0) == 0 and scene.app.gates == {}
    os._exit(0 if unable else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert (scene.segments()[0].read_bytes(), scene.entries()) == before
assert scene.code(text) == "ok"
scene.close()
print("held")
"""


def test_what_a_parent_opened_is_of_no_use_to_its_child(tmp_path: Path) -> None:
    out, error = python(FORKED_APP, str(tmp_path)).communicate(timeout=60)
    assert out == "held\n", error

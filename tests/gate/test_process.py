"""Processes: one of them decides for an API; its death frees the API; its fork writes nothing of its parent's."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from limen.app import App
from limen.control import apis
from limen.core.problems import ProblemError
from limen.profiles import load
from tests.gate.scene import Scene, python

HOLDS = """
import sys
from pathlib import Path
from limen.app import App
from limen.settings import Settings
app = App.open(Settings(database_url=sys.argv[1], segment_bytes=65_536))
app.gate("creator")
print("holds", flush=True)
sys.stdin.read()
app.close()
"""


@contextmanager
def _holder(scene: Scene) -> Iterator[subprocess.Popen[str]]:
    """Another process that decides for the scene's API, until its standard input ends."""
    process = python(HOLDS, scene.settings.database_url)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds\n", process.communicate()[1]
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


def test_a_second_gate_on_an_api_is_refused_and_told_who_holds_it(scene: Scene) -> None:
    with _holder(scene) as process:
        with pytest.raises(ProblemError) as refused:
            scene.app.gate(scene.api)
        assert refused.value.problem.code == "gate_taken"
        assert re.search(rf"\b{process.pid}\b", refused.value.detail)
        assert scene.app.gates == {}
        assert len(scene.segments()) <= 2, "the one that was refused made no journal"


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


def test_two_apps_in_one_process_cannot_decide_for_one_api_either(scene: Scene) -> None:
    scene.code(None)
    with pytest.raises(ProblemError, match=rf"Process {os.getpid()} decides"):
        scene.other().gate(scene.api)
    assert isinstance(scene.app, App)


FORKED = """
import asyncio, os, sys
from pathlib import Path
from limen.guard.asgi import Guard
from limen.core.problems import ProblemError
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
before = written()
child = os.fork()
if child == 0:
    try:
        ask()
    except ProblemError as problem:
        refused = problem.problem.code == "gate_taken" and str(os.getppid()) in problem.detail
        os._exit(0 if refused and written() == before else 3)
    except BaseException as error:
        os.write(2, repr(error).encode())
        os._exit(4)
    os._exit(5)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert written() == before, "the child wrote into its parent's journal"
assert ask() == 200, "the parent goes on"
assert len(scene.entries()) == 4

ready, told = os.pipe()
child = os.fork()
if child == 0:
    os.read(ready, 1)  # the parent has let go of the gate
    try:
        os._exit(0 if ask() == 200 else 3)
    except BaseException as error:
        os.write(2, repr(error).encode())
        os._exit(4)
guard.close()
os.write(told, b"x")
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert len(scene.entries()) == 6
scene.close()
print("held")
"""


def test_a_forked_child_finds_the_gate_taken_or_opens_its_own_and_never_writes_its_parents(tmp_path: Path) -> None:
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

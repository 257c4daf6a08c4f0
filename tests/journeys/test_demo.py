"""``limen demo``: the tour of every answer is green, what is wrong is caught, and nothing is left behind."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import date
from email.utils import format_datetime, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from limen.cli.demo.cast import PARTS, Key
from limen.cli.demo.command import report
from limen.cli.demo.ground import Addresses, Ground, People
from limen.cli.demo.guarded import CREATOR, ORGANISATION, Example
from limen.cli.demo.lines import TOUR
from limen.cli.demo.lines.endpoints import CREATOR_CALLS, ORGANISATION_CALLS
from limen.cli.demo.rules import dates
from limen.cli.demo.scene import Scene
from limen.cli.demo.tour import Line, Result, play
from limen.cli.demo.wants import Claim, Want, http_date, members, text, unix_stamp, whole
from limen.cli.demo.wire import Answer
from limen.core.verdict import Code
from limen.profiles import load
from limen.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
LINES = 88
IN_OTHER_TESTS = {Code.UNAVAILABLE, Code.ORIGIN_NOT_ALLOWED, Code.ADDRESS_NOT_ALLOWED, Code.OK}
"""What takes a broken store, or a key with a list, and is no line of the tour."""


def command(*arguments: str, source: Path = ROOT / "src", cwd: Path | None = None) -> dict[str, Any]:
    """What ``subprocess`` needs to run ``limen demo``, in an environment without this machine's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LIMEN_")}
    line = [sys.executable, "-m", "limen", "demo", *arguments]
    return {"args": line, "env": kept | {"PYTHONPATH": str(source)}, "cwd": cwd, "text": True}


@pytest.mark.req("R29", "R45", "R48", "R52", "R53", "R54", "R55", "R56", "R57", "R58", "R59", "R60", "R61", "R69")
@pytest.mark.req("R74", "R75", "R76", "R78", "R79", "R80", "R81", "R82", "R99", "R112", "R115", "R116", "R117", "R118")
@pytest.mark.req("R119", "R120", "R121", "R127", "R193", "R200", "R207", "R221", "R236", "R237", "R238", "R253")
@pytest.mark.req("R257", "R258", "R259", "R273", "R277")
@pytest.mark.timeout(200)
def test_the_tour_is_green(tmp_path: Path) -> None:
    made = subprocess.run(**command("--check", "--json", cwd=tmp_path), capture_output=True, timeout=180, check=False)
    assert made.returncode in (0, 1), made.stderr
    told = json.loads(made.stdout)
    assert [(line["what"], line["misses"]) for line in told["lines"] if not line["ok"]] == []
    assert (made.returncode, told["ok"], len(told["lines"])) == (0, True, LINES)
    expected = " ".join(line["expected"] for line in told["lines"])
    assert [code.slug for code in Code if code not in IN_OTHER_TESTS and code.slug not in expected] == []
    assert list(tmp_path.iterdir()) == []


def test_the_tour_has_its_lines() -> None:
    names = [line.what for line in TOUR]
    assert len(names) == len(set(names)) == LINES


@pytest.mark.parametrize(("example", "calls"), [(CREATOR, CREATOR_CALLS), (ORGANISATION, ORGANISATION_CALLS)])
def test_the_tour_calls_every_endpoint_of_both_platforms(example: Example, calls: Mapping[str, Any]) -> None:
    called = [call.operation for _, group in calls.values() for call in group]
    assert sorted(called) == sorted(each.name for each in load(example.name).operations)


class Liar(BaseHTTPRequestHandler):
    """Says the same to everybody: what a gate would say that admits, or refuses, everything."""

    status, body = 200, b'{"uuid": "me", "code": "ok"}'

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-RateLimit-Limit", "100")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


class Refuser(Liar):
    status, body = 401, b'{"error": "Unauthorized", "code": "credential_invalid"}'


class NoStaff(Ground):
    """A ground on which commands do nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.settings = folder, Settings(database_url=f"sqlite:///{folder / 'limen.db'}")

    def limen(self, *arguments: str) -> Any:
        return {"state": "active", "differences": [], "applied": False} | dict.fromkeys(("key", "owner", "text"), "x")


@pytest.fixture(params=[Liar, Refuser], ids=["admits everything", "refuses everything"])
def wrong(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """A scene in which nothing is as it is to be: a server that lies, and a database without triggers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), request.param)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_port}"
    keys = {part.name: Key(f"id-{part.name}", part.name, f"fvak_{part.name:x>50}") for part in PARTS}
    with closing(sqlite3.connect(tmp_path / "limen.db")) as database:
        database.execute("create table keys (key text, scopes text)")
        database.execute("insert into keys values (?, '[]')", (keys["narrow"].key_id,))
        database.commit()
    (tmp_path / "server.log").write_text(f"a log that says {keys['main'].text}")
    yield Scene(
        at=Addresses(address, address, address, address),
        ground=NoStaff(tmp_path),
        keys=keys,
        people=People(("me",), "peer", "stranger", "agent", ("firm",)),
        ends=dates(date(2026, 1, 1)),
        window_s=1,
    )
    server.shutdown()
    server.server_close()


def test_every_line_misses_where_nothing_is_right(wrong: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    results = [play(line, wrong) for line in TOUR]
    assert [result.what for result in results if result.ok] == []
    assert report(results, 1.0, as_json=True) == 1
    told = capsys.readouterr().out
    assert json.loads(told)["ok"] is False
    assert [key.key_id for key in wrong.keys.values() if key.text in told] == []


def one(claim: Claim) -> Line[None]:
    """A line that claims one thing."""
    return Line("one", lambda _: iter([claim]))


def test_the_report_says_what_was_missed(capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = (play(one(Claim("200", got, misses)), None) for got, misses in (("200", ()), ("500", ("no",))))
    assert report([good], 1.0, as_json=False) == 0
    assert report([good, bad], 1.0, as_json=False) == 1
    assert report([], 1.0, as_json=False) == 1
    table = capsys.readouterr().out
    assert "MISS" in table
    assert "2 lines, 1 missed" in table


def test_a_line_that_breaks_or_claims_nothing_is_a_miss() -> None:
    def breaks(_: None) -> Iterator[Claim]:
        yield Claim("200", "200")
        raise ConnectionResetError("the server is gone")

    results: list[Result] = [play(Line("breaks", breaks), None), play(Line("nothing", lambda _: iter(())), None)]
    assert [result.ok for result in results] == [False, False]
    assert "the server is gone" in results[0].got


SUNSET = 1_798_761_600.0  # Friday, 1 January 2027
WANT = Want(
    "200",
    200,
    {
        "Deprecation": unix_stamp(1_790_000_000),
        "Sunset": http_date(SUNSET),
        "X-RateLimit-Remaining": "99",
        "Retry-After": whole(1, 60),
        "Limen-Owner": None,
    },
    members({"code": text, "nextVersion": "2026-01-01"}),
)
RIGHT = Answer(
    200,
    (
        ("deprecation", "@1790000000"),
        ("sunset", "Fri, 01 Jan 2027 00:00:00 GMT"),
        ("x-ratelimit-remaining", "99"),
        ("retry-after", "60"),
    ),
    b'{"code": "a_code", "nextVersion": "2026-01-01"}',
)


def with_header(name: str, *values: str) -> Answer:
    """The right answer, but for one header."""
    others = tuple(header for header in RIGHT.headers if header[0] != name)
    return dataclasses.replace(RIGHT, headers=(*others, *((name, value) for value in values)))


def test_what_is_right_holds() -> None:
    assert WANT.of(RIGHT).misses == ()
    assert parsedate_to_datetime("Fri, 01 Jan 2027 00:00:00 GMT").timestamp() == SUNSET
    assert http_date(SUNSET)(format_datetime(parsedate_to_datetime("Fri, 01 Jan 2027 00:00:00 GMT"), usegmt=True)) == ""


@pytest.mark.parametrize(
    "answer",
    [
        dataclasses.replace(RIGHT, status=201),
        dataclasses.replace(RIGHT, body=b""),
        dataclasses.replace(RIGHT, body=b"[]"),
        dataclasses.replace(RIGHT, body=b'{"code": "a_code"}'),
        dataclasses.replace(RIGHT, body=b'{"code": " ", "nextVersion": "2026-01-01"}'),
        dataclasses.replace(RIGHT, body=b'{"code": "a_code", "nextVersion": "2026-01-01", "more": 1}'),
        dataclasses.replace(RIGHT, repeats_key=True),
        with_header("deprecation"),
        with_header("deprecation", "1790000000"),
        with_header("deprecation", "@1790000001"),
        with_header("sunset", "Thu, 01 Jan 2027 00:00:00 GMT"),
        with_header("sunset", "Fri, 01 Jan 2027 00:00:00 UTC"),
        with_header("sunset", "Sat, 02 Jan 2027 00:00:00 GMT"),
        with_header("sunset", "Fri, 41 Jan 2027 00:00:00 GMT"),
        with_header("x-ratelimit-remaining", "98"),
        with_header("x-ratelimit-remaining", "99", "99"),
        with_header("retry-after", "0"),
        with_header("retry-after", "61"),
        with_header("retry-after", "1.5"),
        with_header("limen-owner", ""),
    ],
)
def test_what_is_wrong_is_missed(answer: Answer) -> None:
    assert len(WANT.of(answer).misses) == 1
    assert not play(one(WANT.of(answer)), None).ok


def listens(address: str) -> bool:
    """Whether somebody answers there."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    with closing(socket.socket()) as attempt:
        attempt.settimeout(2)
        return attempt.connect_ex((host, int(port))) == 0


@pytest.mark.timeout(150)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind(number: signal.Signals, tmp_path: Path) -> None:
    if number == signal.SIGKILL and sys.platform != "linux":
        pytest.skip("Linux alone ends a process with its parent")
    kept = tmp_path / "kept"
    running = subprocess.Popen(
        **command("--json", "--folder", str(kept), cwd=tmp_path), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert running.stdout is not None
        lines = []
        while not lines or lines[-1] != "}\n":
            lines.append(running.stdout.readline())
            assert lines[-1], "it ended before it was up"
        told = json.loads("".join(lines))
        addresses = [told[name] for name in ("creator", "organisation", "gate", "public")]
        assert set(told["keys"]) == {"creator", "agency", "organisation", "edge"}
        assert [address for address in addresses if not listens(address)] == []
        running.send_signal(number)
        assert running.wait(30) == (-signal.SIGKILL if number == signal.SIGKILL else 0)
        deadline = time.monotonic() + 20
        while any(map(listens, addresses)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert [address for address in addresses if listens(address)] == []
        assert (kept / "limen.db").exists()
    finally:
        running.kill()
        running.wait()
        if running.stdout is not None:
            running.stdout.close()


def test_it_says_what_it_needs(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src" / "limen", tmp_path / "lib" / "limen", ignore=shutil.ignore_patterns("__pycache__"))
    without = command(source=tmp_path / "lib", cwd=tmp_path)
    made = subprocess.run(**without, capture_output=True, timeout=60, check=False)
    assert made.returncode == 3
    assert made.stderr.count("\n") == 1
    assert "make demo" in made.stderr


def test_it_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    made = subprocess.run(**command("--folder", str(tmp_path)), capture_output=True, timeout=60, check=False)
    assert made.returncode == 2
    assert "not empty" in made.stderr

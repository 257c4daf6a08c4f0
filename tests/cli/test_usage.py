"""``limen usage``: what is drawn, in tables and files; decisions as they are made; and what an access log tells."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from limen.app import App
from limen.cli import chart
from limen.control import recording
from limen.core.usage import Decided, Outcome
from limen.core.verdict import OK, SCOPE_MISSING, Ask
from limen.gate.journal import Journal, entries
from limen.profiles import load
from limen.settings import read_settings
from tests.cli.test_run import start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INCARNATION = 0x1BA2DE4F0180
OPERATION = next(each.name for each in load("creator").operations if each.scopes == {"read:self"})


@contextmanager
def installation() -> Iterator[App]:
    """The installation, as another process has it."""
    app = App.open(read_settings())
    try:
        yield app
    finally:
        app.close()


@pytest.fixture
def key(limen) -> str:
    """A key of ``creator`` with six readings of a minute ago, one of them refused, and one of yesterday."""
    made: str = limen.issue()["key"]
    with installation() as app:
        now = app.clock.read()[0]
        entries: list[Any] = [
            Decided(
                n,
                now - 60,
                made.encode(),
                "ok" if n < 6 else "limit_exceeded",
                "GET",
                OPERATION,
                "2025-06-26",
                "/chats",
            )
            for n in range(1, 7)
        ]
        entries += [Outcome(INCARNATION, 1, 200, now, 5_000), Outcome(INCARNATION, 2, 404, now, 9_000)]
        entries.append(Decided(9, now - 90_000, made.encode(), "ok", "GET", "getMe", "2025-06-26", "/users/me"))
        app.act(recording.record, "segment", 1, api="creator", incarnation=INCARNATION, entries=entries)
    return made


@pytest.mark.req("R260", "R261", "R262")
def test_what_was_used_is_drawn_beside_the_time_before(limen, key: str) -> None:
    shown = limen("usage").stdout
    for part in ("6 calls (+500.0 % on the time before)", "50 % succeeded", "by code", "limit_exceeded", OPERATION):
        assert part in shown
    assert any(block in shown for block in "▁▂▃▄▅▆▇█")
    found = limen.json("usage", "--key", key)
    assert (found["totals"]["calls"], found["totals"]["before"]["calls"]) == (6, 1)
    assert sum(point["calls"] for point in found["series"]) == 6
    assert {part["value"] for part in found["codes"]} == {"ok", "limit_exceeded"}
    assert "nobody" in limen("usage", "--owner", "nobody", expect=1).stderr


@pytest.mark.req("R234", "R263", "R275")
def test_each_question_is_answered_in_a_table_and_in_json(limen, key: str) -> None:
    assert limen.json("usage", "totals", "--owner", "u1")["refused"] == 1
    assert "success percent" in limen("usage", "totals").stdout
    assert len(limen.json("usage", "series", "--by", "hour")) in (24, 25, 26)
    assert len(limen("usage", "series", "--by", "day", "--within", "7 d").stdout.splitlines()) >= 9
    (part,) = limen.json("usage", "by", "operation")
    assert (part["value"], part["calls"]) == (OPERATION, 6)
    assert {each["value"] for each in limen.json("usage", "by", "status")} == {"2xx", "4xx", "unknown"}
    assert limen.json("usage", "top", "owner", "--order", "refused")[0]["value"] == "u1"
    (scope,) = limen.json("usage", "scopes", key)
    assert (scope["scope"], scope["used"]) == ("read:self", True)
    assert limen.json("usage", "window", key)[0]["left_at_least"] in (95, 100)
    for words in (("by", "code"), ("top",), ("scopes", key), ("window", key)):
        assert limen("usage", *words).stdout
    problem = limen.problem("usage", "series", "--by", "minute", "--within", "30 d")
    assert "at most 1500" in problem["detail"]


@pytest.mark.check("C121")
def test_a_file_is_written_once(limen, key: str) -> None:
    limen("usage", "export", "usage.csv")
    rows = list(csv.DictReader(io.StringIO(Path("usage.csv").read_text())))
    assert sum(int(row["calls"]) for row in rows) == 6
    assert limen.problem("usage", "export", "usage.csv")["code"] == "file_exists"
    lines = limen("usage", "export", "-", "--format", "jsonl", "--by", "day", "--within", "3 d").stdout.splitlines()
    assert sum(json.loads(line)["calls"] for line in lines) == 7


def test_charts_also_have_no_more_than_ascii() -> None:
    assert chart.sparkline([0, 1, 50, 100], plain=False) == " ▂▅█"
    assert chart.sparkline([0, 1, 50, 100], plain=True) == " .=#"
    assert chart.sparkline([], plain=False) == ""
    assert (chart.bar(0, 8, plain=False), chart.bar(1, 8, plain=False)) == ("", "████████")
    assert (chart.bar(0.001, 8, plain=False), chart.bar(0.001, 8, plain=True)) == ("▏", "#")


def test_on_a_terminal_without_such_characters_it_is_ascii(limen, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path("src").resolve()), "PYTHONIOENCODING": "ascii"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    shown = subprocess.run([sys.executable, "-m", "limen", "usage"], env=environment, capture_output=True, check=True)
    assert shown.stdout.isascii()
    assert b"#" in shown.stdout


# -- decisions as they are made --------------------------------------------------------------------------------------


def _ask(app: App, path: bytes = b"/chats") -> Ask:
    return Ask(None, b"GET", path, b"2025-06-26", b"live", app.clock.read()[0], 0.0, None, "192.0.2.7")


@contextmanager
def following(*words: str) -> Iterator[Callable[[], tuple[dict[str, Any], float]]]:
    """``limen usage follow`` in a process of its own; what it prints next, and when that came."""
    process = start("usage", "follow", "--json", *words)
    assert process.stdout is not None
    out = process.stdout

    def line() -> tuple[dict[str, Any], float]:
        return json.loads(out.readline()), time.time()

    try:
        yield line
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
    finally:
        process.kill()
        process.communicate()


def test_decisions_are_shown_as_they_are_made_and_only_those_that_are_wanted(limen, key: str) -> None:
    with installation() as app:
        journal = Journal(limen.state / "journal" / "creator", "creator", 5, segment_bytes=65_536, segments=8)
        try:
            journal.decision(OK, _ask(app, b"/before"), key.encode(), None, None)
            with following("--owner", "u1", "--path", "/c") as line:
                late = []
                deadline = time.monotonic() + 30
                first = None
                while first is None and time.monotonic() < deadline:  # until it looks
                    journal.decision(OK, _ask(app, b"/other"), key.encode(), None, None)
                    journal.decision(OK, _ask(app, b"/c-first"), key.encode(), None, None)
                    time.sleep(0.3)
                    first = line()[0] if _readable(line) else None
                for number in range(20):
                    made = time.time()
                    journal.decision(SCOPE_MISSING, _ask(app, b"/chats/%d" % number), key.encode(), None, None)
                    journal.decision(OK, _ask(app, b"/chats"), b"nobodyhasit0", None, None)
                    found, at = line()
                    while found["path"] == "/c-first":
                        found, at = line()
                    assert (found["path"], found["code"]) == (f"/chats/{number}", "scope_missing")
                    assert (found["key"], found["owner"], found["address"]) == (key, "u1", "192.0.2.7")
                    late.append(at - made)
            print(f"shown after {sorted(late)[10] * 1_000:.0f} ms, at most {max(late) * 1_000:.0f} ms")
            assert sorted(late)[10] < 0.2
        finally:
            journal.close()


def _readable(line: Callable[..., Any]) -> bool:
    import select

    out = line.__closure__[0].cell_contents  # type: ignore[index]
    return bool(select.select([out], [], [], 0)[0])


def test_a_segment_that_is_drained_meanwhile_is_read_to_its_end(limen, key: str) -> None:
    from limen.cli.follow import Filter, Follower
    from limen.drain import drain

    with installation() as app:
        follower = Follower(app, Filter(code="ok"))
        count = 0
        for _ in range(3):
            journal = Journal(
                limen.state / "journal" / "creator", "creator", 6 + count, segment_bytes=65_536, segments=8
            )
            for _ in range(700):
                assert journal.decision(OK, _ask(app), key.encode(), None, None)
            seen = follower.read()
            journal.decision(OK, _ask(app), key.encode(), None, None)
            journal.close()
            seen += follower.read()
            count += len(seen)
            drain(app)
        assert follower.read() == []
        follower.close()
    assert count == 3 * 701


# -- what an access log tells ----------------------------------------------------------------------------------------


def _log(*lines: tuple[int, int]) -> str:
    """Lines of nginx: number of the reading, and status."""
    form = '192.0.2.1 - - [26/Jun/2026:12:00:00 +0000] "GET /chats HTTP/1.1" {} 5 "-" "x" "{:012x}-{:x}" 0.004\n'
    return "".join(form.format(status, INCARNATION, number) for number, status in lines)


@pytest.mark.req("R264")
def test_an_access_log_tells_how_it_ended_and_read_twice_it_counts_once(limen, key: str) -> None:
    Path("access.log").write_text(
        _log((3, 200), (4, 500)) + "nonsense\n" + _log((5, 201)).replace(f"{INCARNATION:012x}-5", "-")
    )
    found = limen.json("usage", "ingest", "access.log")
    assert (found["lines"], found["outcomes"], found["without_reading"]) == (4, 2, 1)
    (unread,) = found["not_understood"].values()
    assert (unread["count"], unread["first_line"]) == (1, 3)
    Path("access.log").write_text(_log((3, 404), (4, 404)))
    shown = limen("usage", "ingest", "access.log").stdout
    assert "outcomes" in shown
    limen("worker", "--once")
    totals = limen.json("usage", "totals")
    assert (totals["answered"], totals["succeeded"], totals["client_errors"], totals["server_errors"]) == (4, 2, 1, 1)


def test_a_log_of_which_nothing_is_understood_ends_with_1(limen) -> None:
    shown = limen("usage", "ingest", "-", input="one\ntwo\n", expect=1)
    assert "no line of nginx" in shown.stdout


def test_what_is_no_log_that_can_be_read_is_a_wrong_call(limen) -> None:
    assert "nowhere.log is not there" in limen("usage", "ingest", "nowhere.log", expect=2).stderr
    Path("logs").mkdir()
    problem = limen.problem("usage", "ingest", "logs", expect=2)
    assert (problem["code"], "logs is a folder" in problem["detail"]) == ("usage", True)
    assert _told(limen) == 0


def test_a_log_with_nothing_in_it_tells_nothing(limen) -> None:
    Path("access.log").write_text("")
    found = limen.json("usage", "ingest", "access.log")
    assert (found["lines"], found["outcomes"], found["not_understood"]) == (0, 0, {})
    assert limen.json("usage", "ingest", "-", input="")["lines"] == 0


def test_a_log_is_read_as_it_is_packed_and_from_where_it_comes(limen) -> None:
    lines = _log(*((number, 200) for number in range(1, 101))).encode()
    Path("access.log.1.gz").write_bytes(gzip.compress(lines))
    assert limen.json("usage", "ingest", "access.log.1.gz")["outcomes"] == 100
    assert limen.json("usage", "ingest", "-", input=lines)["outcomes"] == 100
    os.mkfifo("pipe")
    process = start("usage", "ingest", "pipe", "--json")
    Path("pipe").write_bytes(lines)
    assert json.loads(process.communicate(timeout=60)[0])["outcomes"] == 100
    problem = limen.problem("usage", "ingest", "access.log.1.gz", "--follow", expect=2)
    assert "packed" in problem["detail"]


@pytest.mark.parametrize("damage", [lambda packed: packed[:-20], lambda packed: packed[:15] + b"x" * len(packed)])
def test_a_packed_log_that_is_damaged_says_so(limen, damage: Callable[[bytes], bytes]) -> None:
    lines = _log(*((number, 200) for number in range(1, 20_001))).encode()
    Path("access.log.gz").write_bytes(damage(gzip.compress(lines)))
    problem = limen.problem("usage", "ingest", "access.log.gz", expect=2)
    assert (problem["code"], "no whole gzip file" in problem["detail"]) == ("usage", True)


def test_lines_that_break_off_or_are_no_text_hold_up_no_others(limen) -> None:
    whole = _log((3, 200), (4, 500)).encode()
    Path("access.log").write_bytes(whole[:70] + b"\n\xff\xfe\x00\n\n" + whole + b'{"status": 200\n' + whole[:-20])
    found = limen.json("usage", "ingest", "access.log")
    assert (found["lines"], found["outcomes"]) == (8, 3)
    assert sum(each["count"] for each in found["not_understood"].values()) == 5


def test_a_log_longer_than_the_journal_is_drained_on_the_way(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMEN_SEGMENT_BYTES", "65536")
    monkeypatch.setenv("LIMEN_SEGMENTS", "2")
    Path("access.log").write_text(_log(*((number, 200) for number in range(1, 5_001))))
    assert limen.json("usage", "ingest", "access.log")["outcomes"] == 5_000
    limen("worker", "--once")
    with installation() as app, app.reading() as reader:
        from sqlalchemy import text

        assert reader.connection.execute(text("select count(*) from outcomes")).scalar() == 5_000


def _told(limen) -> int:
    """How many outcomes the journals hold."""
    segments = (limen.state / "journal" / "outcomes").glob("*.seg")
    return sum(1 for path in segments for _ in entries(path.read_bytes(), 0))


def _until(limen, count: int) -> None:
    deadline = time.monotonic() + 60
    while _told(limen) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _told(limen) == count


def test_a_log_is_followed_over_its_rotation(limen, key: str) -> None:
    log = Path("access.log")
    log.write_text(_log((3, 200)))
    process = start("usage", "ingest", "access.log", "--follow", "--json")
    try:
        _until(limen, 1)
        with log.open("a") as half:
            half.write(_log((4, 200))[:60])
            half.flush()
            time.sleep(0.5)
            half.write(_log((4, 200))[60:])
        log.rename("access.log.1")
        log.write_text(_log((5, 200)))
        _until(limen, 3)
        log.write_text("")
        time.sleep(0.5)
        log.write_text(_log((6, 200)))
        _until(limen, 4)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert (json.loads(out)["outcomes"], json.loads(out)["not_understood"]) == (4, {})

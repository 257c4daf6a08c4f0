"""The journal: what was written is read back whole, nothing else is, and where there is no room it says so."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier, Thread, current_thread
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.control import apis
from limen.core.usage import Decided, Outcome, Tally
from limen.core.verdict import Ask, Code
from limen.core.versions import Version
from limen.drain import decode, drain
from limen.gate import journal as module
from limen.gate.journal import FRAME, HEADER, MAGIC, MAX_METHOD, MAX_PATH, Journal, entries
from limen.profiles import built_in
from tests.gate.scene import NewScene, Scene, changed, python

INCARNATION = 0x0123456789AB
SEGMENT = 65_536
PLACE = b"0123456789AB"


def _ask(path: bytes = b"/chats", method: bytes = b"GET", now: float = 1_800_000_000.5) -> Ask:
    return Ask(None, method, path, None, b"live", now, 0.0)


@pytest.fixture
def new_journal(tmp_path: Path) -> Iterator[Callable[..., Journal]]:
    """Makes journals in one folder, and closes them."""
    made: list[Journal] = []

    def make(incarnation: int = INCARNATION, *, segments: int = 100, segment_bytes: int = SEGMENT) -> Journal:
        folder = tmp_path / "journal"
        made.append(Journal(folder, "creator", incarnation, segment_bytes=segment_bytes, segments=segments))
        return made[-1]

    yield make
    for journal in made:
        if not journal._closed:
            journal.close()


def _files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "journal").glob("*.seg"))


def _read(tmp_path: Path) -> list[tuple[int, bytes]]:
    return [(number, body) for path in _files(tmp_path) for number, body, _ in entries(path.read_bytes(), 0)]


def _fill(journal: Journal, path: bytes = b"/" + b"x" * 1_000) -> int:
    """Write until it is full; how many were written."""
    written = 0
    while journal.decision(Code.OK, _ask(path), PLACE, None, None):
        written += 1
    return written


@pytest.mark.req("R71", "R264")
def test_a_decision_an_outcome_and_a_count_are_read_back_as_they_were(
    new_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = new_journal()
    operation, version = SimpleNamespace(tag=b"listChats"), Version("2025-06-26")
    assert journal.decision(Code.SCOPE_MISSING, _ask(), PLACE, operation, version) == 1
    assert journal.outcome(1, 404, 1_800_000_001.0) == 2
    assert journal.outcome(7, 500, 1_800_000_002.0, incarnation=0, took_us=1_250) == 3
    journal.tallies(30_000_000, {("credential_missing", "", "192.0.2.0/24"): 12})
    assert [decode(number, body) for number, body in _read(tmp_path)] == [
        Decided(1, 1_800_000_000.5, PLACE, "scope_missing", "GET", "listChats", "2025-06-26", "/chats"),
        Outcome(INCARNATION, 1, 404, 1_800_000_001.0),
        Outcome(0, 7, 500, 1_800_000_002.0, 1_250),
        Tally(30_000_000, "credential_missing", "", "192.0.2.0/24", 12),
    ]
    assert journal.reading_id(26) == "0123456789ab-1a"


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from(Code), st.binary(max_size=1_500), st.binary(max_size=40), st.floats(0, 1e10)))
)
def test_whatever_was_asked_is_read_back_up_to_what_is_kept_of_it(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[Code, bytes, bytes, float]]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder / "journal", "creator", INCARNATION, segment_bytes=SEGMENT, segments=100)
    asked = [(code, path.replace(b"_", b"-").replace(b"%", b"-"), *rest) for code, path, *rest in asked]
    numbers = [journal.decision(code, _ask(path, b"GET", now), PLACE, None, None) for code, path, _, now in asked]
    assert numbers == list(range(1, len(asked) + 1))
    journal.close()
    found = [decode(number, body) for number, body in _read(folder)]
    kept = [path[:MAX_PATH].decode("utf-8", "backslashreplace").replace("\0", "\\x00") for _, path, _, _ in asked]
    assert [decided.path for decided in found] == kept
    assert [(decided.code, decided.at) for decided in found] == [(code.slug, now) for code, _, _, now in asked]


def test_a_long_path_and_a_long_method_are_cut(new_journal: Callable[..., Journal], tmp_path: Path) -> None:
    journal = new_journal()
    assert journal.decision(Code.OPERATION_UNKNOWN, _ask(b"/" + b"p" * 1_000_000, b"M" * 1_000_000), PLACE, None, None)
    found = decode(*_read(tmp_path)[0])
    assert (len(found.path), len(found.method)) == (MAX_PATH, MAX_METHOD)
    assert journal.decision(Code.OK, _ask(), PLACE, None, None) == 2


def test_it_goes_on_over_as_many_segments_as_it_needs(new_journal: Callable[..., Journal], tmp_path: Path) -> None:
    journal = new_journal()
    count = 3_000
    for number in range(1, count + 1):
        assert journal.decision(Code.OK, _ask(b"/%d" % number + b"x" * 100), PLACE, None, None) == number
    journal.close()
    assert len(_files(tmp_path)) > 5
    found = [decode(number, body) for number, body in _read(tmp_path)]
    assert [decided.number for decided in found] == list(range(1, count + 1))
    assert all(decided.path.startswith(f"/{decided.number}x") for decided in found)


def test_every_segment_says_whose_it_is(new_journal: Callable[..., Journal], tmp_path: Path) -> None:
    journal = new_journal()
    for _ in range(1_500):
        journal.decision(Code.OK, _ask(b"/" + b"x" * 100), PLACE, None, None)
    journal.close()
    headers = [HEADER.unpack_from(path.read_bytes()) for path in _files(tmp_path)]
    assert {(magic, incarnation, api.rstrip(b"\0")) for magic, incarnation, _, api in headers} == {
        (MAGIC, INCARNATION, b"creator")
    }
    numbers = [number for _, _, number, _ in headers]
    assert numbers == [int(path.stem.rpartition("-")[2]) for path in _files(tmp_path)]


def test_threads_write_every_entry_once_and_no_number_twice(
    new_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal, at_once, each = new_journal(segments=1_000), 8, 1_000
    barrier, numbers = Barrier(at_once), [[] for _ in range(at_once)]

    def write(mine: list[int], who: int) -> None:
        barrier.wait()
        for count in range(each):
            mine.append(journal.decision(Code.OK, _ask(b"/%d/%d/" % (who, count) + b"x" * 200), PLACE, None, None))

    threads = [Thread(target=write, args=(mine, who)) for who, mine in enumerate(numbers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert sorted(number for mine in numbers for number in mine) == list(range(1, at_once * each + 1))
    found = {decided.number: decided.path for decided in (decode(*entry) for entry in _read(tmp_path))}
    assert len(found) == at_once * each
    for who, mine in enumerate(numbers):
        assert [found[number].startswith(f"/{who}/{count}/x") for count, number in enumerate(mine)] == [True] * each


def test_when_too_many_segments_wait_it_says_so_until_one_was_drained(
    new_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = new_journal(segments=3)
    written = _fill(journal)
    assert len(_files(tmp_path)) == 3
    assert [journal.decision(Code.OK, _ask(), PLACE, None, None) for _ in range(3)] != []
    assert len(_read(tmp_path)) >= written
    last = _read(tmp_path)[-1][0]
    while journal.decision(Code.OK, _ask(), PLACE, None, None):
        last += 1
    _files(tmp_path)[0].unlink()
    assert journal.decision(Code.OK, _ask(), PLACE, None, None) == last + 1


def test_a_new_journal_where_too_many_segments_wait_records_nothing_until_one_was_drained(
    new_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    _fill(new_journal(segments=2))
    waiting = _files(tmp_path)
    second = new_journal(INCARNATION + 1, segments=2)
    assert [second.decision(Code.OK, _ask(), PLACE, None, None) for _ in range(3)] == [0] * 3
    assert _files(tmp_path) == waiting
    waiting[0].unlink()
    assert second.decision(Code.OK, _ask(), PLACE, None, None) == 1


def test_closed_it_writes_no_more_and_keeps_what_was_written(
    new_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = new_journal()
    journal.decision(Code.OK, _ask(), PLACE, None, None)
    journal.close()
    assert journal.decision(Code.OK, _ask(), PLACE, None, None) == 0
    assert journal.outcome(1, 200, 0.0) == 0
    assert len(_files(tmp_path)) == 1, "what was only made ahead is gone"
    assert [number for number, _ in _read(tmp_path)] == [1]


@pytest.mark.parametrize("late_s", [0.0, 0.002, 0.02])
def test_segments_are_used_in_their_order_however_late_the_one_made_ahead_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late_s: float
) -> None:
    """The writer needs one before it is done, and the journal closes while another is under way: nothing is lost."""
    make = Journal._make

    def slowly(journal: Journal) -> Any:
        time.sleep(late_s if current_thread().name == "limen-journal" else 0)
        return make(journal)

    monkeypatch.setattr(Journal, "_make", slowly)
    journal = Journal(tmp_path / "journal", "creator", INCARNATION, segment_bytes=SEGMENT, segments=100)
    written = [journal.decision(Code.OK, _ask(b"/" + b"x" * 1_000), PLACE, None, None) for _ in range(500)]
    journal.close()
    assert [number for number, _ in _read(tmp_path)] == written == list(range(1, 501))
    assert len(_files(tmp_path)) == -(-500 // (SEGMENT // 1_065))


def test_a_drain_never_takes_a_segment_that_is_being_made_for_one_that_is_finished(
    new_journal: Callable[..., Journal], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drain removes what it can lock and has read. It comes in the moment before the writer locks its new file."""
    flock = fcntl.flock
    drained: list[int] = []

    def drained_first(file: int, how: int) -> None:
        for path in _files(tmp_path):
            with path.open("rb") as other:
                try:
                    flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                drained.extend(number for number, _, _ in entries(other.read(), 0))
                path.unlink()
        flock(file, how)

    monkeypatch.setattr(module.fcntl, "flock", drained_first)
    journal, count = new_journal(), 1_000
    for _ in range(count):
        assert journal.decision(Code.OK, _ask(b"/" + b"x" * 200), PLACE, None, None)
    journal.close()
    drained += [number for number, _ in _read(tmp_path)]
    assert drained == list(range(1, count + 1))


def test_a_segment_is_locked_for_as_long_as_its_writer_lives(
    new_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = new_journal()
    journal.decision(Code.OK, _ask(), PLACE, None, None)

    def lockable(path: Path) -> bool:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    assert not any(lockable(path) for path in _files(tmp_path))
    journal.close()
    assert all(lockable(path) for path in _files(tmp_path))


def test_an_entry_that_is_not_wholly_there_ends_the_segment(
    new_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = new_journal()
    for number in range(5):
        journal.decision(Code.OK, _ask(b"/%d" % number), PLACE, None, None)
    journal.close()
    whole = _files(tmp_path)[0].read_bytes()
    ends = [behind for _, _, behind in entries(whole, 0)]
    for cut in range(HEADER.size, ends[-1] + 1):
        torn = whole[:cut] + bytes(len(whole) - cut)
        left = [number for number, _, _ in entries(torn, 0)]
        assert left == list(range(1, 1 + sum(end <= cut for end in ends)))
        short = [number for number, _, _ in entries(whole[:cut], 0)]
        assert short == left


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_is_never_read_as_an_entry(
    new_journal: Callable[..., Journal], tmp_path: Path, mask: int
) -> None:
    journal = new_journal()
    for number in range(5):
        journal.decision(Code.OK, _ask(b"/%d" % number), PLACE, None, None)
        journal.outcome(number, 200, 1.0)
    journal.close()
    whole = _files(tmp_path)[0].read_bytes()
    true = list(entries(whole, 0))
    for place in range(HEADER.size, true[-1][2]):
        flipped = whole[:place] + bytes([whole[place] ^ mask]) + whole[place + 1 :]
        before = [entry for entry in true if entry[2] <= place]
        assert list(entries(flipped, 0)) == before, f"byte {place}"


@pytest.mark.parametrize("content", [b"", bytes(10), bytes(HEADER.size), bytes(SEGMENT), b"\xff" * SEGMENT])
def test_what_is_no_segment_holds_no_entry(content: bytes) -> None:
    assert list(entries(content, 0)) == []


def test_reading_goes_on_where_it_left_off(new_journal: Callable[..., Journal], tmp_path: Path) -> None:
    journal = new_journal()
    journal.decision(Code.OK, _ask(), PLACE, None, None)
    segment = _files(tmp_path)[0]
    ((_, _, behind),) = entries(segment.read_bytes(), 0)
    assert list(entries(segment.read_bytes(), behind)) == []
    journal.decision(Code.OK, _ask(), PLACE, None, None)
    assert [number for number, _, _ in entries(segment.read_bytes(), behind)] == [2]


def test_an_entry_that_fills_its_segment_to_the_last_byte_is_read(tmp_path: Path) -> None:
    body = b"x" * (SEGMENT - HEADER.size - FRAME.size)
    journal = Journal(tmp_path / "journal", "creator", INCARNATION, segment_bytes=SEGMENT, segments=2)
    assert journal._append(body) == 1
    assert journal._append(b"y") == 2
    journal.close()
    assert _read(tmp_path) == [(1, body), (2, b"y")]


@pytest.mark.req("R71")
def test_a_gate_whose_journal_is_full_admits_nobody_until_it_was_drained(new_scene: NewScene) -> None:
    scene = new_scene(segments=2)
    text, path = scene.key(), "GET /" + "x" * 1_000
    decided = 0
    while scene.code(text, path) != "unavailable":
        decided += 1
    while scene.code(text) == "ok":
        decided += 1
    assert [scene.code(text) for _ in range(3)] == ["unavailable"] * 3
    assert scene.code(None) == "credential_missing", "strangers take no room"
    assert len(scene.entries()) == decided
    assert drain(scene.app) == decided
    assert scene.soon("ok", text, later=60)
    assert scene.rows("select count(*) from readings") == [(decided + 1,)]


@pytest.mark.req("R71")
def test_only_limens_own_gate_decides_with_a_full_journal(new_scene: NewScene) -> None:
    """Else a full journal would keep out whoever could make room for it."""
    scene = new_scene(segments=2)
    gate, text, path = scene.house.gate, scene.key(), "GET /" + "x" * 1_000
    while scene.code(text, path) != "unavailable":
        pass
    while gate.journal.outcome(1, 200, 0.0):
        pass
    assert (scene.code(text), gate.must_record) == ("unavailable", True)
    gate.must_record = False
    verdict = scene.verdict(text)
    assert (verdict.code, verdict.reading) == (Code.OK, 0)
    assert scene.code(text, "GET /nowhere") == "operation_unknown"
    scene.app.act(apis.ensure_built_in, built_in())
    assert scene.app.gate("limen").gate.must_record is False


@pytest.mark.req("R264")
def test_what_was_admitted_finds_room_for_its_outcome_and_what_was_not_spends_no_limit(new_scene: NewScene) -> None:
    scene = new_scene(changed(limits__default="100000 per 60 s"), segments=2)
    text, journal = scene.key(), scene.house.gate.journal
    admitted = [scene.verdict(text)]
    while admitted[-1].admitted:
        admitted.append(scene.verdict(text))
    *admitted, refused = admitted
    assert refused.code is Code.UNAVAILABLE
    assert [scene.code(text) for _ in range(10)] == ["unavailable"] * 10
    for verdict in admitted[-100:]:  # as many as could be on their way
        assert journal.outcome(verdict.reading, 200, 0.0)
    assert drain(scene.app) == len(admitted) + 100
    assert scene.soon("ok", text)
    assert scene.verdict(text).remaining == 100_000 - len(admitted) - 2


FULL = """
import sys
from pathlib import Path
from limen.drain import drain
from tests.gate.scene import Scene

scene = Scene(Path(sys.argv[1]))
text = scene.key()
scene.code(text)
{prepare}
decided, codes = 1, set()
for _ in range(20_000):
    code = scene.code(text, "GET /" + "x" * 1_000)
    if code == "unavailable":
        break
    decided += 1
assert code == "unavailable", code
assert len(scene.entries()) == decided, (len(scene.entries()), decided)
{relieve}
assert drain(scene.app) == decided
assert scene.soon("ok", text, later=60)
assert scene.rows("select count(*) from readings") == [(decided + 1,)]
scene.close()
print("held", decided)
"""
_DISK = """
import os
state = scene.settings.state_folder / "journal" / scene.api
ballast = state.parent / "ballast"
with ballast.open("wb") as file:  # somebody else's files fill the disk, but for two more segments
    room = os.statvfs(state)
    os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - 150_000)
"""
_FILE_SIZE = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
"""


def _whole_run(script: str, folder: Path, before: list[str]) -> str:
    process = python(script, str(folder), before=before)
    out, error = process.communicate(timeout=100)
    assert process.returncode == 0, error
    return out


def test_a_full_disk_is_met_when_a_segment_is_made_and_never_inside_an_entry(tmp_path: Path) -> None:
    """A real one: the process has a mount of its own with 4 MB, which goes with it."""
    mount = tmp_path / "disk"
    mount.mkdir()
    shell = f"mount -t tmpfs -o size=4m limen '{mount}' && exec \"$@\""
    before = ["unshare", "--map-root-user", "--mount", "sh", "-c", shell, "sh"]
    tried = python("", before=before)
    tried.communicate(timeout=30)
    if tried.returncode != 0:
        pytest.skip("this machine lets nobody mount a file system of their own")
    out = _whole_run(FULL.format(prepare=_DISK, relieve="ballast.unlink()"), mount, before)
    assert out.startswith("held ")


def test_files_that_may_not_grow_are_a_full_disk_too(tmp_path: Path) -> None:
    """For machines on which nothing can be mounted: the kernel refuses the new segment for its size."""
    lift = "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))"
    assert _whole_run(FULL.format(prepare=_FILE_SIZE, relieve=lift), tmp_path, []).startswith("held ")


KILLED = """
import os, sys
from pathlib import Path
from tests.gate.scene import Scene

scene = Scene(Path(sys.argv[1]))
text = scene.key()
print(text.decode(), flush=True)
while True:
    verdict = scene.verdict(text, later=0.0)
    os.write(1, b"%d\\n" % verdict.reading)
"""


def test_kill_9_loses_no_decision_whose_answer_has_left(tmp_path: Path) -> None:
    process = python(KILLED, str(tmp_path))
    assert process.stdout is not None
    text = process.stdout.readline().strip()
    answered = [int(process.stdout.readline()) for _ in range(2_000)]
    os.kill(process.pid, signal.SIGKILL)
    out, error = process.communicate(timeout=30)
    answered += [int(line) for line in out.splitlines()]
    assert text.startswith("fvak_"), error
    folder = tmp_path / "limen.db.state" / "journal" / "creator"
    written = [number for path in sorted(folder.glob("*.seg")) for number, _, _ in entries(path.read_bytes(), 0)]
    assert set(answered) <= set(written)
    assert written == list(range(1, len(written) + 1))


def test_what_a_process_that_was_killed_left_unfinished_is_cleared_away(
    new_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "000000000001-000002.new").write_bytes(bytes(100))
    new_journal()
    assert [path.suffix for path in (tmp_path / "journal").iterdir() if path.suffix == ".new"] == []


def test_two_processes_never_give_a_reading_the_same_name(scene: Scene) -> None:
    text = scene.key()
    first = scene.house.gate.journal.reading_id(scene.verdict(text).reading)
    scene.app.close()
    again = scene.house.gate.journal.reading_id(scene.verdict(text).reading)
    assert first.rpartition("-")[2] == again.rpartition("-")[2]
    assert first != again

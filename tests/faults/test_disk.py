"""A full disk, a journal that nobody drains, a database that cannot be written: refused, said, and nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from limen.app import App
from limen.control import keys
from limen.core.problems import StoreDown
from limen.settings import read_settings
from tests.faults.conftest import Install
from tests.faults.contest import API
from tests.faults.disks import Disk, Mounts
from tests.faults.installation import GATE, Installation, Server
from tests.faults.processes import wait_until
from tests.faults.wire import Answer, request

SEGMENT_BYTES = 65_536
MOST = 5_000
"""More decisions than a few segments hold."""


class Caller:
    """Asks with one key, each time for a path of its own, and remembers what it was told."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        installation.owner("o1", api=API)
        self.issued = installation.key("o1", "read:experiences", api=API)
        self.told: dict[str, str] = {}
        self.asked = 0

    def ask(self, server: Server) -> Answer:
        """One request; its answer is 200 with a reading, or a refusal without one."""
        self.asked += 1
        path = f"/experiences/{self.asked}"
        told = [("x-forwarded-method", "GET"), ("x-forwarded-uri", f"/v1{path}")]
        sent = request("GET", f"/gate/auth/{API}", [("authorization", f"Bearer {self.issued.text}"), *told])
        answer = server.lines[0].ask(sent)
        if answer.status == 200:
            self.told[path] = answer.header("limen-reading")
        return answer

    def until(self, server: Server, status: int) -> Answer:
        """Ask until the answer is *status*."""
        for _ in range(MOST):
            answer = self.ask(server)
            if answer.status == status:
                return answer
            assert answer.status in (200, 401, 503), answer
        raise AssertionError(f"{MOST} requests, and none was answered with {status}")

    def unrecorded(self) -> list[str]:
        """What was admitted and is not in the readings once, under the id that was told; or is there and was not."""
        found = self.installation.recorded("/experiences/")
        named = {path: [each.reading for each in recorded if each.code == "ok"] for path, recorded in found.items()}
        wanted = {path: [reading] for path, reading in self.told.items()}
        return [path for path in named | wanted if named.get(path, []) != wanted.get(path, [])]


def serve(installation: Installation, build: str = "") -> Server:
    """A gate's server, with a line to it."""
    server = installation.serve(f"tests.faults.builds:{build}" if build else GATE).ready()
    server.line()
    return server


def refused_as_unavailable(answer: Answer) -> None:
    """What a caller is told where no decision can be recorded."""
    assert answer.status == 503
    assert b'"code": "unavailable"' in answer.body
    assert int(answer.header("retry-after")) >= 1


def half_written(installation: Installation) -> list[str]:
    """Segments of another size than a segment's, and what was begun and is no segment."""
    folder = installation.settings.state_folder / "journal" / API
    return [each.name for each in folder.iterdir() if each.suffix != ".seg" or each.stat().st_size != SEGMENT_BYTES]


def full_journal(caller: Caller, server: Server) -> None:
    """A journal that nobody drains refuses when it is full, and admits when it is not."""
    installation = caller.installation
    for _ in range(3):
        refused_as_unavailable(caller.until(server, 503))
        refused_as_unavailable(caller.ask(server))
        assert installation.drain() > 0
        caller.until(server, 200)
    assert len(caller.told) > 2 * 3 * 300
    server.kill()
    installation.drain_all(installation.segments())
    assert caller.unrecorded() == []


def full_disk(caller: Caller, server: Server, disk: Disk) -> None:
    """A full disk stops the gate once its segments are full, loses nothing, and is got over."""
    installation = caller.installation
    caller.until(server, 200)
    disk.fill()
    refused_as_unavailable(caller.until(server, 503))
    assert half_written(installation) == []
    for _ in range(20):
        refused_as_unavailable(caller.ask(server))
    assert len(caller.told) > 300
    disk.empty()
    caller.until(server, 200)
    assert half_written(installation) == []
    server.kill()
    installation.drain_all(installation.segments())
    assert caller.unrecorded() == []


def test_a_full_journal_refuses_and_loses_nothing(install: Install) -> None:
    caller = Caller(install(segments="2", segment_bytes=str(SEGMENT_BYTES)))
    full_journal(caller, serve(caller.installation))
    print(f"{caller.asked} requests, {len(caller.told)} admitted and recorded")


def test_a_journal_that_drops_what_finds_no_room_is_caught(install: Install) -> None:
    caller = Caller(install(segments="2", segment_bytes=str(SEGMENT_BYTES)))
    server = serve(caller.installation, "dropping_journal")
    with pytest.raises(AssertionError, match="none was answered with 503"):
        full_journal(caller, server)


def test_a_full_disk_stops_the_gate_and_loses_nothing(mounts: Mounts, install: Install) -> None:
    disk = mounts.disk(1_024)
    caller = Caller(install(state=str(disk.folder / "state"), segment_bytes=str(SEGMENT_BYTES)))
    full_disk(caller, serve(caller.installation), disk)
    print(f"{caller.asked} requests, {len(caller.told)} admitted and recorded")


def test_segments_without_room_of_their_own_are_caught(mounts: Mounts, install: Install) -> None:
    disk = mounts.disk(1_024)
    caller = Caller(install(state=str(disk.folder / "state"), segment_bytes=str(SEGMENT_BYTES)))
    server = serve(caller.installation, "sparse_segments")
    with pytest.raises(ConnectionError):  # the server met the disk's end inside its map, and is no more
        full_disk(caller, server, disk)


def test_a_gate_that_starts_on_a_full_disk_refuses_until_there_is_room(mounts: Mounts, install: Install) -> None:
    disk = mounts.disk(512)
    installation = install(state=str(disk.folder / "state"), segment_bytes=str(SEGMENT_BYTES))
    caller = Caller(installation)
    disk.fill()
    server = serve(installation)
    refused_as_unavailable(caller.ask(server))
    disk.empty()
    wait_until(lambda: caller.ask(server).status == 200, "an admission once there is room")
    server.kill()
    installation.drain_all(installation.segments())
    assert caller.unrecorded() == []


@pytest.mark.check("C030")
def test_a_revocation_that_finds_no_room_says_so_and_has_not_happened(
    mounts: Mounts, install: Install, tmp_path: Path
) -> None:
    disk = mounts.disk(2_048)
    installation = install(database_url=f"sqlite:///{disk.folder / 'limen.db'}", state=str(tmp_path / "state"))
    caller, server, hand = Caller(installation), serve(installation), installation.hand()
    key = caller.issued.key.key
    caller.until(server, 200)
    hand.do("allow", "o1", API)
    disk.fill()
    for _ in range(3):
        answer = hand.do("revoke", key)
        assert (answer["problem"], "full" in answer["detail"]) == ("store_down", True)
    assert caller.ask(server).status == 200
    assert installation.state(key) == "active"
    with pytest.raises(StoreDown, match="full"):
        installation.drain()
    disk.empty()
    assert "problem" not in hand.do("revoke", key)
    assert caller.ask(server).status == 401
    server.kill()
    installation.drain_all(installation.segments())
    assert caller.unrecorded() == []


@pytest.mark.check("C030")
def test_a_database_that_can_only_be_read_still_decides_and_says_what_it_cannot_do(
    mounts: Mounts, install: Install, tmp_path: Path
) -> None:
    installation = install(state=str(tmp_path / "state"), pepper_file=str(tmp_path / "pepper"))
    caller, writable = Caller(installation), dict(installation.environment)
    key = caller.issued.key.key
    seen = mounts.read_only(installation.folder) / "limen.db"
    installation.environment["LIMEN_DATABASE_URL"] = f"sqlite:///{seen}"
    server, hand = serve(installation), installation.hand()
    assert caller.ask(server).status == 200
    answer = hand.do("revoke", key)
    assert (answer["problem"], "readonly" in answer["detail"]) == ("store_down", True)
    assert caller.ask(server).status == 200
    installation.app.act(keys.revoke, key)  # by one who can write it: the gate sees that it can only read
    assert caller.ask(server).status == 401
    server.kill()
    hand.kill()
    installation.app.close()

    def nobody_writes() -> bool:
        App.open(read_settings(writable)).close()  # the last one to leave takes the write-ahead log along
        return not (installation.folder / "limen.db-wal").exists()

    wait_until(nobody_writes, "the last one to leave")
    with pytest.raises(StoreDown, match="unable to open"):
        App.open(read_settings(installation.environment))
    installation.app = App.open(read_settings(writable))
    installation.drain_all(installation.segments())
    assert caller.unrecorded() == []

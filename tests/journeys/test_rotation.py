"""The pepper is changed under load: added, wrapped, retired, while every key is asked for; nobody is refused once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from limen.core.profile import Profile
from tests.faults.processes import wait_until
from tests.faults.wire import Line, request
from tests.journeys.stage import PATIENCE_S, VERSION, Stage

KEYS, LATER = 30, 5
PLENTY = "1000000 per 60 s"


@pytest.fixture
def house(tmp_path: Path, altered: Callable[..., Profile]) -> Iterator[Stage]:
    """A server over an API of many keys an owner."""
    with Stage(tmp_path, {"creator": altered("creator", {"keys.max_active_per_owner": "unlimited"})}) as made:
        yield made.open()
        made.shut()


def _asking(house: Stage, texts: list[str], rounds: list[int], stop: Event) -> Counter[int]:
    """The statuses of the gate, asked for all of *texts* in turn until *stop*. More may join them meanwhile.

    How many they were is added to *rounds* after each.
    """
    told = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/chats"), ("x-fanvue-api-version", VERSION)]
    seen, line = Counter[int](), Line(house.gate_port)
    try:
        while not stop.wait(0.01):  # the commands, too, are to get on
            for text in list(texts):
                asked = request("GET", "/gate/auth/creator", [*told, ("x-fanvue-api-key", text)])
                seen[line.ask(asked).status] += 1
            rounds.append(len(texts))
    finally:
        line.close()
    return seen


def _managing(house: Stage, stop: Event) -> Counter[int]:
    """The statuses of the management API, asked by staff until *stop*, with the key that ``limen init`` made."""
    seen = Counter[int]()
    while not stop.wait(0.2):
        seen[house.staff("GET", "/me").status_code] += 1
    return seen


@pytest.mark.timeout(240)
@pytest.mark.req("R47", "R66")
@pytest.mark.check("C004", "C006", "C031")
def test_the_pepper_is_rotated_and_nobody_is_refused(house: Stage) -> None:
    owner = house.user()
    house.staff.do("PUT", f"/owners/{owner}/standings/creator", {"limits": PLENTY})
    texts = [house.issue(owner, "read:chat")["text"] for _ in range(KEYS)]
    asleep = house.issue(owner, "read:chat")["text"]
    rounds, stop = list[int](), Event()
    with ThreadPoolExecutor(3) as others:
        asking = [others.submit(_asking, house, texts, rounds, stop) for _ in range(2)]
        managing = others.submit(_managing, house, stop)
        try:
            assert house.json("pepper", "add")["version"] == 2
            texts += [house.issue(owner, "read:chat")["text"] for _ in range(LATER)]
            house.json("pepper", "wrap")
            assert not house.rows("select key from keys where pepper <> 2")

            # A key that nobody has used since needs both: the old one stays until it was asked for.
            wait_until(lambda: _needing_both(house) == 1, "every key that is used to be stored anew", PATIENCE_S)
            kept = house.run("pepper", "retire", "1", "--yes")
            assert (kept.returncode, "Traceback" in kept.stderr) == (1, False)
            texts.append(asleep)
            wait_until(lambda: _needing_both(house) == 0, "the last key to be stored anew", PATIENCE_S)
            house.json("pepper", "retire", "1", "--yes")
            rounds.clear()
            wait_until(lambda: len(rounds) > 4, "some rounds after it", PATIENCE_S)
        finally:
            stop.set()
        seen = sum((each.result(PATIENCE_S) for each in asking), Counter[int]())
        managed = managing.result(PATIENCE_S)
    print(f"while the pepper was rotated: {dict(seen)} at the gate, {dict(managed)} at the management API")
    assert (set(seen), set(managed)) == ({200}, {200})
    assert seen[200] > 10 * len(texts)
    assert [each["version"] for each in house.json("pepper", "list")["peppers"]] == [2]


def _needing_both(house: Stage) -> int:
    """How many keys are stored wrapped: under the old pepper, and that under the new one."""
    ((count,),) = house.rows("select count(*) from keys where scheme <> 'b2'")
    return int(count)

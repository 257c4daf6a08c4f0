"""Those who come without a key: whatever they send, and however often, nobody else waits for it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import httpx2
import pytest

from limen.control import keys
from limen.core.problems import ProblemError
from limen.http import beside
from limen.http.beside import THREADS
from tests.http.v1.house import Caller, House

JSON = {"Content-Type": "application/json"}
PEER = "203.0.113.77"


@pytest.fixture
def stranger(house: House) -> Caller:
    """Somebody without a key, whom nobody has heard of yet."""
    house.app.attempts._failed.clear()
    return house.stranger(peer=PEER)


async def _longest_stall_s(sent: Any) -> float:
    """For how long at most the event loop did nothing else while something was sent."""
    longest, last, task = 0.0, time.perf_counter(), asyncio.create_task(sent)
    while not task.done():
        await asyncio.sleep(0)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    await task
    return longest


NOTHINGS = b"[" + b",".join([b"[]"] * 349_000) + b"]"
STRANGE = b"{" + b",".join(b'"%x":0' % number for number in range(26_000)) + b"}"


@pytest.mark.check("C055")
@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/leaked-keys/github", NOTHINGS, "not_found"),
        ("/leaked-keys", STRANGE, "request_malformed"),
        ("/leaked-keys", b'{"keys":[' + b",".join([b"[]"] * 80_000) + b"]}", "request_malformed"),
        ("/self-revoke", STRANGE, "request_too_large"),
        ("/self-revoke", STRANGE[:4_000] + b"0}", "request_malformed"),
    ],
    ids=["an alert nobody takes", "strange names", "no objects", "too much", "small"],
)
async def test_what_is_sent_without_a_key_does_not_hold_up_others(
    stranger: Caller, path: str, body: bytes, code: str
) -> None:
    answers: list[httpx2.Response] = []

    async def sent() -> None:
        answers.append(await stranger("POST", path, content=body, headers=JSON))

    stalls = [await _longest_stall_s(sent()) for _ in range(3)]
    assert min(stalls) < 0.15  # of three, for what else this machine does; it was half a second, and more
    assert (answers[0].json()["code"], len(answers[0].content) < 2_000) == (code, True)


async def test_of_many_undocumented_members_one_mistake_is_made(stranger: Caller) -> None:
    problem = await stranger.refused("request_malformed", "POST", "/leaked-keys", content=STRANGE, headers=JSON)
    said = {"path": "body", "found": "a member that is not documented", "allowed": "documented members alone"}
    assert problem["errors"] == [said]


async def test_as_much_is_read_as_a_report_may_hold_and_of_a_key_no_more_than_that(stranger: Caller) -> None:
    largest = {"keys": [{"text": "a" * 1_000, "url": "https://example.com/" + "b" * 1_980}] * 100}
    assert (await stranger("POST", "/leaked-keys", largest)).status_code == 202
    await stranger.refused("request_too_large", "POST", "/self-revoke", {"key": "a" * 4_096})


@pytest.mark.req("R28")
@pytest.mark.parametrize("method", ["self-revoke", "leaked-keys"])
async def test_of_a_key_that_has_ended_nothing_is_written_and_nobody_waits(
    house: House, stranger: Caller, method: str
) -> None:
    held = house.key(house.user())
    sent = {"key": held.text} if method == "self-revoke" else {"keys": [{"text": held.text}]}
    assert (await stranger("POST", f"/{method}", sent)).status_code in (202, 204)
    before = house.commits
    with house.writing():
        answer = await asyncio.wait_for(stranger("POST", f"/{method}", sent), 5)
    assert answer.status_code in (202, 204)
    assert house.commits == before


async def test_a_deleted_key_is_asked_of_no_writer_either(house: House, stranger: Caller) -> None:
    held = house.key(house.user())
    house.app.act(keys.delete, held.key.key)
    with house.writing():
        for path, sent in (("/self-revoke", {"key": held.text}), ("/leaked-keys", {"keys": [{"text": held.text}]})):
            assert (await asyncio.wait_for(stranger("POST", path, sent), 5)).status_code in (202, 204)


async def test_who_goes_on_ending_one_key_is_answered_later_too(house: House, stranger: Caller) -> None:
    held = house.key(house.user())
    for _ in range(3):
        await stranger.do("POST", "/self-revoke", {"key": held.text})
    assert house.app.attempts._failed[PEER] == 3


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/self-revoke", b"{"),
        ("POST", "/leaked-keys", b"{}"),
        ("POST", "/leaked-keys/github", b"[]"),
        ("GET", "/openapi.json?surprise=1", b""),
    ],
)
async def test_what_is_refused_of_a_public_operation_is_an_attempt(
    house: House, stranger: Caller, method: str, path: str, body: bytes
) -> None:
    answer = await stranger(method, path, content=body, headers=JSON if body else {})
    assert 400 <= answer.status_code < 500
    assert house.app.attempts._failed[PEER] == 1


async def test_too_many_attempts_are_told_so_before_anything_is_read(
    house: House, stranger: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> bool:
        return False

    monkeypatch.setattr(type(house.app.attempts), "hold", full)
    held = house.key(house.user())
    for path, sent in (
        ("/self-revoke", {"key": held.text}),
        ("/leaked-keys", {"keys": [{"text": held.text}]}),
        ("/openapi.json?surprise=1", None),
    ):
        answer = await stranger("POST" if sent else "GET", path, sent)
        assert (answer.status_code, answer.json()["code"]) == (429, "attempts_exceeded")
    assert house.rows("select state from keys where key = ?", held.key.key) == [("active",)]


async def test_while_strangers_wait_for_a_writer_the_others_are_answered(house: House, stranger: Caller) -> None:
    held = [house.key(house.user()) for _ in range(12)]
    with house.writing():
        waiting = [asyncio.create_task(stranger("POST", "/self-revoke", {"key": each.text})) for each in held]
        await asyncio.sleep(0.2)
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(house.public, client=("127.0.0.1", 1)), base_url="https://limen.example"
        )
        ready = await asyncio.wait_for(client.get("/readyz"), 3)
        assert (ready.status_code, len(held) > THREADS) == (200, True)
    assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {204}


async def test_what_waits_has_a_bound(house: House, stranger: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "WAITING", 2)
    held = [house.key(house.user()) for _ in range(4)]
    with house.writing():
        waiting = [asyncio.create_task(stranger("POST", "/self-revoke", {"key": each.text})) for each in held]
        await asyncio.sleep(0.2)
        done = [task for task in waiting if task.done()]
        assert len(done) == 2
    answers = await asyncio.gather(*waiting)
    assert sorted(answer.status_code for answer in answers) == [204, 204, 503, 503]
    assert {task.result().json()["code"] for task in done} == {"unavailable"}


async def test_who_leaves_makes_no_room_for_more() -> None:
    outside, held = beside.Outside(), threading.Event()
    waiting = [asyncio.create_task(outside.run(held.wait)) for _ in range(beside.WAITING)]
    await asyncio.sleep(0.05)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    try:
        with pytest.raises(ProblemError, match="Too much"):
            await outside.run(held.is_set)
    finally:
        held.set()
    for _ in range(100):
        if not outside._inside:
            break
        await asyncio.sleep(0.02)
    assert await outside.run(held.is_set)

"""Who tries keys at a Guard is slowed; who has a good one is not, from the same address either."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable

import pytest

from limen.gate.strangers import FREE, LONGEST_S, SHARE
from limen.guard.asgi import Guard
from tests.gate.scene import VERSION, NewScene, noise
from tests.guard.conftest import Header
from tests.guard.served import Answered, ask, plain, profile

ROUNDS = 200


def sent(key: bytes) -> list[Header]:
    """The headers of a request with *key*."""
    return [(b"x-fanvue-api-key", key), (b"x-fanvue-api-version", VERSION.encode())]


async def timed(answer: Awaitable[Answered]) -> tuple[Answered, float]:
    """An answer, and the seconds that it took."""
    began = time.perf_counter()
    return await answer, time.perf_counter() - began


@pytest.mark.req("R100")
@pytest.mark.parametrize("credential", ["unknown", "malformed", "wrong secret", "two"])
async def test_failed_attempts_get_slow_and_a_good_key_from_there_does_not(
    guard: Guard, headers: list[Header], credential: str
) -> None:
    key = headers[0][1]
    wrong = {
        "unknown": sent(next(noise(1))),
        "malformed": sent(b"fvak_noise"),
        "wrong secret": sent(key[:17] + next(noise(1))[17:]),
        "two": [*sent(key), headers[0]],
    }[credential]
    *_, first = [await ask(guard, headers=wrong) for _ in range(FREE)]
    answer, held_s = await timed(ask(guard, headers=wrong))
    assert (answer.status, answer.body["code"]) == (first.status, first.body["code"])
    assert held_s >= 0.05
    assert await counted(guard, headers) == (200, 0)
    assert await counted(guard, headers[1:]) == (401, 0)  # no key at all is no attempt
    assert await counted(guard, wrong) == (first.status, 1)


async def counted(guard: Guard, headers: list[Header]) -> tuple[int, int]:
    """The status of one request, and how many failed attempts it was counted as."""
    attempts = guard._post.limen.attempts  # type: ignore[union-attr]  # it is open
    before = attempts._failed.total()
    return (await ask(guard, headers=headers)).status, attempts._failed.total() - before


async def test_what_is_held_holds_up_neither_a_good_key_nor_another_address(
    guard: Guard, headers: list[Header]
) -> None:
    for _ in range(FREE):
        await ask(guard, headers=sent(b"noise"))
    guard._post.limen.attempts._failed["127.0.0.1"] = FREE * 8  # type: ignore[union-attr]
    waiting = asyncio.create_task(timed(ask(guard, headers=sent(b"noise"))))
    await asyncio.sleep(0)
    assert (await ask(guard, headers=headers)).status == 200
    assert (await ask(guard, headers=sent(b"noise"), client=("127.0.0.2", 1))).status == 401
    assert not waiting.done()
    assert (await waiting)[1] >= LONGEST_S


async def test_when_too_many_answers_are_held_the_next_is_told_so_at_once(guard: Guard, headers: list[Header]) -> None:
    for _ in range(FREE):
        assert (await ask(guard, headers=sent(b"noise"))).status == 401
    answers = await asyncio.gather(*(ask(guard, headers=sent(b"noise")) for _ in range(SHARE + 5)))
    assert sorted(answer.status for answer in answers) == [401] * SHARE + [429] * 5
    told = next(answer for answer in answers if answer.status == 429)
    assert told.body["code"] == "attempts_exceeded"
    assert told.header("retry-after") == "2"
    assert (await ask(guard, headers=headers)).status == 200


@pytest.mark.check("C063")
async def test_a_flood_of_keys_with_a_right_checksum_leaves_good_keys_as_quick_as_they_were(
    new_scene: NewScene,
) -> None:
    scene = new_scene(profile(limits__default="1000000 per 60 s"))
    guard = Guard(plain, api=scene.api, settings=scene.settings)
    good, floods = sent(scene.key()), itertools.cycle([sent(key) for key in noise(5_000)])
    tried = 0

    async def flood() -> None:
        nonlocal tried
        while True:
            assert (await ask(guard, headers=next(floods))).status == 401
            tried += 1
            await asyncio.sleep(0)

    async def ninety_ninth() -> float:
        """Of what this process works until a request is answered, what was in line before it included."""
        taken = []
        for _ in range(ROUNDS):
            await asyncio.sleep(0.002)
            began = time.process_time()
            await asyncio.sleep(0)
            assert (await ask(guard, headers=good)).status == 200
            taken.append(time.process_time() - began)
        return sorted(taken)[int(ROUNDS * 0.99)]

    try:
        await ask(guard, headers=good)
        quiet = max([await ninety_ninth() for _ in range(2)])
        attackers = [asyncio.create_task(flood()) for _ in range(SHARE)]
        while tried < FREE * 7:
            await asyncio.sleep(0.01)
        loud = min([await ninety_ninth() for _ in range(3)])  # what the machine does beside disturbs one, not all
        for attacker in attackers:
            attacker.cancel()
        await asyncio.gather(*attackers, return_exceptions=True)
    finally:
        guard.close()
    print(f"p99 of a good key: {quiet * 1e3:.2f} ms alone, {loud * 1e3:.2f} ms under {tried} attempts")
    assert tried < FREE * 30
    assert loud < max(2 * quiet, 0.002)

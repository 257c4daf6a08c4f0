"""A limit on requests under way: the next is refused and spends nothing, and every end gives a place up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from limen.control import apis
from limen.core.problems import ProblemError
from limen.guard.asgi import Guard, Receive, Scope, Send
from tests.gate.scene import LIMIT, NewScene, Scene
from tests.guard.served import Answered, ask, plain, profile

pytestmark = pytest.mark.sqlite


class _Held:
    """An application whose requests end when they are told to."""

    def __init__(self) -> None:
        self.inside = 0
        self.goes, self.fails = asyncio.Event(), False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, once it may."""
        self.inside += 1
        try:
            await self.goes.wait()
            if self.fails:
                raise RuntimeError("a handler that fails")
            await plain(scope, receive, send)
        finally:
            self.inside -= 1


@pytest.fixture
def scene(new_scene: NewScene) -> Scene:
    """An installation with the API that ``served`` serves, at most three requests of a key at once."""
    return new_scene(profile(limits__in_flight=3))


@pytest.fixture
def held() -> _Held:
    """The application behind the Guard."""
    return _Held()


@pytest.fixture
def guard(scene: Scene, held: _Held) -> Iterator[Guard]:
    """A Guard before an application that takes its time."""
    made = Guard(held, api=scene.api, settings=scene.settings)
    yield made
    made.close()


async def _crowd(guard: Guard, held: _Held, headers: Any, count: int) -> list[asyncio.Task[Answered]]:
    """So many requests at once; those that are refused have been answered."""
    tasks = [asyncio.create_task(ask(guard, headers=headers)) for _ in range(count)]
    while held.inside + sum(task.done() for task in tasks) < count:
        await asyncio.sleep(0.01)
    return tasks


async def _let_go(held: _Held, tasks: list[asyncio.Task[Answered]]) -> list[int]:
    held.goes.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    held.goes.clear()
    return [answer.status if isinstance(answer, Answered) else 500 for answer in answers]


async def test_the_next_is_refused_until_one_has_ended_and_spends_nothing(
    guard: Guard, held: _Held, headers: Any
) -> None:
    await _let_go(held, [asyncio.create_task(ask(guard, headers=headers))])  # the key is in memory now
    tasks = await _crowd(guard, held, headers, 8)
    refused = [task.result() for task in tasks if task.done()]
    assert (held.inside, len(refused)) == (3, 5)
    assert {(answer.status, answer.header("retry-after")) for answer in refused} == {(429, "1")}
    assert "3 requests are under way" in refused[0].body["detail"]
    assert sorted(await _let_go(held, tasks)) == [200] * 3 + [429] * 5
    tasks = await _crowd(guard, held, headers, 3)
    assert await _let_go(held, tasks) == [200] * 3
    assert int(tasks[0].result().header("x-ratelimit-remaining") or 0) >= LIMIT - 7, "what was refused spent nothing"


@pytest.mark.parametrize("end", ["fails", "leaves"])
async def test_a_place_is_given_up_however_a_request_ends(guard: Guard, held: _Held, headers: Any, end: str) -> None:
    for _ in range(4):
        tasks = await _crowd(guard, held, headers, 3)
        assert held.inside == 3
        if end == "leaves":
            for task in tasks:
                task.cancel()
        held.fails = end == "fails"
        await _let_go(held, tasks)


async def test_of_a_key_that_is_not_known_yet_no_more_are_let_in_either(
    guard: Guard, held: _Held, headers: Any
) -> None:
    tasks = await _crowd(guard, held, headers, 6)
    assert held.inside == 3
    assert sorted(await _let_go(held, tasks)) == [200] * 3 + [429] * 3


async def test_two_guards_count_together(scene: Scene, guard: Guard, held: _Held, headers: Any) -> None:
    other = Guard(held, api=scene.api, settings=scene.settings)
    for each in (guard, other):
        await _let_go(held, [asyncio.create_task(ask(each, headers=headers))])
    first = await _crowd(guard, held, headers, 2)
    second = [asyncio.create_task(ask(other, headers=headers)) for _ in range(3)]
    while sum(task.done() for task in second) < 2:
        await asyncio.sleep(0.01)
    assert held.inside == 3
    assert sorted(await _let_go(held, first + second)) == [200] * 3 + [429] * 2
    other.close()


def test_another_door_does_not_start_with_such_a_profile_and_admits_nobody_by_it(
    scene: Scene, new_scene: NewScene, monkeypatch: Any
) -> None:
    from limen import server

    with monkeypatch.context() as patched:
        patched.setattr("limen.server._belong", lambda: None)
        patched.setattr("limen.server.App.open", lambda: scene.app)
        with pytest.raises(ProblemError, match=r"in_flight.*LIMEN_APIS") as refused:
            server.gate_app()
    assert refused.value.problem.code == "guard_only"
    assert scene.code(scene.key()) == "unavailable"
    plainly = new_scene(profile())
    text = plainly.key()
    assert plainly.code(text) == "ok"
    plainly.app.act(apis.apply_profile, plainly.api, profile(limits__in_flight=3))
    assert plainly.code(text) == "unavailable"

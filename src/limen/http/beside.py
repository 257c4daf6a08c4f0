"""Work beside the event loop: what takes long, or waits, is done in threads, and the loop goes on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute

from limen.core.problems import ProblemError
from limen.http.arrival import ARRIVAL, BESIDE, SMALL

T = TypeVar("T")
THREADS, WAITING = 4, 64
"""How much of what nobody's key came with is done at once, and how much of it may wait or be done."""


class Outside:
    """Threads for those who come without a key. They have no others: whatever they send, nobody else waits for it."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, "limen-outside")
        self._inside = 0

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """What *work* answers. Raises ``unavailable`` where too much is waiting already, and what *work* raises.

        To be called in one event loop. Who leaves meanwhile has their work done, and it counts until then.
        """
        if self._inside >= WAITING:
            raise ProblemError("unavailable", "Too much is being looked at now. Try again.")
        self._inside += 1
        done = asyncio.get_running_loop().run_in_executor(self._pool, partial(work, *args))
        done.add_done_callback(self._leave)
        return await asyncio.shield(done)

    def _leave(self, _done: object) -> None:
        self._inside -= 1


class Route(APIRoute):
    """A route that parses a body no second time, and has a large one validated beside the event loop."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, which is handed what the body says."""
        answer, field = super().get_route_handler(), self.body_field

        async def handle(request: Request) -> Response:
            arrival = request.scope[ARRIVAL]
            if field is not None and arrival.body:
                said = arrival.said
                if len(arrival.body) > SMALL:
                    said, errors = await request.scope[BESIDE](partial(field.validate, said, loc=("body",)))
                    if errors:
                        raise RequestValidationError(errors)
                request._json = said  # where Starlette keeps what it has parsed
            return await answer(request)

        return handle

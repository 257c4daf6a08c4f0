"""``/metrics``: the installation's numbers (``drain.meters``) in Prometheus' text format (0.0.4)."""

from __future__ import annotations

import asyncio

from limen.app import App
from limen.core.metrics import text
from limen.core.problems import StoreDown
from limen.drain import measured
from limen.http.wire import NO_STORE, Send, problem, reply

MEDIA = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


async def metrics(app: App, send: Send) -> None:
    """Answer with all numbers, or with 503 where the database does not."""
    try:
        found = await asyncio.to_thread(measured, app)
    except StoreDown as error:
        await problem(send, error.problem.code, error.detail)
        return
    await reply(send, 200, (MEDIA, NO_STORE), text(found.families).encode())

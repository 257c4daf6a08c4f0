"""The limit: how it is counted, what is said when it is used up, and that it is full again after its window."""

from __future__ import annotations

import time
from collections.abc import Iterator

from limen.cli.demo.rules import BURST
from limen.cli.demo.scene import RATE, Scene, said
from limen.cli.demo.tour import Line
from limen.cli.demo.wants import Claim, Want, equal, members, text, whole
from limen.cli.demo.wire import Answer

_ACCOUNT = members({"uuid": text}, others=True)


def _used_up(scene: Scene) -> Iterator[Claim]:
    start, now = time.monotonic(), time.time()
    misses: list[str] = []
    resets: set[str | None] = set()
    for left in reversed(range(BURST)):
        answer = scene.ask("busy")
        misses += Want("200", 200, scene.rate(now, equal(str(left))), _ACCOUNT).of(answer).misses
        resets.add(answer.header(RATE[2]))
    refused = scene.ask("busy")
    took_s = time.monotonic() - start
    if took_s > scene.window_s:
        misses.insert(0, f"{BURST + 1} requests took {took_s:.1f} s, longer than the window of {scene.window_s} s")
    if len({int(reset or 0) // 2 for reset in resets}) > 2:  # one moment, but for rounding
        misses.append(f"{RATE[2]}: moved during the window")
    expected = f"{BURST} x 200 with {BURST - 1} to 0 remaining"
    yield said(expected, "otherwise" if misses else expected, *misses[:3])
    scene.full_again_at = time.monotonic() + int(refused.header("Retry-After") or 0)
    yield _refusal(scene, now, refused).of(refused)


def _refusal(scene: Scene, now: float, answer: Answer) -> Want:
    """What a refusal for the limit is; body and header name the same seconds."""
    retry = answer.header("Retry-After") or ""
    seconds = int(retry) if retry.isdecimal() else -1
    more = {"retryAfter": seconds, "violated-policies": equal(["allowance"])}
    headers = {"Retry-After": whole(1, scene.window_s)} | scene.rate(now, equal("0"))
    shape = {"error": "Rate limit exceeded", "retryAfter": seconds}
    want = scene.refused(429, "limit_exceeded", more=more, compat=shape, headers=headers)
    return Want(want.title, want.status, want.headers, want.body, ("Retry-After",))


def _full_again(scene: Scene) -> Iterator[Claim]:
    """Wait for as long as the refusal said, and no longer."""
    time.sleep(min(max(0.0, scene.full_again_at - time.monotonic()), scene.window_s + 1))
    headers = {RATE[1]: equal(str(BURST - 1)), "Retry-After": None}
    yield scene.admitted(_ACCOUNT, time.time(), headers=headers).of(scene.ask("busy"))


def _refused_again(scene: Scene) -> Iterator[Claim]:
    """Use up what is left, over at most two windows, for the refusal's form."""
    for _ in range(2 * BURST + 1):
        now, answer = time.time(), scene.ask("busy")
        if answer.status != 200:
            break
    else:
        now, answer = time.time(), scene.ask("busy")
    yield _refusal(scene, now, answer).of(answer)


USED_UP = Line(f"request {BURST + 1} of a window", _used_up)
FULL_AGAIN = Line("the same key after the window", _full_again)
REFUSED_AGAIN = Line("one request too many", _refused_again)

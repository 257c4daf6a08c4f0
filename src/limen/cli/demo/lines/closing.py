"""What is shown last: the profile as it is shipped, and that nothing was written down that must not be."""

from __future__ import annotations

import time
from collections.abc import Iterator

from limen.cli.demo.rules import BURST
from limen.cli.demo.scene import RATE, Scene, said
from limen.cli.demo.tour import Line
from limen.cli.demo.wants import Claim, Want, equal, members, text, whole
from limen.core.keys import CHECK_CHARS, SECRET_CHARS

_SHIPPED_WINDOW_S = 60
_AT_ONCE = 1 << 20


def _shipped(scene: Scene) -> Iterator[Claim]:
    """The limit that the platform documents, on a key that has not been used yet."""
    scene.limen("profile", "apply", "creator", "creator", "--yes")
    scene.style = "problem"
    now = time.time()
    reset = whole(now + _SHIPPED_WINDOW_S - 1, now + _SHIPPED_WINDOW_S + 3)
    headers = {RATE[0]: str(BURST), RATE[1]: str(BURST - 1), RATE[2]: reset}
    body = members({"uuid": text}, others=True)
    yield Want("200, full again in 60 s", 200, headers, body, RATE[:2]).of(scene.ask("fresh"))


def _nowhere(scene: Scene) -> Iterator[Claim]:
    """Database, journal, locks, profiles and the processes' output: in none of them stands a key's secret."""
    secrets = [key.text[-CHECK_CHARS - SECRET_CHARS : -CHECK_CHARS].encode() for key in scene.keys.values()]
    files = [path for path in scene.ground.folder.rglob("*") if path.is_file()]
    holding = []
    for path in files:
        with path.open("rb") as file:
            tail = b""
            while part := file.read(_AT_ONCE):
                if any(secret in tail + part for secret in secrets):
                    holding.append(path.name)
                    break
                tail = part[-SECRET_CHARS:]
    misses = [f"{name} holds a key" for name in holding]
    found = f"{', '.join(holding) or 'none'} of {len(files)}"
    yield said("none", found, *misses, equal(True)(bool(files) and bool(secrets)))


CLOSING = (
    Line("the profile as it is shipped: 100 requests in 60 s", _shipped),
    Line("files that hold a key", _nowhere),
)

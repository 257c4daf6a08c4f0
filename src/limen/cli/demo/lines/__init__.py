"""Every line of the tour, in the order in which they are played."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from limen.cli.demo.lines.admitted import ADMITTED, DEPRECATED_LINE
from limen.cli.demo.lines.changes import CHANGES
from limen.cli.demo.lines.closing import CLOSING
from limen.cli.demo.lines.edge import EDGE
from limen.cli.demo.lines.endpoints import ENDPOINTS
from limen.cli.demo.lines.limits import FULL_AGAIN, REFUSED_AGAIN, USED_UP
from limen.cli.demo.lines.refused import REFUSED
from limen.cli.demo.scene import Scene, said
from limen.cli.demo.tour import Line
from limen.cli.demo.wants import Claim, equal

COMPAT_FILE = "creator-compat.yaml"
"""The profile in the demo's folder that differs from the one in force in the style of its refusals."""


def _compat(scene: Scene) -> Iterator[Claim]:
    applied = scene.limen("profile", "apply", "creator", str(scene.ground.folder / COMPAT_FILE), "--yes")
    scene.style = "compat"
    changed = [each["path"] for each in applied["differences"]]
    yield said("errors.style", ", ".join(changed), equal(["errors.style"])(changed), equal(True)(applied["applied"]))


def _in_compat(line: Line[Scene]) -> Line[Scene]:
    return dataclasses.replace(line, what=f"compat: {line.what}")


TOUR: tuple[Line[Scene], ...] = (
    USED_UP,  # first, so that its window passes while others are played
    *ADMITTED,
    *ENDPOINTS,
    *CHANGES,
    *REFUSED,
    *EDGE,
    FULL_AGAIN,
    Line("a profile that answers in the platform's own shapes is applied", _compat),
    *(_in_compat(line) for line in (*REFUSED, DEPRECATED_LINE, REFUSED_AGAIN)),
    *CLOSING,
)

"""``python -m benchmarks [NAME…] [--json] [--full]``: figures beside floors; exit status 1 where a budget is missed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial

from benchmarks import alerts, beside, door, examples, gate, guard, limits, lists, memory, revoke, scale, usage
from benchmarks.blocks import Figure, as_rows

NAMES: dict[str, Callable[[], list[Figure]]] = {
    "gate": gate.run,
    "revoke": revoke.run,
    "door": door.run,
    "beside": beside.run,
    "guard": guard.run,
    "memory": memory.run,
    "scale": scale.run,
    "lists": lists.run,
    "usage": usage.run,
    "limits": limits.run,
    "examples": examples.run,
    "alerts": alerts.run,
}


def main() -> int:
    """Run what was asked for, in turn."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default: all")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    parser.add_argument("--full", action="store_true", help="scale with 10,000,000 keys too, which takes half an hour")
    asked = parser.parse_args()
    NAMES["scale"] = partial(scale.run, full=asked.full)
    unknown = [name for name in asked.names if name not in NAMES]
    if unknown:
        parser.error(f"found {', '.join(unknown)}, allowed: {', '.join(NAMES)}")
    figures: list[Figure] = []
    for name in asked.names or NAMES:
        found = NAMES[name]()
        figures += found
        if not asked.json:
            for figure in found:
                print(_row(figure), flush=True)
    if asked.json:
        print(json.dumps(as_rows(figures), indent=2))
    return 0 if all(figure.kept for figure in figures) else 1


def _row(figure: Figure) -> str:
    budget = "" if figure.budget is None else f"budget {figure.budget:g}: {'kept' if figure.kept else 'MISSED'}"
    spread = f"({figure.low:.2f} to {figure.high:.2f})"
    both = f"{figure.subject:9.2f} / {figure.floor:.2f} {figure.unit}"
    return f"{figure.name:48} {figure.ratio:8.2f} {spread:20} {both:26} {budget}"


if __name__ == "__main__":
    sys.exit(main())

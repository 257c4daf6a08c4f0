"""``python -m tests.fuzz``: three APIs behind Limen against schemathesis, each asked with keys of every kind in turn.

Exits 1 with the report where something was found, and prints how it can be had again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, time_ns

from tests.fuzz import management, platforms
from tests.fuzz.contest import Target, run, serve

APIS: dict[str, Callable[[Path], Target]] = {
    "v1": management.prepared,
    "creator": platforms.creator,
    "organisation": platforms.organisation,
}
AT_ONCE = 2


def main() -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--api", choices=APIS, action="append", help="Default: all. May be given several times.")
    parser.add_argument("--run", default="", metavar="TEXT", help="Only the runs whose title has this text.")
    parser.add_argument("--max-examples", type=int, default=50, help="Requests made up for each operation.")
    parser.add_argument("--seed", type=int, default=time_ns() % 2**32, help="The same seed makes up the same requests.")
    asked = parser.parse_args()
    with ThreadPoolExecutor(AT_ONCE) as pool:  # schemathesis and the servers are processes
        found = sum(pool.map(lambda name: _fuzz(name, asked), asked.api or APIS))
    return 1 if found else 0


def _fuzz(name: str, asked: argparse.Namespace) -> int:
    """How many of the runs against the API of this *name* found something."""
    with tempfile.TemporaryDirectory(prefix="limen-fuzz-") as folder:
        return _found(APIS[name](Path(folder)), asked)


def _found(target: Target, asked: argparse.Namespace) -> int:
    found = 0
    server, address = serve(target)
    try:
        for wanted in target.runs:
            if asked.run not in wanted.title:
                continue
            began = monotonic()
            report = run(target, address, wanted, examples=asked.max_examples, seed=asked.seed)
            took = f"{monotonic() - began:.0f} s, seed {asked.seed}"
            said = "nothing was found" if not report else "SOMETHING WAS FOUND"
            print(f"{target.name} asked by {wanted.title}: {said} ({took})", flush=True)
            if report:
                found += 1
                print(report, flush=True)
    finally:
        server.kill()
    return found


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tests.fuzz``: the management API against schemathesis, asked by staff and by two members in turn.

Exits 1 with the report where something was found, and prints how it can be had again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from time import monotonic, time_ns

from tests.fuzz.contest import prepared, run, serve


def main() -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--max-examples", type=int, default=50, help="Requests made up for each operation.")
    parser.add_argument("--seed", type=int, default=time_ns() % 2**32, help="The same seed makes up the same requests.")
    asked = parser.parse_args()
    found = 0
    with tempfile.TemporaryDirectory(prefix="limen-fuzz-") as name:
        folder = Path(name)
        staff, members = prepared(folder)
        for who, callers, peers in (("staff", staff, False), ("two members", members, True)):
            server, address = serve(folder)
            try:
                began = monotonic()
                report = run(address, folder, callers, peers=peers, examples=asked.max_examples, seed=asked.seed)
            finally:
                server.kill()
            said = "nothing was found" if not report else "SOMETHING WAS FOUND"
            print(f"asked by {who}, seed {asked.seed}: {said} ({monotonic() - began:.0f} s)", flush=True)
            if report:
                found += 1
                print(report)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

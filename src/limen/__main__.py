"""The command ``limen``, as ``python -m limen`` and as the console script."""

from __future__ import annotations

import sys
from io import TextIOWrapper


def main() -> None:
    """Run the command line of this process, and leave with its exit code."""
    from limen.cli.main import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot write stops no command
    app()


if __name__ == "__main__":
    main()

"""The command ``limen``, as ``python -m limen`` and as the console script."""

from __future__ import annotations


def main() -> None:
    """Run the command line of this process, and leave with its exit code."""
    from limen.cli.main import app

    app()


if __name__ == "__main__":
    main()

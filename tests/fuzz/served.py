"""What is fuzzed, as it is served in life but for one thing: whoever tries keys is answered at once.

A fuzzer sends a bad key to every operation. That such answers are held back is tested elsewhere; here it would take
most of the time.
"""

from __future__ import annotations

from typing import Any

from limen.cli.demo import guarded
from limen.gate import strangers
from limen.server import public_app

strangers.FREE = 10**9


def v1() -> Any:
    """The management API."""
    return public_app()


def creator() -> Any:
    """The guarded creator platform."""
    return guarded.creator()


def organisation() -> Any:
    """The guarded organisation platform."""
    return guarded.organisation()

"""The example API as the demo serves it: as it is, in a process that ends with the demo."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from limen.server import die_with_parent

EXAMPLE = "examples.creator_platform"


def app() -> Any:
    """The ASGI application, for the process that serves it. It reads its settings from the environment."""
    die_with_parent()
    if os.getppid() == 1:  # it ended before we could ask to be ended with it
        raise SystemExit("the server that spawned this worker has ended")
    return import_module(f"{EXAMPLE}.main").app

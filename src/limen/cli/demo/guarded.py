"""The example APIs as the demo serves them: as they are, each in a process that ends with the demo."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from limen.server import die_with_parent


@dataclass(frozen=True, slots=True)
class Example:
    """An example API: its name, which is also its API's in Limen, and the name of the function here that serves it."""

    name: str

    @property
    def package(self) -> str:
        """Where its code is."""
        return f"examples.{self.name}_platform"

    @property
    def variable(self) -> str:
        """The setting that says where its database is."""
        return f"{self.name.upper()}_DATABASE_URL"


CREATOR, ORGANISATION = Example("creator"), Example("organisation")
EXAMPLES = (CREATOR, ORGANISATION)


def creator() -> Any:
    """The ASGI application of the creator platform, for the process that serves it, by the environment's settings."""
    return _served(CREATOR)


def organisation() -> Any:
    """The ASGI application of the organisation platform, likewise."""
    return _served(ORGANISATION)


def _served(example: Example) -> Any:
    die_with_parent()
    if os.getppid() == 1:  # it ended before we could ask to be ended with it
        raise SystemExit("the server that spawned this worker has ended")
    return import_module(f"{example.package}.main").app

"""Limen: the threshold of a company's API. Who may come in, where they may go, how often, and what they did.

The names that an embedding application needs are found here, and are loaded when they are first asked for: importing
``limen`` loads neither SQL nor a server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limen.app import App
    from limen.guard.asgi import Guard
    from limen.guard.caller import Caller
    from limen.settings import Settings, read_settings

__version__ = "0.1.0"
__all__ = ["App", "Caller", "Guard", "Settings", "read_settings"]

_ROOMS = {
    "App": "limen.app",
    "Caller": "limen.guard.caller",
    "Guard": "limen.guard.asgi",
    "Settings": "limen.settings",
    "read_settings": "limen.settings",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'limen' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)

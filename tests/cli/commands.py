"""Every command as a user could type it, and the tree of those that there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from limen.cli.main import app

KEY = "0123456789Ab"

# The path of every command, and arguments with which it can be run.
COMMANDS = {
    "init": (),
    "migrate": (),
    "serve": (),
    "worker": ("--once",),
    "doctor": (),
    "demo": (),
    "apis create": ("shop", "--profile", "organisation"),
    "apis list": (),
    "apis show": ("creator",),
    "apis read-only": ("creator", "on"),
    "apis allowlist": ("creator", "off"),
    "apis emergency": ("creator", "1000 per 60 s"),
    "profile check": ("creator",),
    "profile apply": ("creator", "creator", "--yes"),
    "profile show": ("creator",),
    "profile list-shipped": (),
    "versions list": ("creator",),
    "versions register": ("creator", "2026-06-26"),
    "versions deprecate": ("creator", "2025-06-26", "--at", "now", "--yes"),
    "versions sunset": ("creator", "2025-06-26", "--at", "2030-01-01", "--successor", "2026-06-26", "--yes"),
    "owners create": ("--type", "user"),
    "owners list": (),
    "owners show": ("u1",),
    "owners suspend": ("u1", "--reason", "spam"),
    "owners restore": ("u1",),
    "owners set-plan": ("u1", "creator", "none", "--limit", "5000 per 60 s"),
    "owners allow": ("u1", "creator"),
    "owners disallow": ("u1", "creator"),
    "keys issue": ("creator", "u1", "--name", "a key", "--scope", "read:self", "--yes"),
    "keys list": (),
    "keys show": (KEY,),
    "keys regenerate": (KEY, "--yes"),
    "keys deactivate": (KEY,),
    "keys reactivate": (KEY,),
    "keys revoke": (KEY, "--reason", "leaked", "--yes"),
    "keys delete": (KEY, "--yes"),
    "keys expire": (KEY, "--at", "now", "--yes"),
}
NEED_NOTHING = {"profile check", "profile list-shipped", "demo"}
"""Commands that work without an installation, or make one of their own."""


def tree() -> dict[str, Any]:
    """Every command that can be run, by its path under ``limen``."""
    return dict(_under(get_command(app), ""))


def _under(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, each in below.items():
        yield from _under(each, f"{path} {name}".strip())

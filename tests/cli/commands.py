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
    "backup": ("backup.db",),
    "restore": ("backup.db", "--yes"),
    "export": ("archive.zip",),
    "import": ("archive.zip", "--replace", "--yes"),
    "doctor": (),
    "nodes": (),
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
    "profile import-openapi": ("openapi.json",),
    "versions list": ("creator",),
    "versions callers": ("creator", "2025-06-26"),
    "versions adoption": ("creator", "2025-06-26"),
    "versions show": ("creator", "2025-06-26"),
    "versions register": ("creator", "2026-06-26"),
    "versions deprecate": ("creator", "2025-06-26", "--at", "now", "--yes"),
    "versions sunset": ("creator", "2025-06-26", "--at", "2030-01-01", "--successor", "2026-06-26", "--yes"),
    "versions brownout": ("creator", "2025-06-26", "--at", "2030-01-01", "--for", "15 min"),
    "versions cancel-brownout": ("creator", KEY),
    "measures throttle": ("--api", "creator", "--owner", "u1", "--limit", "10 per 60 s", "--reason", "scrapes"),
    "measures block": ("--address", "192.0.2.0/24", "--reason", "attack"),
    "measures lift": (KEY,),
    "measures list": (),
    "owners create": ("--type", "user"),
    "owners list": (),
    "owners show": ("u1",),
    "owners suspend": ("u1", "--reason", "spam"),
    "owners restore": ("u1",),
    "owners set-plan": ("u1", "creator", "none", "--limit", "5000 per 60 s"),
    "owners allow": ("u1", "creator"),
    "owners disallow": ("u1", "creator"),
    "owners erase": ("u1", "--yes"),
    "members invite": ("acme", "new@example.com", "--role", "editor"),
    "members accept": ("u2",),
    "members list": ("acme",),
    "members role": ("acme", "u1", "admin"),
    "members remove": ("acme", "u1", "--yes"),
    "members withdraw": ("acme", KEY),
    "requests ask": ("creator", "u1", "--name", "a key", "--use-case", "A test.", "--scope", "read:self=A test."),
    "requests list": (),
    "requests show": (KEY,),
    "requests grant": (KEY,),
    "requests refuse": (KEY, "--reason", "no"),
    "requests withdraw": (KEY,),
    "requests reveal": (KEY, "--yes"),
    "keys inspect": (KEY,),
    "leaks rules": ("--format", "gitleaks"),
    "leaks report": ("--yes",),
    "usage list": (),
    "channels add": ("email", "someone@example.com"),
    "channels list": (),
    "channels show": (KEY,),
    "channels change": (KEY, "--mute"),
    "channels confirm": (KEY,),
    "channels rotate": (KEY,),
    "channels remove": (KEY,),
    "channels test": (KEY,),
    "channels replay": (KEY, "--since", "now"),
    "deliveries list": (),
    "deliveries show": (KEY,),
    "deliveries retry": (KEY,),
    "inbox list": (),
    "inbox read": (),
    "notices preview": ("--title", "x", "--text", "y"),
    "notices send": ("--title", "x", "--text", "y", "--yes"),
    "notices list": (),
    "usage rebuild": ("--yes",),
    "usage refusals": (),
    "usage disregards": (),
    "usage totals": (),
    "usage series": ("--by", "hour"),
    "usage by": ("operation",),
    "usage top": (),
    "usage scopes": (KEY,),
    "usage window": (KEY,),
    "usage export": ("usage.csv",),
    "usage follow": (),
    "usage ingest": ("-",),
    "alerts list": (),
    "alerts show": (KEY,),
    "alerts acknowledge": (KEY,),
    "alerts mute": (KEY, "--until", "2030-01-01"),
    "alerts unmute": (KEY,),
    "alerts rules": (),
    "alerts set": ("expiring", "--number", "days=14"),
    "alerts try": ("expiring", "--since", "30 d"),
    "audit list": (),
    "audit show": ("1",),
    "audit verify": (),
    "audit head": (),
    "audit export": (),
    "audit erase": ("--subject", "u1", "--yes"),
    "pepper list": (),
    "pepper add": (),
    "pepper add-secret": ("locator",),
    "pepper wrap": (),
    "pepper retire": ("legacy", "--yes"),
    "keys import": ("creator", "-"),
    "keys issue": ("creator", "u1", "--name", "a key", "--scope", "read:self", "--yes"),
    "keys list": (),
    "keys show": (KEY,),
    "keys regenerate": (KEY, "--yes"),
    "keys deactivate": (KEY,),
    "keys reactivate": (KEY,),
    "keys revoke": (KEY, "--reason", "leaked", "--yes"),
    "keys delete": (KEY, "--yes"),
    "keys expire": (KEY, "--at", "now", "--yes"),
    "keys revoke-all": ("--owner", "u1", "--reason", "leaked", "--yes"),
    "keys expire-all": ("--owner", "u1", "--at", "now", "--yes"),
    "keys regenerate-all": ("--owner", "u1", "--out", "new.jsonl", "--yes"),
    "keys deactivate-all": ("--owner", "u1", "--yes"),
    "keys reactivate-all": ("--owner", "u1", "--yes"),
    "keys set-limits": (KEY, "10 per 60 s"),
    "keys pin": (KEY, "2025-06-26"),
}
NEED_NOTHING = {"profile check", "profile list-shipped", "profile import-openapi", "demo", "restore", "import"}
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

"""What has to be there for the commands about channels, deliveries and alerts to do what they are for."""

from __future__ import annotations

import time
from typing import Any

KEY = "0123456789Ab"


def told(limen: Any, path: str, words: list[str]) -> list[str]:
    """*words* with which the command *path* works, in an installation in which u1 has a key of ``creator``."""
    group, _, verb = path.partition(" ")
    if path == "usage ingest":
        (limen.folder / words[0]).write_text("")
    if KEY not in words or group not in ("channels", "deliveries", "alerts"):
        return words
    if group == "alerts":
        return [word.replace(KEY, alert(limen)) for word in words]
    if verb in ("rotate", "replay"):
        channel = limen.json("channels", "add", "webhook", "https://example.com/hook")["channel"]
    else:
        sure = [] if verb == "confirm" else ["--confirmed"]
        channel = limen.json("channels", "add", "email", "someone@example.com", *sure)["channel"]
    if group == "channels":
        return [word.replace(KEY, channel) for word in words]
    limen("channels", "test", channel)
    delivery = limen.json("deliveries", "list")[0]["delivery"]
    return [word.replace(KEY, delivery) for word in words]


def alert(limen: Any) -> str:
    """An alert that fires: the key of u1 ends soon."""
    key = limen.json("keys", "list")[0]["key"]
    soon = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 3 * 86_400))
    limen("keys", "expire", key, "--at", soon, "--yes")
    limen("worker", "--once")
    return str(limen.json("alerts", "list")[0]["alert"])

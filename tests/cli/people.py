"""What has to be there for the commands about people to do what they are for."""

from __future__ import annotations

from typing import Any

KEY = "0123456789Ab"


def prepared(limen: Any, path: str, words: list[str]) -> tuple[list[str], str]:
    """*words* with which the command *path* works, and what it is given on standard input. u1 is there, with a key."""
    group, _, verb = path.partition(" ")
    if group == "members":
        return _of_acme(limen, verb, words)
    if group == "requests" and verb not in ("ask", "list"):
        asked = limen.json(
            "requests", "ask", "creator", "u1", "--name", "a key", "--use-case", "b", "--scope", "read:self=c"
        )
        if verb == "reveal":
            limen("requests", "grant", asked["request"])
        return [asked["request"], *words[1:]], ""
    return words, ""


def _of_acme(limen: Any, verb: str, words: list[str]) -> tuple[list[str], str]:
    limen("owners", "create", "--type", "organisation", "--id", "acme")
    for member in ("u1", "u2") if verb in ("role", "remove") else ():
        invited = limen.json("members", "invite", "acme", f"{member}@example.com", "--role", "owner")
        if member == "u2":
            limen("owners", "create", "--type", "user", "--id", "u2")
        limen("members", "accept", member, input=invited["token"])
    invited = limen.json("members", "invite", "acme", "new@example.com", "--role", "owner")
    if verb == "accept":
        return ["u1"], invited["token"]
    return [word.replace(KEY, invited["invitation"]) if verb == "withdraw" else word for word in words], ""

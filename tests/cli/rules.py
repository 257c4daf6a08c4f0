"""What has to be there for the commands about rules at run time to do what they are for."""

from __future__ import annotations

from typing import Any

KEY = "0123456789Ab"
OLD = "2025-06-26"


def ready(limen: Any, path: str, words: list[str]) -> list[str]:
    """*words* with which the command *path* works, in an installation in which u1 has a key of ``creator``."""
    if path in ("versions brownout", "versions cancel-brownout"):
        limen("versions", "deprecate", "creator", OLD, "--at", "now", "--yes")
    if path == "versions cancel-brownout":
        (found,) = brownout(limen)["brownouts"]
        return [word.replace(KEY, found["brownout"]) for word in words]
    if path == "measures lift":
        return [limen.json("measures", "block", "--owner", "u1", "--reason", "a test")["measure"]]
    if path == "keys pin":
        pinning(limen)
    if path == "keys import":
        importing(limen)
    if path == "profile import-openapi":
        described = '{"openapi": "3.1.0", "paths": {"/x": {"get": {"operationId": "x", "security": []}}}}'
        (limen.folder / words[0]).write_text(described)
    if path == "pepper retire":
        limen("pepper", "add-secret", "legacy")
    return words


def brownout(limen: Any) -> Any:
    """The version, once a brownout of it was announced."""
    return limen.json("versions", "brownout", "creator", OLD, "--at", "2030-01-01", "--for", "15 min")


def importing(limen: Any, *, one_active: bool = True) -> None:
    """The API ``creator`` goes by a profile that lists the keys of another system."""
    written = limen("profile", "show", "creator").stdout
    foreign = (
        "keys:\n  foreign:\n"
        "    - {prefix: old_, length: 44, hash: sha256, class: secret, environment: live}\n"
        "    - {prefix: plain_, length: 10-46, hash: plain, class: secret, environment: live}\n"
    )
    if not one_active:
        written = written.replace("max_active_per_owner: 1", "max_active_per_owner: unlimited")
    path = limen.folder / "importing.yaml"
    path.write_text(written.replace("keys:\n", foreign, 1), "utf-8")
    limen("profile", "apply", "creator", str(path), "--yes")


def pinning(limen: Any) -> None:
    """The API ``creator`` goes by a profile that pins keys."""
    written = limen("profile", "show", "creator").stdout
    path = limen.folder / "pinning.yaml"
    path.write_text(written.replace("deprecation: rfc9745", "deprecation: rfc9745\n  missing: pin"), "utf-8")
    limen("profile", "apply", "creator", str(path), "--yes")

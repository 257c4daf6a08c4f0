"""Examples for the OpenAPI document: what each member of a body or an answer may look like, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOMENT = "2030-06-26T12:00:00.000Z"

BY_NAME: dict[str, Any] = {
    "api": "creator",
    "owner": "u-1024",
    "kind": "user",
    "key": "0123456789Ab",
    "key_class": "secret",
    "environment": "live",
    "hint": "fvak_0123…",
    "name": "my server",
    "text": "fvak_0123456789Ab…",
    "scopes": ["read:self"],
    "state": "active",
    "reason": "a reason",
    "plan": "pro",
    "limits": "100 per 60 s",
    "addresses": ["203.0.113.0/24"],
    "origins": ["https://example.com"],
    "version": "2025-06-26",
    "successor": "2026-06-26",
    "role": "editor",
    "email": "someone@example.com",
    "created_by": "staff:staff/0123456789Ab",
    "method": "GET",
    "path": "/chats",
    "operation": "listChats",
    "code": "ok",
    "emergency": "",
    "errors": [],
}
"""Values that tell more than a word would."""


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "") -> Any:
    """A value that fits *schema*, which the members of *schemas* may be named in."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name)
    if schema.get("examples"):
        return schema["examples"][0]
    for ready in ("const", "default"):
        if ready in schema:
            return schema[ready]
    if "enum" in schema:
        return BY_NAME[name] if BY_NAME.get(name) in schema["enum"] else schema["enum"][0]
    if options := schema.get("anyOf"):
        return example_of(options[0], schemas, name)
    kind = schema.get("type")
    if kind == "object":
        members = schema.get("properties", {})
        return {member: example_of(inner, schemas, member) for member, inner in members.items()}
    if name in BY_NAME and _is(BY_NAME[name], kind):
        return BY_NAME[name]
    if kind == "array":
        return [example_of(schema["items"], schemas)] if schema.get("items") else []
    if schema.get("format") == "date-time":
        return MOMENT
    return {"integer": int(schema.get("minimum", 1)), "number": 1.0, "boolean": False, "null": None}.get(
        kind or "", name
    )


def _is(value: Any, kind: str | None) -> bool:
    return isinstance(value, {"string": str, "array": list, "integer": int}.get(kind or "", type(None)))

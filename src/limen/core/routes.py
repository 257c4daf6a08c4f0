"""Method and path to operation, compiled once. What two programs could read differently is refused, not normalised.

Literal segments match by equality, so only the value of a parameter can be ambiguous; it is looked at when it is met.
A literal goes before a parameter (OpenAPI 3.1, "Paths Object"), the leftmost difference first, and never hides a longer
template: its node carries on the parameter's subtree, so that a look-up never turns back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from limen.core.limits import Limits

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_PLAIN = re.compile(rb"[0-9A-Za-z_-]{1,128}").fullmatch
# Refused even when encoded: control characters, % / \\ ; DEL, what overlong UTF-8 begins with, and whatever needs no
# encoding (letters, digits, - . _ ~): decoded, such a value could be a literal, and the API would route it elsewhere.
_THOROUGH = re.compile(
    rb"(?!\.{1,2}\Z)(?:[0-9A-Za-z_.~!$&'()*+,=:@-]"
    rb"|%(?![01]|2[5DdEeFf]|3[0-9Bb]|4[1-9A-Fa-f]|5[0-9AaCcFf]|6[1-9A-Fa-f]|7[0-9AaEeFf])"
    rb"(?![Cc][01]|[Ee]0%[89]|[Ff]0%8|[Ff][5-9A-Fa-f])[0-9A-Fa-f]{2}){1,256}"
).fullmatch
_PARAMETER = re.compile(r"\{[A-Za-z_][0-9A-Za-z_]*\}")
_LITERAL = re.compile(r"[0-9A-Za-z_.~-]{1,256}")
_ANY = 0  # keys of a node that no segment of a request can equal: the parameter's node,
_END = 1  # and the operation that ends here


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """A call that an API offers: what it is, and what it asks of a key (R50)."""

    name: str
    method: str
    path: str
    """The template, with parameters in braces."""
    scopes: frozenset[str] = frozenset()
    """All of them are needed (R51)."""
    public: bool = False
    """Asks for no credential (R45)."""
    write: bool = False
    """Changes data: served only because the profile says so, and not while the API is read-only (R127, C11)."""
    limits: Limits = ()
    """Its own limits, beside the allowance (R114)."""
    tag: bytes = b""
    """The name in bytes, for the journal."""


def split_template(path: str) -> list[str]:
    """The segments of a template. Raises ValueError, saying what is wrong with it."""
    if not path.startswith("/") or path == "/":
        raise ValueError(f"path {path!r} must start with '/' and name something")
    segments = path[1:].split("/")
    for segment in segments:
        if segment in {".", ".."} or not (_PARAMETER.fullmatch(segment) or _LITERAL.fullmatch(segment)):
            raise ValueError(
                f"path {path!r}: segment {segment!r} is neither a literal"
                " (at most 256 letters, digits, _ . ~ -) nor {name}"
            )
    return segments


def overlap(one: str, other: str) -> bool:
    """Whether some path fits both templates."""
    a, b = split_template(one), split_template(other)
    return len(a) == len(b) and all(x == y or x[0] == "{" or y[0] == "{" for x, y in zip(a, b, strict=True))


Steps = tuple[bytes | int, ...]  # the segments of a template, _ANY for a parameter
Node = dict[bytes | int, Any]  # segment or _ANY → Node, _END → Operation


def _grow(fitting: list[tuple[Steps, Operation]], depth: int) -> Node:
    """The node that *depth* segments lead to, where *fitting* are all templates that fit them, the best first."""
    node: Node = {}
    for steps, operation in fitting:
        if len(steps) == depth:
            node.setdefault(_END, operation)
    longer = [(steps, operation) for steps, operation in fitting if len(steps) > depth]
    for here in {steps[depth] for steps, _ in longer}:
        node[here] = _grow([found for found in longer if found[0][depth] in {here, _ANY}], depth + 1)
    return node


class Routes:
    """All operations of a profile, ready to be found."""

    __slots__ = ("_roots",)

    def __init__(self, operations: Iterable[Operation]) -> None:
        """Raises ValueError where two operations have the same method and template."""
        templates: dict[bytes, dict[Steps, Operation]] = {}
        for operation in operations:
            steps = tuple(_ANY if s[0] == "{" else s.encode() for s in split_template(operation.path))
            known = templates.setdefault(operation.method.encode(), {})
            if steps in known:
                raise ValueError(f"{operation.method} {operation.path} is the path of {known[steps].name} already")
            known[steps] = operation
        self._roots: dict[bytes, Node] = {
            method: _grow(sorted(known.items(), key=lambda item: [step == _ANY for step in item[0]]), 0)
            for method, known in templates.items()
        }
        if b"GET" in self._roots:
            self._roots.setdefault(b"HEAD", self._roots[b"GET"])

    def find(self, method: bytes, path: bytes) -> Operation | None:
        """The operation that *method* and *path* (raw, without its query) name; None for none, or an ambiguous path."""
        node = self._roots.get(method)
        if node is None or path[:1] != b"/":
            return None
        for segment in path[1:].split(b"/"):
            below = node.get(segment)
            if below is None:
                below = node.get(_ANY)
                if below is None or not (_PLAIN(segment) or _THOROUGH(segment)):
                    return None
            node = below
        found: Operation | None = node.get(_END)
        return found

"""Who acts: every change is made by somebody, and the audit says by whom."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who changes something: *kind* is ``terminal``, ``worker`` or ``demo``; *name* tells them apart."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

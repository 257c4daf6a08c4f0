"""Who acts: every change is made by somebody, and the audit says by whom."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who changes something: *kind* is ``terminal``, ``staff``, ``member``, ``holder`` (of a key), ``worker``
    or ``demo``; *name* tells them apart."""

    kind: str
    name: str
    origin: str = ""
    """The address that they came from; empty: from this host. Personal, so that the audit keeps it apart."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

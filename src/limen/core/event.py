"""What every domain event is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to *subject* of *api* (empty: to all of them)."""

    name: ClassVar[str]
    api: str
    subject: str

    def payload(self) -> dict[str, Any]:
        """The fields, as they are stored and sent. Never the text of a key."""
        return asdict(self)

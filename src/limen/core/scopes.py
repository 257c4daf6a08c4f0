"""Scopes: their grammar, a profile's catalogue of them, and whether what is granted covers what is needed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SCOPE = re.compile(r"[a-z][a-z0-9_.-]{0,31}(?::[a-z][a-z0-9_.-]{0,31})?")
"""``verb:resource``, or one word such as ``admin``. All within what RFC 6750 §3 allows in a challenge."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A permission as a profile describes it (R177)."""

    name: str
    description: str
    implies: frozenset[str] = frozenset()
    """The scopes that come with it directly."""
    extension: bool = False
    """Not in the platform's own documents (C6)."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All scopes of a profile, in the order in which it lists them. ``closure`` is worked out once."""

    scopes: Mapping[str, Scope]
    closure: Mapping[str, frozenset[str]] = field(init=False)

    def __post_init__(self) -> None:
        """Raises ValueError where a scope implies an unknown one, or itself by a cycle."""
        known: dict[str, frozenset[str]] = {}
        object.__setattr__(self, "closure", {name: self._close(name, (), known) for name in self.scopes})

    def _close(self, name: str, above: tuple[str, ...], known: dict[str, frozenset[str]]) -> frozenset[str]:
        """*name* with all it implies. What is in *known* is not walked again: paths can be exponentially many."""
        if name in known:
            return known[name]
        if name in above:
            raise ValueError(f"scope {name!r} implies itself: {' → '.join((*above, name))}")
        if name not in self.scopes:
            raise ValueError(f"scope {above[-1]!r} implies {name!r}, which is not in the catalogue")
        found = {name}
        for implied in self.scopes[name].implies:
            found |= self._close(implied, (*above, name), known)
        known[name] = frozenset(found)
        return known[name]

    def expand(self, granted: Iterable[str]) -> frozenset[str]:
        """*granted* with everything it implies. A scope that left the catalogue grants nothing (C013)."""
        return frozenset().union(*(self.closure.get(name, frozenset()) for name in granted))

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Those of *names* that the catalogue does not have, in their order."""
        return [name for name in names if name not in self.scopes]

    def ordered(self, names: Iterable[str]) -> tuple[str, ...]:
        """*names* in the catalogue's order, each once."""
        wanted = set(names)
        return tuple(name for name in self.scopes if name in wanted)


def covers(held: frozenset[str], needed: frozenset[str]) -> bool:
    """Whether all of *needed* is in *held*, both expanded (R51). A partial order: tested as one."""
    return needed <= held

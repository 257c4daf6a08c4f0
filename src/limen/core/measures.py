"""Measures: what staff do at run time to protect an API. They block, or throttle, a part of those who come (R124)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Protocol

from limen.core.limits import Limit, Limits

if TYPE_CHECKING:
    from limen.core.record import Record
    from limen.core.routes import Operation

KINDS = ("throttle", "block")
TARGETS = ("api", "owner", "key", "address", "operation")


class Asked(Protocol):
    """What is looked at of an ask."""

    @property
    def address(self) -> str | None:
        """Where it comes from; None: not known."""
        ...

    @property
    def now(self) -> float:
        """Wall clock, Unix seconds."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """One measure, as the gate goes by it."""

    measure: str
    """Its id."""
    target: str
    """One of ``TARGETS``: who, or what, it is taken against."""
    subject: str
    """An owner's id, a key's lineage (``written``), an address range, or an operation; empty for the whole API."""
    limits: Limits = ()
    """Of a throttle, named ``measure:<id>``. A block has none."""
    ends_at: float = math.inf
    """Wall clock, Unix seconds: from then on it holds no more."""


def written(lineage: bytes) -> str:
    """*lineage* as the subject of a measure on a key: it holds for whatever the key is regenerated to, and was before.

    Of a key that regenerates nothing it is the key's id, unless it came from another system.
    """
    return lineage.decode("latin-1")


class Measures:
    """The measures of one kind on one API, ready to be looked up: in a thousand ranges as fast as in one."""

    __slots__ = ("_named", "_ranges")

    def __init__(self, measures: Iterable[Measure]) -> None:
        self._named: dict[tuple[str, str], list[Measure]] = {}
        self._ranges: dict[tuple[int, int], dict[int, list[Measure]]] = {}
        """IP's version and the length of the prefix, to the first address of the range, to its measures."""
        for measure in measures:
            if measure.target == "address":
                network = _plain(ip_network(measure.subject))
                ranges = self._ranges.setdefault((network.version, network.prefixlen), {})
                ranges.setdefault(int(network.network_address), []).append(measure)
            else:
                self._named.setdefault((measure.target, measure.subject), []).append(measure)

    def holding(self, record: Record | None, operation: Operation | None, ask: Asked) -> list[Measure]:
        """Those that hold for *ask*; without a *record*, those that are taken against no owner and no key.

        An address that is not known lies in no range: it is the other measures that must hold then.
        """
        named = [("api", "")]
        if operation is not None:
            named.append(("operation", operation.name))
        if record is not None:
            named += [("owner", record.owner.owner_id), ("key", written(record.lineage))]
        found = [measure for place in named for measure in self._named.get(place, ())]
        if self._ranges:
            found += self._at(ask.address)
        return [measure for measure in found if ask.now < measure.ends_at]

    def wants(self, record: Record, operation: Operation, ask: Asked) -> list[tuple[Limit, bytes]]:
        """The limits of those that hold, each in one window for its whole target."""
        return [(limit, b"") for measure in self.holding(record, operation, ask) for limit in measure.limits]

    def _at(self, address: str | None) -> list[Measure]:
        try:
            given = ip_address(address or "")
        except ValueError:
            return []
        given = getattr(given, "ipv4_mapped", None) or given
        found: list[Measure] = []
        bits = int(given)
        for (version, length), ranges in self._ranges.items():
            if version == given.version:
                free = given.max_prefixlen - length
                found += ranges.get(bits >> free << free, ())
        return found


def _plain(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """*network*, as the range of IPv4 that it maps, if it does."""
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    return IPv4Network((mapped, network.prefixlen - 96)) if mapped is not None and network.prefixlen >= 96 else network

"""A profile compiled with what staff changed at run time: what the gate decides by. Replaced whole, never edited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_address

from limen.core.carriers import Carriers
from limen.core.limits import Limit
from limen.core.profile import Profile
from limen.core.record import Header, Record
from limen.core.routes import Operation, Routes
from limen.core.versions import Stage, Version, lifecycle_headers, well_formed


@dataclass(frozen=True, slots=True)
class Switches:
    """What staff set on an API while it runs; it holds until they set it otherwise, whatever a profile says later."""

    read_only: bool = False
    """Refuse every write (C11)."""
    allowlist: bool = True
    """Admit only owners on the list (R99)."""
    emergency: Limit | None = None
    """A limit on the API as a whole (R124)."""


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """One API's rules at one moment."""

    api: str
    revision: int
    profile: Profile
    read_only: bool
    allowlist: bool
    emergency: Limit | None
    versioned: bool
    versions: Mapping[bytes, Version]
    routes: Routes
    prefixes: frozenset[bytes]
    environments: frozenset[bytes]
    allowances: Mapping[str, Limit]
    """Plan to allowance; a plan that is custom or unknown is not in it."""
    carriers: Carriers
    deprecation: str
    """How ``Deprecation`` is written: ``rfc9745`` or ``http-date`` (C13)."""
    rate_names: tuple[bytes, bytes, bytes]
    """The names of the headers for limit, remaining and reset."""
    challenge: bytes
    """What a 401 says in WWW-Authenticate."""
    cross_origin: bool
    """Whether keys of this API are used from browsers."""

    def preflighted(self, headers: Iterable[Header], path: bytes) -> bool:
        """Whether a CORS preflight of these *headers* and raw *path* is for an operation there is."""
        methods = [value for name, value in headers if name == b"access-control-request-method"]
        asked = self.carriers.read((), path, b"").path
        return len(methods) == 1 and self.routes.find(methods[0], asked) is not None

    def lifecycle(self, version: Version, now: float) -> tuple[Header, ...]:
        """The headers that an answer in a deprecated *version* carries."""
        next_header = self.profile.versioning.next_header if self.profile.versioning is not None else ""
        following = replace(version, successor=self.onward(version, now))
        return lifecycle_headers(following, deprecation=self.deprecation, next_header=next_header)

    def onward(self, version: Version, now: float) -> str | None:
        """The version to move to from *version*: its successor, or that one's, whichever still works at *now*."""
        known = set()
        while version.successor is not None and version.name not in known:
            known.add(version.name)
            following = self.versions.get(version.successor.encode())
            if following is None or following.stage(now) is not Stage.SUNSET:
                break
            version = following
        return version.successor

    def supported(self, now: float) -> list[str]:
        """The versions that are served at *now*, the oldest first."""
        served = (found.name for found in self.versions.values() if found.stage(now) is not Stage.SUNSET)
        return sorted(served, key=lambda name: (len(name), name))  # v2 before v10

    def well_formed(self, version: bytes) -> bool:
        """Whether *version* has the form that this API's versions have."""
        form = self.profile.versioning.form if self.profile.versioning else "date"
        return well_formed(version.decode("latin-1"), form)

    @staticmethod
    def within(address: str | None, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
        """Whether *address* lies in one of *networks*. No address, or no valid one, lies nowhere (fails closed)."""
        try:
            found = ip_address(address or "")
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None) or found
        return any(mapped in network for network in networks if network.version == mapped.version)

    def limits(self, record: Record, operation: Operation) -> tuple[tuple[Limit, bytes], ...]:
        """Each limit that applies to a request, and whose window it counts in (C8). The allowance comes first."""
        terms = record.terms
        allowance = terms.limit
        if allowance is None:
            owner = record.owner
            allowance = owner.limit or self.allowances.get(owner.plan) or self.profile.default_limit
        if operation.limit is None and self.emergency is None and terms.ceiling is None:
            return ((allowance, record.window),)
        applying = [(allowance, record.window)]
        if terms.ceiling is not None:
            applying.append((terms.ceiling, record.lineage))
        if operation.limit is not None:
            applying.append((operation.limit, record.lineage))
        if self.emergency is not None:
            applying.append((self.emergency, b""))
        return tuple(applying)


def compile_rules(
    profile: Profile, *, api: str, revision: int, switches: Switches, versions: Mapping[str, Version]
) -> Rules:
    """The rules that *profile* makes with staff's *switches* and the register's *versions*."""
    versioning, names = profile.versioning, profile.rate_headers
    deprecation = "http-date" if profile.errors.style == "compat" or versioning is None else versioning.deprecation
    return Rules(
        api=api,
        revision=revision,
        profile=profile,
        read_only=switches.read_only,
        allowlist=switches.allowlist,
        emergency=switches.emergency,
        versioned=profile.versioning is not None,
        versions={name.encode(): version for name, version in versions.items()},
        routes=Routes(profile.operations),
        prefixes=frozenset(p.encode() for c in profile.keys.classes.values() for p in c.prefixes.values()),
        environments=frozenset(e.encode() for c in profile.keys.classes.values() for e in c.prefixes),
        allowances={name: plan.limit for name, plan in profile.plans.items() if plan.limit is not None},
        carriers=Carriers(profile),
        deprecation=deprecation,
        rate_names=(names.limit.lower().encode(), names.remaining.lower().encode(), names.reset.lower().encode()),
        challenge=_challenge(profile, api),
        cross_origin=any(key_class.origins for key_class in profile.keys.classes.values()),
    )


def _challenge(profile: Profile, api: str) -> bytes:
    """RFC 6750's where keys travel as bearers; else one of our own that names the header (none is registered)."""
    if any(carrier.kind == "bearer" for carrier in profile.carriers):
        return f'Bearer realm="{api}"'.encode()
    first = profile.carriers[0]
    return f'ApiKey realm="{api}", {first.kind}="{first.name}"'.encode()

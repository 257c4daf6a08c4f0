"""A profile compiled with what staff changed at run time: what the gate decides by. Replaced whole, never edited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_address

from limen.core.carriers import Carriers
from limen.core.foreign import Foreign
from limen.core.keys import BODY_CHARS, is_key, locator
from limen.core.limits import Limit, Limits
from limen.core.measures import Asked, Measure, Measures
from limen.core.profile import Profile
from limen.core.record import Header, Record
from limen.core.routes import Operation, Routes
from limen.core.versions import Stage, Version, by_age, lifecycle_headers, well_formed


@dataclass(frozen=True, slots=True)
class Switches:
    """What staff set on an API while it runs; it holds until they set it otherwise, whatever a profile says later."""

    read_only: bool = False
    """Refuse every write (C11)."""
    allowlist: bool = True
    """Admit only owners on the list (R99)."""
    emergency: Limits = ()
    """Limits on the API as a whole (R124)."""
    blocks: tuple[Measure, ...] = ()
    throttles: tuple[Measure, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """One API's rules at one moment."""

    api: str
    revision: int
    profile: Profile
    read_only: bool
    allowlist: bool
    emergency: Limits
    blocks: Measures | None
    throttles: Measures | None
    """Staff's measures; None where there are none."""
    versioned: bool
    versions: Mapping[bytes, Version]
    routes: Routes
    prefixes: frozenset[bytes]
    environments: frozenset[bytes]
    claims: Mapping[bytes, bytes]
    """Prefix of a key to the environment that it claims."""
    allowances: Mapping[str, Limits]
    """Plan to allowance; a plan that is custom or unknown is not in it."""
    default: Limits
    """The allowance where nothing else sets one."""
    in_flight: int
    """How many requests of one holder may be under way at once; 0: any number."""
    overall: tuple[tuple[Limit, bytes], ...]
    """The emergency limits, each with its one window."""
    guarded: bool
    """Whether limits hold on the API whoever asks for what: an emergency limit, or a throttle."""
    carriers: Carriers
    deprecation: str
    """How ``Deprecation`` is written: ``rfc9745`` or ``http-date`` (C13)."""
    rate_names: tuple[bytes, bytes, bytes]
    """The names of the headers for limit, remaining and reset."""
    challenge: bytes
    """What a 401 says in WWW-Authenticate."""
    pins: tuple[Header, bytes] | None
    """Where keys are pinned to versions: what every answer's ``Vary`` says, and the header that says its version."""
    cross_origin: bool
    """Whether keys of this API are used from browsers."""
    foreign: Foreign | None = None
    """What finds the keys of other systems; None where the profile lists none."""

    def place(self, text: bytes) -> bytes:
        """Where the record of the key *text* would be found: at its locator. Empty for what has the form of no key."""
        if is_key(text, self.prefixes):
            return locator(text)
        return b"" if self.foreign is None else self.foreign.place(text)

    def prefix(self, text: bytes) -> str:
        """What may be told of the unknown key *text*: the prefix that all keys of its kind have."""
        if text[:-BODY_CHARS] in self.prefixes:
            return text[:-BODY_CHARS].decode()
        pattern = None if self.foreign is None else self.foreign.pattern(text)
        return "" if pattern is None else pattern.prefix

    def claimed(self, text: bytes) -> bytes:
        """The environment that the key *text* says it is of: a claim, until its record has been found. May be empty."""
        own = self.claims.get(text[:-BODY_CHARS])
        if own is not None or self.foreign is None:
            return own or b""
        pattern = self.foreign.pattern(text)
        return b"" if pattern is None else pattern.environment.encode()

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
        return sorted(served, key=by_age)

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

    def limits(self, record: Record, operation: Operation, ask: Asked) -> Sequence[tuple[Limit, bytes]]:
        """Each limit that applies to *ask*, and whose window it counts in (C8). The allowance comes first."""
        terms = record.terms
        allowance = terms.limits
        if not allowance:
            owner = record.owner
            allowance = owner.limits or self.allowances.get(owner.plan) or self.default
        if not (operation.limits or terms.ceiling or self.guarded) and len(allowance) == 1:
            return ((allowance[0], record.window),)
        applying = []
        for limit in allowance:  # loops, as building lists from lists costs twice as much for one or two
            applying.append((limit, record.window))
        for limit in terms.ceiling:
            applying.append((limit, record.lineage))
        for limit in operation.limits:
            applying.append((limit, record.lineage))
        applying += self.overall
        if self.throttles is not None:
            applying += self.throttles.wants(record, operation, ask)
        return applying


def compile_rules(
    profile: Profile, *, api: str, revision: int, switches: Switches, versions: Mapping[str, Version]
) -> Rules:
    """The rules that *profile* makes with staff's *switches* and the register's *versions*."""
    versioning, names, carriers = profile.versioning, profile.rate_headers, Carriers(profile)
    deprecation = "http-date" if profile.errors.style == "compat" or versioning is None else versioning.deprecation
    return Rules(
        api=api,
        revision=revision,
        profile=profile,
        read_only=switches.read_only,
        allowlist=switches.allowlist,
        emergency=switches.emergency,
        blocks=Measures(switches.blocks) if switches.blocks else None,
        throttles=Measures(switches.throttles) if switches.throttles else None,
        versioned=profile.versioning is not None,
        versions={name.encode(): version for name, version in versions.items()},
        routes=Routes(profile.operations),
        prefixes=frozenset(p.encode() for c in profile.keys.classes.values() for p in c.prefixes.values()),
        environments=frozenset(e.encode() for c in profile.keys.classes.values() for e in c.prefixes),
        claims={p.encode(): e.encode() for c in profile.keys.classes.values() for e, p in c.prefixes.items()},
        allowances={name: plan.limits for name, plan in profile.plans.items() if plan.limits},
        default=profile.default_limits,
        in_flight=profile.in_flight,
        overall=tuple((limit, b"") for limit in switches.emergency),
        guarded=bool(switches.emergency or switches.throttles),
        carriers=carriers,
        deprecation=deprecation,
        rate_names=(names.limit.lower().encode(), names.remaining.lower().encode(), names.reset.lower().encode()),
        challenge=_challenge(profile, api),
        pins=_pins(profile, carriers),
        cross_origin=any(key_class.origins for key_class in profile.keys.classes.values()),
    )


def _pins(profile: Profile, carriers: Carriers) -> tuple[Header, bytes] | None:
    """An answer depends on the version that was named or, where none was, on the key: a cache must know both."""
    versioning = profile.versioning
    if versioning is None or versioning.missing != "pin":
        return None
    return (b"vary", b", ".join(carriers.names)), versioning.header.lower().encode()


def _challenge(profile: Profile, api: str) -> bytes:
    """RFC 6750's where keys travel as bearers; else one of our own that names the header (none is registered)."""
    if any(carrier.kind == "bearer" for carrier in profile.carriers):
        return f'Bearer realm="{api}"'.encode()
    first = profile.carriers[0]
    return f'ApiKey realm="{api}", {first.kind}="{first.name}"'.encode()

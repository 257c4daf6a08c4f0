"""Looking into one key: what support asks for it with, and what they are told. Nothing is changed, or spent."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from limen.control import apis, keys, measures, owners, usage
from limen.control.inspection import _rows
from limen.control.inspection.flaws import Flaw, flaw_of
from limen.control.inspection.words import WHAT_TO_DO, Findings, source_of
from limen.control.keys import Key
from limen.control.measures import Measure
from limen.core.carriers import split_version
from limen.core.problems import VERDICTS, ProblemError
from limen.core.record import Record
from limen.core.routes import Operation
from limen.core.rules import Rules
from limen.core.verdict import (
    ADDRESS_NOT_ALLOWED,
    CREDENTIAL_INVALID,
    CREDENTIAL_MALFORMED,
    KEY_REVOKED,
    OPERATION_UNKNOWN,
    ORIGIN_NOT_ALLOWED,
    OWNER_SUSPENDED,
    VERSION_MISSING,
    Ask,
    Code,
    reasons,
)
from limen.core.versions import iso_instant
from limen.db.changes import current_rules
from limen.db.recognise import Recognised
from limen.db.records import load_record
from limen.db.transaction import Reader

_ANY = Operation(name="", method="", path="")
"""In place of an operation that nobody named: it has no limits of its own."""

_FORM = ("empty", "surrounded", "unknown_prefix", "wrong_length", "wrong_alphabet", "wrong_checksum")
"""The flaws for which a gate does not even look for a key."""

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Presented:
    """What is looked into: the id of a key; or a text, which is not shown, with what it was recognised as."""

    key: str = ""
    text: str = field(default="", repr=False)
    recognised: Recognised | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """A request that the key would be used for. What is left out is not looked at.

    *operation*: its id in the API's profile, or a call as ``GET /chats``. *environment*: default, the key's own.
    """

    api: str = ""
    operation: str = ""
    version: str = ""
    environment: str = ""
    address: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for which the request is refused: its code, and in words what was found and what to do."""

    code: str
    status: int
    title: str
    found: str
    what_to_do: str


@dataclass(frozen=True, slots=True)
class HeldLimit:
    """A limit that applies, and where it comes from."""

    limit: str
    source: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What there is to know of what was presented. Moments are Unix seconds."""

    presented: str
    """``id`` or ``text``."""
    whole: bool | None
    """Whether the text is the whole key; None: an id was presented, which proves nothing."""
    flaw: str
    """What is wrong with it as a key; empty where it is one."""
    found: str
    """The same in words."""
    key: Key | None
    """The key; where only its secret is wrong, the one that the id names."""
    deleted_at: float | None
    refused: bool
    """Whether the request would be refused, as far as it was looked at and there is room in every limit."""
    reasons: tuple[Reason, ...]
    """All that hold, in the order of precedence: a caller is told the first."""
    operation: str
    scopes_needed: tuple[str, ...]
    scopes_missing: tuple[str, ...]
    limits: tuple[HeldLimit, ...]
    limited_at: float | None
    """Since when it has been refused for a limit and not been admitted."""
    disregards: int
    """How often it called inside a ``Retry-After`` in the last 24 hours."""
    measures: tuple[Measure, ...]
    """Measures of staff that hold for it; shown to staff alone."""
    not_looked_at: tuple[str, ...]
    """What was not said of the request, although it may decide: ``operation``, ``version``, ``address``, ``origin``."""


def inspect(
    reader: Reader, presented: Presented, wish: Wish | None = None, *, of: Collection[str] | None = None
) -> Inspection:
    """Which key it is, and every reason for which a request with it is refused (R271 to R273).

    *of*: whose keys the asker may know of; None: staff, who may know of all. A key of anybody else is unknown.
    Raises ``api_unknown`` for an API in *wish* that is not there.
    """
    wish = wish or Wish()
    if wish.api:
        apis.require(reader, wish.api)
    recognised = presented.recognised or Recognised((presented.key,))
    of_text = presented.recognised is not None
    key, near = recognised.keys[0] if recognised.keys else "", recognised.near
    row = _known(reader, key or near, of)
    if row is None or not key:
        return _no_key(reader, presented, row, of_text=of_text)
    if wish.api not in ("", row.api):
        flaw = Flaw("other_api", f"It is a key of {row.api}, not of {wish.api}.")
        return _flawed(reader, row, flaw, of_text=of_text, code=_at_another(reader, row, wish.api))
    return _looked_into(reader, row, wish, of_text=of_text, staff=of is None)


def _known(reader: Reader, key: str, of: Collection[str] | None) -> Any:
    row = _rows.one(reader.connection, key) if key else None
    if row is None or of is None:
        return row
    return row if row.owner in of and row.deleted_at is None else None


def _no_key(reader: Reader, presented: Presented, row: Any, *, of_text: bool) -> Inspection:
    """What was presented is no key, or not the whole of one."""
    if of_text:
        profiles = {each.api: apis.profile_of(reader, each.api) for each in apis.listed(reader, built_in=True)}
        flaw = flaw_of(presented.text, row.hint if row is not None else "", profiles)
    else:
        flaw = Flaw("unknown_id", "There has never been a key of this id.")
    code = CREDENTIAL_MALFORMED if flaw.flaw in _FORM else CREDENTIAL_INVALID
    return _flawed(reader, row if flaw.flaw == "wrong_secret" else None, flaw, of_text=of_text, code=code)


def _at_another(reader: Reader, row: Any, api: str) -> Code:
    """What a key of one API is refused with at another: whether that knows its prefix decides."""
    rules = current_rules(reader.connection, api)
    held = _shown(reader, row)
    if rules is None or held is None:
        return CREDENTIAL_INVALID
    classes = apis.profile_of(reader, row.api).keys.classes
    prefixes = classes[held.key_class].prefixes if held.key_class in classes else {}
    known = prefixes.get(held.environment, "").encode() in rules.prefixes
    return CREDENTIAL_INVALID if known else CREDENTIAL_MALFORMED


def _flawed(reader: Reader, row: Any, flaw: Flaw, *, of_text: bool, code: Code) -> Inspection:
    return Inspection(
        presented="text" if of_text else "id",
        whole=flaw.flaw == "other_api" if of_text else None,
        flaw=flaw.flaw,
        found=flaw.said,
        key=None if row is None else _shown(reader, row),
        deleted_at=None if row is None else row.deleted_at,
        refused=True,
        reasons=(_reason(code, ""),),
        operation="",
        scopes_needed=(),
        scopes_missing=(),
        limits=(),
        limited_at=None,
        disregards=0,
        measures=(),
        not_looked_at=(),
    )


def _shown(reader: Reader, row: Any) -> Key | None:
    try:
        return keys.require(reader, row.key)
    except ProblemError:  # deleted: it is shown to nobody any more
        return None


def _looked_into(reader: Reader, row: Any, wish: Wish, *, of_text: bool, staff: bool) -> Inspection:
    rules = current_rules(reader.connection, row.api)
    if rules is None:
        raise ProblemError("api_unknown")
    record, _ = load_record(
        reader.connection, row.locator, api=row.api, profile=rules.profile, shared={}, numbered=lambda *_: 0
    )
    assert record is not None  # noqa: S101 - said to the type checker: its row was read in this transaction
    operation, ask = _asked(reader, record, wish, rules)
    version = rules.versions.get(record.terms.pinned if ask.version is None else ask.version)
    said, key = _unsaid(record, wish, ask, rules), _shown(reader, row)
    notes = _notes(reader, row, key, staff=staff)
    findings = Findings(record, ask, operation, version, rules, notes)
    codes = [code for code in reasons(record, ask, operation, version, rules) if code not in said.values()]
    if operation is not None and operation.public:
        codes = []
    needed = operation.scopes if operation is not None else frozenset()
    held = rules.throttles, rules.blocks
    holding = [each.measure for kind in held if kind is not None for each in kind.holding(record, operation, ask)]
    catalogue = rules.profile.catalogue
    disregarded = usage.disregards(reader, since=reader.now - DAY_S, key=row.key)
    return Inspection(
        presented="text" if of_text else "id",
        whole=True if of_text else None,
        flaw="",
        found="",
        key=key,
        deleted_at=row.deleted_at,
        refused=bool(codes),
        reasons=tuple(_reason(code, findings.say(code)) for code in codes),
        operation=operation.name if operation is not None else "",
        scopes_needed=catalogue.ordered(needed),
        scopes_missing=catalogue.ordered(needed - record.terms.scopes),
        limits=tuple(
            HeldLimit(str(limit), source_of(limit, record, rules))
            for limit, _ in rules.limits(record, operation or _ANY, ask)
        ),
        limited_at=row.limited_at,
        disregards=sum(each.count for each in disregarded),
        measures=tuple(measures.require(reader, each) for each in holding) if staff else (),
        not_looked_at=tuple(said),
    )


def _asked(reader: Reader, record: Record, wish: Wish, rules: Rules) -> tuple[Operation | None, Ask]:
    """The operation that is wished for, and the request as a door would have asked for it."""
    method, _, path = wish.operation.partition(" ")
    version, raw = _raw(wish.version) or None, _raw(path.partition("?")[0])
    if path and rules.profile.versioning is not None and rules.profile.versioning.carrier == "path":
        named, raw = split_version(raw)
        version = version or named
    if path:
        operation = rules.routes.find(_raw(method), raw)
    else:
        operation = next((each for each in rules.profile.operations if each.name == wish.operation), None)
    ask = Ask(
        None,
        _raw(method),
        raw,
        version,
        _raw(wish.environment) or record.terms.environment,
        reader.now,
        0.0,
        _raw(wish.origin) or None,
        wish.address or None,
    )
    return operation, ask


def _raw(text: str) -> bytes:
    """*text* as the wire would have it."""
    return text.encode("utf-8", "surrogateescape")


def _unsaid(record: Record, wish: Wish, ask: Ask, rules: Rules) -> dict[str, Code]:
    """What was not said of the request although it may decide, and the reason that there would be for that alone."""
    found = {}
    if not wish.operation:
        found["operation"] = OPERATION_UNKNOWN
    if rules.versioned and ask.version is None and not record.terms.pinned:
        found["version"] = VERSION_MISSING
    if not wish.address and (record.terms.addresses is not None or rules.blocks is not None):
        found["address"] = ADDRESS_NOT_ALLOWED
    if not wish.origin and record.terms.origins is not None:
        found["origin"] = ORIGIN_NOT_ALLOWED
    return found


def _notes(reader: Reader, row: Any, key: Key | None, *, staff: bool) -> dict[Code, str]:
    """What only the rows say of an end, and of a suspension what is for staff to know."""
    found = {}
    if row.deleted_at is not None:
        found[KEY_REVOKED] = f"It was deleted on {iso_instant(row.deleted_at)}."
    elif key is not None and key.state == "revoked" and key.ended_at is not None:
        reason = f": {key.ended_reason}" if key.ended_reason else ""
        found[KEY_REVOKED] = f"It was revoked on {iso_instant(key.ended_at)}{reason}."
    if staff and (held := owners.require(reader, row.owner)).suspended_reason:
        found[OWNER_SUSPENDED] = f"Suspended: {held.suspended_reason}."
    return found


def _reason(code: Code, found: str) -> Reason:
    problem = VERDICTS[code.slug]
    return Reason(code.slug, problem.status, problem.title, found or problem.detail, WHAT_TO_DO[code])

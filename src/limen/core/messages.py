"""What people are told of an event: whose it is, how much it matters, and in which words.

Owners and staff are told by default of what the table says; a channel may want other events instead, by their names.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from limen.core.versions import iso_instant

IMPORTANCE: Final = ("info", "warning", "critical")
STAFF: Final = ""
"""In place of an owner."""

NOTICE: Final = "notice"
"""The event as which a notice of staff is delivered."""
TEST: Final = "channel.test"
"""The event as which a test is delivered."""
CONFIRM: Final = "channel.confirm"
"""The event as which an e-mail address is asked whether it is whose it is said to be."""

PATTERN = re.compile(r"\*|[a-z_]{1,40}\.(\*|[a-z_]{1,40})|notice", re.ASCII)
"""What a channel may want: an event's name, all that begin alike (``key.*``), or all (``*``)."""

_LINE_CHARS, _TEXT_CHARS = 200, 4_000


@dataclass(frozen=True, slots=True)
class Telling:
    """How an event is told. Title and text have the event's fields in braces; moments are written as ISO 8601."""

    importance: str
    title: str
    text: str
    staff: bool = False
    """Whether staff are told by default."""
    owner: bool = True
    """Whether its owner is told by default."""


def _table(*rows: tuple[str, Telling]) -> dict[str, Telling]:
    return dict(rows)


TOLD: Final[Mapping[str, Telling]] = _table(
    (
        "key.issued",
        Telling("info", "A key was issued", "Key {subject} of {api} was issued. Was it not you? Revoke it."),
    ),
    (
        "key.regenerated",
        Telling(
            "info", "A key was regenerated", "Key {subject} of {api} replaces {predecessor}, which ends {ends_at}."
        ),
    ),
    (
        "key.revoked",
        Telling("warning", "A key was revoked", "Key {subject} of {api} was ended for good. Requests with it fail."),
    ),
    (
        "key.expired",
        Telling("warning", "A key expired", "Key {subject} of {api} is past its date. Requests with it fail."),
    ),
    (
        "key.deactivated",
        Telling("warning", "A key was deactivated", "Key {subject} of {api} is refused until it is woken."),
    ),
    (
        "key.expiry_changed",
        Telling("warning", "A key ends sooner", "Key {subject} of {api} ends {expires_at}. Replace it before."),
    ),
    (
        "key.leaked",
        Telling(
            "critical",
            "A key leaked",
            "Key {subject} of {api} was found by {source}. What was done: {done}. Replace it, and mend where it lies.",
            staff=True,
        ),
    ),
    (
        "key.limit_disregarded",
        Telling(
            "warning",
            "A key calls on although told to wait",
            "Key {subject} of {api} called {count} times inside its Retry-After in the hour from {hour_at} on.",
        ),
    ),
    (
        "request.asked",
        Telling(
            "info", "A key was asked for", "Request {subject} of {owner} for {api} waits.", staff=True, owner=False
        ),
    ),
    (
        "request.granted",
        Telling(
            "info", "A key was granted", "Request {subject} for {api} was granted. Reveal the key before {lapses_at}."
        ),
    ),
    ("request.refused", Telling("info", "A key was refused", "Request {subject} for {api} was refused; it says why.")),
    ("invitation.made", Telling("info", "Somebody was invited", "Somebody was invited to {organisation} as {role}.")),
    ("member.joined", Telling("info", "Somebody joined", "{member} is {role} of {subject} now.")),
    ("member.role_set", Telling("info", "A role changed", "{member} is {role} of {subject} now, and was {was}.")),
    (
        "member.removed",
        Telling("warning", "Somebody left", "{member} left {subject}. Keys to rotate, which they made: {keys}."),
    ),
    ("owner.suspended", Telling("critical", "API access is suspended", "All API access of {subject} is stopped.")),
    ("owner.restored", Telling("info", "API access is back", "API access of {subject} is not suspended any more.")),
    ("owner.plan_set", Telling("info", "The plan changed", "The plan of {subject} on {api} is {plan} now.")),
    (
        "channel.disabled",
        Telling(
            "warning", "Nothing is sent there any more", "Channel {subject} was disabled ({why}). Enable it again."
        ),
    ),
    (
        "delivery.died",
        Telling(
            "warning",
            "Something could not be delivered",
            "Delivery {subject} of {event} to channel {channel} was given up after {attempts} attempts: {result}.",
        ),
    ),
    ("alert.fired", Telling("warning", "{title}", "{text}")),
    ("alert.resolved", Telling("info", "{title}", "{text}")),
    ("alert.digest", Telling("info", "{title}", "{text}")),
    (NOTICE, Telling("warning", "{title}", "{text}")),
    (TEST, Telling("info", "A test", "This is a test of channel {subject}. Nothing has happened.")),
    (CONFIRM, Telling("info", "Is this address yours?", "Somebody asked for messages about API keys to be sent here.")),
)
"""The events that are told in words of their own."""

_OWNER_IS_SUBJECT = ("owner.", "member.")
_STAFFS_OWN = ("alert.", "channel.", "delivery.")
"""What staff are told of as an owner is, where it is theirs."""
_NOBODYS = frozenset({"measure", "version", "api", "profile", "pepper", "secret", "setting", "audit", "installation"})


@dataclass(frozen=True, slots=True)
class Message:
    """An event in words."""

    importance: str
    title: str
    text: str
    """One paragraph, or several with a line end between."""
    facts: tuple[tuple[str, str], ...]
    """What else it says, by name."""


def owner_of(event: str, payload: Mapping[str, Any]) -> str:
    """Whose event it is; ``STAFF`` where it is nobody else's."""
    if event.partition(".")[0] in _NOBODYS:
        return STAFF
    if event.startswith(_OWNER_IS_SUBJECT):
        return str(payload.get("subject", STAFF))
    return str(payload.get("owner") or payload.get("organisation") or STAFF)


def is_wanted(event: str, payload: Mapping[str, Any], wanted: Collection[str], *, staff: bool) -> bool:
    """Whether who wants *wanted* is told of *event*; where that is empty, as the table says."""
    if event in (TEST, CONFIRM):
        return True
    if not wanted:
        return is_told(event, payload, staff=staff)
    return event in wanted or "*" in wanted or f"{event.partition('.')[0]}.*" in wanted


def names_wanted(wanted: Collection[str], *, staff: bool) -> tuple[str, ...]:
    """Names of events, as ``PATTERN`` has them, beside which ``is_wanted`` says no to each."""
    usual = (name for name, told in TOLD.items() if not staff or told.staff or name.startswith(_STAFFS_OWN))
    return tuple(wanted or usual)


def is_told(event: str, payload: Mapping[str, Any], *, staff: bool) -> bool:
    """Whether staff, or an event's owner, are told of it without having said that they want it."""
    told = TOLD.get(event)
    if told is None or (staff and owner_of(event, payload) == STAFF and event.startswith(_STAFFS_OWN)):
        return told is not None
    return told.staff if staff else told.owner


def message_of(event: str, payload: Mapping[str, Any]) -> Message:
    """The event in words. Nothing in it steers what shows it: it is printable, and cut where it is long."""
    told = TOLD.get(event) or Telling("info", event.replace(".", " ").replace("_", " ").capitalize(), "")
    fields = {name: _written(name, value) for name, value in payload.items()}
    known = _Fields(fields)
    shown = told.title + told.text
    facts = tuple(
        (name.replace("_", " "), value)
        for name, value in fields.items()
        if value and f"{{{name}}}" not in shown and name not in ("title", "text", "severity", "facts")
    )
    more = payload.get("facts")
    if isinstance(more, Mapping):
        facts += tuple((str(name).replace("_", " "), _written(str(name), value)) for name, value in more.items())
    severity = payload.get("severity")
    importance = severity if event.startswith("alert.") and severity in IMPORTANCE else told.importance
    return Message(
        str(importance),
        told.title.format_map(known).replace("\n", " ")[:_LINE_CHARS],
        told.text.format_map(known)[:_TEXT_CHARS],
        facts,
    )


class _Fields(dict[str, str]):
    """The fields of an event that may lack one: payloads are older than the words for them."""

    def __missing__(self, name: str) -> str:
        return "-"


def _written(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float) and (name == "at" or name.endswith(("_at", "_until"))):
        return iso_instant(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_written(str(key), each)}" for key, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_written("", each) for each in value)
    if value is None or value == "":
        return ""
    return "".join(c for c in str(value) if c.isprintable() or c == "\n")

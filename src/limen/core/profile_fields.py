"""Every field that a profile may have: ``PROFILE`` is the table. docs/reference/profile.md says the same in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from limen.core.limits import MOST, Limits, read_limits
from limen.core.profile_alerts import ALERTS
from limen.core.profile_body import EXACT, Body
from limen.core.profile_form import Field, Items, Leaf, Section, Table, listed
from limen.core.profile_hooks import WEBHOOKS
from limen.core.routes import METHODS, split_template
from limen.core.scopes import SCOPE
from limen.core.verdict import Code

ALL: Final = "all"
"""In place of a list of scopes: every one."""
FOREIGN_CHARS: Final = (8, 512)
"""How many characters a key of another system has at least and at most."""

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_LONGEST_S = 36_500 * 86400
_TEXT_CHARS, _PATH_CHARS = 1000, 512
_REFUSALS = tuple(code.slug for code in Code if code is not Code.OK)
_SPAN = re.compile(r"([0-9]{1,9}) ?(s|min|h|d)")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(_DAY.pattern + r"T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})")
_FIRST_S, _END_S = 0, datetime(9999, 1, 1, tzinfo=UTC).timestamp()
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}"  # noqa: S105 - a header's name, RFC 9110 §5.6.2


def text_of(value: Any) -> str:
    """*value* as it was written. Whole numbers are text too, where text is asked for. Raises ValueError."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < EXACT:
        return str(int(value))
    raise ValueError("not text")


def _fits(pattern: str) -> Callable[[Any], str]:
    whole = re.compile(pattern)

    def read(value: Any) -> str:
        text = text_of(value)
        if whole.fullmatch(text) is None:
            raise ValueError("another form")
        return text

    return read


def _one_of(*words: str) -> Leaf:
    return Leaf(listed(words), _fits("|".join(words)))


def _line(value: Any) -> str:
    text = text_of(value).strip()
    if not 0 < len(text) <= _TEXT_CHARS or not text.isprintable():
        raise ValueError("not one line of text")
    return text


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    return {"on": True, "true": True, "off": False, "false": False}[_fits("on|off|true|false")(value)]


def _active(value: Any) -> int | None:
    return 1 if _fits("1|unlimited")(value) == "1" else None


def _span(value: Any) -> int:
    match = _SPAN.fullmatch(text_of(value))
    seconds = int(match[1]) * _SECONDS[match[2]] if match else _LONGEST_S + 1
    if seconds > _LONGEST_S:
        raise ValueError("no duration, or too long a one")
    return seconds


def _lifetime(value: Any) -> int | None:
    if value == "none":
        return None
    seconds = _span(value)
    if seconds == 0:
        raise ValueError("a key that is issued lives")
    return seconds


def _kept(value: Any) -> int | None:
    seconds = _lifetime(value)
    if seconds is not None and seconds < _SECONDS["d"]:
        raise ValueError("what was answered may be told a day later")
    return seconds


def _in_flight(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= 10_000:
        raise ValueError("no such number")
    return value


def _limits(value: Any) -> Limits:
    return read_limits(", ".join(map(text_of, value)) if isinstance(value, list) else text_of(value), "allowance")


def _plan_limits(value: Any) -> Limits:
    return () if value == "custom" else _limits(value)


def _length(value: Any) -> tuple[int, int]:
    shortest, _, longest = _fits("[0-9]{1,3}(-[0-9]{1,3})?")(value).partition("-")
    least, most = int(shortest), int(longest or shortest)
    if not FOREIGN_CHARS[0] <= least <= most <= FOREIGN_CHARS[1]:
        raise ValueError("a length that no key has")
    return least, most


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("not a list")
    names = tuple(text_of(name) for name in value)
    if len(set(names)) < len(names):
        raise ValueError("a name twice")
    return names


def _all_or_names(value: Any) -> tuple[str, ...] | str:
    return ALL if value == ALL else _names(value)


def _scope_name(value: Any) -> str:
    name = text_of(value)
    if SCOPE.fullmatch(name) is None or name == ALL:
        raise ValueError("not a scope")
    return name


def _carrier_header(value: Any) -> str:
    name = _fits(_TOKEN)(value)
    if name.lower() == "authorization":
        raise ValueError("that is what bearer is for")
    return name


def _instant(value: Any) -> float:
    text = text_of(value)
    if _DAY.fullmatch(text):
        text += "T00:00:00Z"
    elif _INSTANT.fullmatch(text) is None:
        raise ValueError("not an instant")
    try:
        moment = datetime.fromisoformat(text).timestamp()
    except OverflowError as error:
        raise ValueError("out of range") from error
    if not _FIRST_S <= moment < _END_S:
        raise ValueError("out of range")
    return moment


def _call(value: Any) -> tuple[str, str]:
    method, _, path = text_of(value).partition(" ")
    if method not in METHODS or len(path) > _PATH_CHARS:
        raise ValueError("no call")
    split_template(path)
    return method, path


def _reason(value: Any) -> str:
    return value if value in _REFUSALS else _fits("[45][0-9]{2}")(value)


NAME = Leaf("a small letter, then small letters, digits, _ or -, at most 32", _fits("[a-z][a-z0-9_-]{0,31}"))
LINE = Leaf(f"text on one line, at most {_TEXT_CHARS} characters", _line)
ADDRESS = Leaf("an http:// or https:// address", _fits(r"https?://[!-~]{1,1000}"))
CONTACT = Leaf(
    "an e-mail address, or an https:// address", _fits(r"[^@\s:/]{1,64}@[^@\s:/]{1,255}|https://[!-~]{1,1000}")
)
SWITCH = Leaf("on, off (or true, false)", _switch)
LIMITS = Leaf(
    "a limit, as '100 per 60 s' (units: s, min, h, d; 'shadow 100 per 60 s' only counts),"
    f" or up to {MOST} of different lengths, as '100 per 60 s, 5000 per 1 d' or a list",
    _limits,
)
PLAN_LIMITS = Leaf(f"{LIMITS.allowed}; or custom", _plan_limits)
SPAN = Leaf("a duration up to 100 years, as '0 s', '5 min', '24 h', '90 d'", _span)
LIFETIME = Leaf("none, or a duration from 1 s to 100 years, as '24 h', '90 d' (units: s, min, h, d)", _lifetime)
KEPT = Leaf("none (for ever), or a duration from 1 d to 100 years, as '30 d' (units: s, min, h, d)", _kept)
SCOPES = Leaf("a list of scopes, each once", _names)
ALL_OR_SCOPES = Leaf("all, or a list of scopes, each once", _all_or_names)
FOREIGN_PREFIX = Leaf("at most 64 printable characters of ASCII, no space, no comma", _fits(r"[!-+\--~]{0,64}"))
PREFIX = Leaf("2 to 24 of a-z, 0-9 and _, with _ at the end", _fits("[a-z0-9_]{1,23}_"))
HEADER = Leaf("a header's name: letters, digits and !#$%&'*+.^_`|~- (RFC 9110 §5.6.2)", _fits(_TOKEN))
CARRIER_HEADER = Leaf(f"{HEADER.allowed}, not Authorization: that is what bearer is for", _carrier_header)
PARAMETER = Leaf("a query parameter's name: letters, digits and _ . -", _fits(r"[0-9A-Za-z_.-]{1,64}"))
INSTANT = Leaf("a day, as 2026-06-26 (midnight UTC), or an instant, as 2026-06-26T12:00:00Z; 1970 to 9998", _instant)
OPERATION_ID = Leaf("a letter, then letters and digits, at most 64", _fits("[A-Za-z][A-Za-z0-9]{0,63}"))
CALL = Leaf(
    f"METHOD /path, with a method of {', '.join(METHODS)}, and segments that are literal (letters, digits, _ . ~ -)"
    " or {name}",
    _call,
)
REASON = Leaf(f"a status from 400 to 599, or a code: {', '.join(_REFUSALS)}", _reason)
SCOPE_NAME = Leaf("verb:resource, or one word other than all; small letters, digits, _ . -", _scope_name)
VERSION_NAME = Leaf("a version's name", _line)

ENVIRONMENTS = Section({"live": Field(PREFIX, None), "test": Field(PREFIX, None)})

KEY_CLASS = Section(
    {
        "prefixes": Field(ENVIRONMENTS),
        "scopes": Field(ALL_OR_SCOPES),
        "default_scopes": Field(SCOPES, []),
        "origins": Field(SWITCH, "off"),
        "limit": Field(LIMITS, None),
    }
)

FOREIGN_KEYS = Section(
    {
        "prefix": Field(FOREIGN_PREFIX, None),
        "length": Field(
            Leaf(f"the number of characters, as 40 or 32-64; {FOREIGN_CHARS[0]} to {FOREIGN_CHARS[1]}", _length)
        ),
        "hash": Field(_one_of("plain", "sha256", "sha512", "hmac-sha256")),
        "secret": Field(NAME, None),
        "class": Field(NAME),
        "environment": Field(_one_of("live", "test")),
    }
)

KEYS = Section(
    {
        "max_active_per_owner": Field(Leaf("1, unlimited", _active)),
        "on_overflow": Field(_one_of("replace", "reject"), "reject"),
        "issuance": Field(_one_of("self_service", "approval")),
        "overlap": Field(SPAN, "0 s"),
        "max_lifetime": Field(LIFETIME, "none"),
        "on_leak": Field(_one_of("revoke", "warn"), "revoke"),
        "foreign": Field(Items(FOREIGN_KEYS, most=20), []),
        "classes": Field(Table("class", NAME, KEY_CLASS, least=1, most=100)),
    }
)

CARRIER = Section(
    {
        "header": Field(CARRIER_HEADER, None),
        "bearer": Field(SWITCH, None),
        "query": Field(PARAMETER, None),
    },
    words="header: NAME, bearer, or query: NAME",
    short=lambda word: {"bearer": True} if word == "bearer" else None,
)

SCOPE_FIELDS = Section(
    {
        "description": Field(LINE),
        "implies": Field(ALL_OR_SCOPES, []),
        "extension": Field(SWITCH, "off"),
    },
    words="a description, or a mapping of description, implies, extension",
    short=lambda text: {"description": text},
)

VERSIONING = Section(
    {
        "carrier": Field(_one_of("header", "path")),
        "header": Field(HEADER, None),
        "format": Field(_one_of("date", "segment")),
        "deprecation": Field(_one_of("rfc9745", "http-date"), "rfc9745"),
        "next_header": Field(HEADER),
        "missing": Field(_one_of("refuse", "pin"), "refuse"),
        "versions": Field(
            Table(
                "version",
                VERSION_NAME,
                Section(
                    {
                        "deprecated": Field(INSTANT, None),
                        "sunset": Field(INSTANT, None),
                        "successor": Field(VERSION_NAME, None),
                    }
                ),
                least=1,
            )
        ),
    }
)

RATE_HEADERS = Section(
    {
        "limit": Field(HEADER, "X-RateLimit-Limit"),
        "remaining": Field(HEADER, "X-RateLimit-Remaining"),
        "reset": Field(HEADER, "X-RateLimit-Reset"),
    }
)

OPERATION = Section(
    {
        "id": Field(OPERATION_ID),
        "call": Field(CALL),
        "scopes": Field(SCOPES, None),
        "public": Field(SWITCH, "off"),
        "write": Field(SWITCH, None),
        "limit": Field(LIMITS, None),
    }
)

PLAN = Section({"title": Field(LINE), "limit": Field(PLAN_LIMITS), "granular_scopes": Field(SWITCH, "on")})

USAGE = Section(
    {
        "readings": Field(KEPT, "30 d"),
        "minutes": Field(KEPT, "7 d"),
        "hours": Field(KEPT, "400 d"),
        "days": Field(KEPT, "none"),
    }
)

PROFILE = Section(
    {
        "profile": Field(NAME),
        "title": Field(LINE),
        "support": Field(CONTACT),
        "documentation": Field(ADDRESS, None),
        "words": Field(Section({"key": Field(LINE, "API key"), "owner": Field(LINE, None)}), {}),
        "owners": Field(Section({"type": Field(_one_of("user", "organisation")), "allowlist": Field(SWITCH, "on")})),
        "carriers": Field(Items(CARRIER, least=1, most=20)),
        "keys": Field(KEYS),
        # 200: the closure of the catalogue is worked out by recursion
        "scopes": Field(Table("scope", SCOPE_NAME, SCOPE_FIELDS, most=200)),
        "versioning": Field(VERSIONING, None),
        "limits": Field(
            Section(
                {
                    "per": Field(_one_of("key", "owner")),
                    "default": Field(LIMITS),
                    "in_flight": Field(Leaf("a number from 1 to 10000", _in_flight), None),
                    "headers": Field(RATE_HEADERS, {}),
                }
            )
        ),
        "plans": Field(Table("plan", NAME, PLAN), {}),
        "usage": Field(USAGE, {}),
        "alerts": Field(ALERTS, {}),
        "operations": Field(Items(OPERATION, least=1, most=2000)),
        "webhooks": Field(WEBHOOKS, None),
        "errors": Field(
            Section(
                {
                    "style": Field(_one_of("problem", "compat"), "problem"),
                    "compat": Field(Table("code or status", REASON, Body(), most=200), {}),
                }
            ),
            {},
        ),
    }
)
"""The table of fields."""

"""Each reason in plain words: what was found, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from limen.core.limits import Limit
from limen.core.verdict import (
    ACCESS_BLOCKED,
    ADDRESS_NOT_ALLOWED,
    CREDENTIAL_CONFLICT,
    CREDENTIAL_INVALID,
    CREDENTIAL_MALFORMED,
    CREDENTIAL_MISSING,
    ENVIRONMENT_MISMATCH,
    KEY_EXPIRED,
    KEY_INACTIVE,
    KEY_REVOKED,
    LIMIT_EXCEEDED,
    OK,
    OPERATION_UNKNOWN,
    ORIGIN_NOT_ALLOWED,
    OWNER_NOT_ALLOWED,
    OWNER_SUSPENDED,
    SCOPE_MISSING,
    UNAVAILABLE,
    VERSION_BROWNOUT,
    VERSION_MALFORMED,
    VERSION_MISSING,
    VERSION_SUNSET,
    VERSION_UNKNOWN,
    WRITES_DISABLED,
    Ask,
    Code,
)
from limen.core.versions import iso_instant

if TYPE_CHECKING:
    from limen.core.record import Record
    from limen.core.routes import Operation
    from limen.core.rules import Rules
    from limen.core.versions import Version

WHAT_TO_DO: dict[Code, str] = {
    CREDENTIAL_MISSING: "Send the key, in the place that the API's documentation names.",
    CREDENTIAL_CONFLICT: "Send one key, in one place.",
    CREDENTIAL_MALFORMED: "Copy the whole key again from where it is kept. If it is lost, issue another.",
    UNAVAILABLE: "Try again in a moment.",
    CREDENTIAL_INVALID: "Look whether it is the right key, for the right API. If that is lost, issue another.",
    KEY_REVOKED: "Issue another key: an end is final.",
    KEY_EXPIRED: "Issue another key: an end is final. The expiry of a key is never moved out.",
    KEY_INACTIVE: "Reactivate the key, or use another.",
    OWNER_SUSPENDED: "Restore the owner, once what it was suspended for is settled.",
    OWNER_NOT_ALLOWED: "Put the owner on the API's allow-list.",
    ENVIRONMENT_MISMATCH: "Use a key of the environment that is called, or call that of the key.",
    ORIGIN_NOT_ALLOWED: "Call from one of the key's web origins, or issue a key with this one.",
    ADDRESS_NOT_ALLOWED: "Call from one of the key's address ranges, or issue a key with this one.",
    OPERATION_UNKNOWN: "Look at method and path: the API's profile lists what there is.",
    VERSION_MISSING: "Name a version, as the API's documentation says.",
    VERSION_MALFORMED: "Write the version as the API's documentation says.",
    VERSION_UNKNOWN: "Name a version that there is.",
    VERSION_SUNSET: "Move to a version that is served.",
    VERSION_BROWNOUT: "Wait for its end, and move to another version: this one will be removed.",
    WRITES_DISABLED: "Wait until the API is no longer read-only. Reading goes on.",
    ACCESS_BLOCKED: "Wait until the measure ends, or have it lifted.",
    SCOPE_MISSING: "Issue a key with the scopes that are missing: those of a key never change.",
    LIMIT_EXCEEDED: "Wait as long as Retry-After says, and call less often; or get a plan with more.",
    OK: "Nothing.",
}


class Findings:
    """What is known of one request, to say reasons with."""

    def __init__(
        self,
        record: Record,
        ask: Ask,
        operation: Operation | None,
        version: Version | None,
        rules: Rules,
        notes: Mapping[Code, str],
    ) -> None:
        """*notes*: what is said of a reason in any case."""
        self.record, self.ask, self.operation, self.version, self.rules = record, ask, operation, version, rules
        self.notes = notes

    def say(self, code: Code) -> str:
        """What was found, where more can be said than that it is so; else empty."""
        terms, ask, version = self.record.terms, self.ask, self.version
        if code in self.notes:
            return self.notes[code]
        if code is KEY_EXPIRED and self.record.expires_at <= ask.now:
            return f"It ended on {iso_instant(self.record.expires_at)}."
        if code is ENVIRONMENT_MISMATCH:
            return f"The key is for {terms.environment.decode()}, the request for {ask.environment.decode()}."
        if code is ORIGIN_NOT_ALLOWED:
            return f"Allowed: {', '.join(sorted(each.decode() for each in terms.origins or ()))}."
        if code is ADDRESS_NOT_ALLOWED:
            return f"Allowed: {', '.join(map(str, terms.addresses or ()))}."
        if code is SCOPE_MISSING and self.operation is not None:
            catalogue = self.rules.profile.catalogue
            missing = catalogue.ordered(self.operation.scopes - terms.scopes)
            return f"{self.operation.method} {self.operation.path} needs {', '.join(missing)}, which the key lacks."
        if code in (VERSION_MISSING, VERSION_MALFORMED, VERSION_UNKNOWN):
            return f"Served: {', '.join(self.rules.supported(ask.now))}."
        if version is not None and code is VERSION_SUNSET:
            onward = self.rules.onward(version, ask.now)
            return f"{version.name} was sunset on {iso_instant(version.sunset_at or 0)}; move to {onward}."
        if version is not None and code is VERSION_BROWNOUT and (brownout := version.brownout(ask.now)) is not None:
            return f"As announced, {version.name} does not work until {iso_instant(brownout.ends_at)}."
        return ""


def source_of(limit: Limit, record: Record, rules: Rules) -> str:
    """Where a limit comes from, in words."""
    if limit.name != "allowance":
        return limit.name
    if record.terms.limits:
        return "the key's own"
    if record.owner.limits:
        return "the owner's own"
    return f"plan {record.owner.plan}" if record.owner.plan in rules.allowances else "the API's default"

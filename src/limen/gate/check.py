"""The decision. Read this file first.

``carrier → route → directory → compare digest → judge → counters → journal → answer``. Synchronous, and without IO:
what memory does not hold, ``gate.cold`` fetches, and asks again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from limen.core.keys import BODY_CHARS, CONFLICT, is_key
from limen.core.verdict import (
    CREDENTIAL_CONFLICT,
    CREDENTIAL_INVALID,
    CREDENTIAL_MALFORMED,
    CREDENTIAL_MISSING,
    LIMIT_EXCEEDED,
    OK,
    UNAVAILABLE,
    Ask,
    Verdict,
    judge,
)

if TYPE_CHECKING:
    from limen.core.routes import Operation
    from limen.core.rules import Rules
    from limen.gate.counters import Counters
    from limen.gate.directory import Directory
    from limen.gate.journal import Journal
    from limen.gate.lease import Lease
    from limen.gate.strangers import Strangers


class Gate:
    """Decides every request to one API. Holds what it decides by; ``rules`` is replaced whole when they change."""

    def __init__(
        self,
        rules: Rules,
        lease: Lease,
        *,
        directory: Directory,
        counters: Counters,
        journal: Journal,
        strangers: Strangers,
    ) -> None:
        self.rules, self.lease, self.directory = rules, lease, directory
        self.counters, self.journal, self.strangers = counters, journal, strangers

    def check(self, ask: Ask, fresh: bool = False) -> Verdict | None:
        """The verdict on *ask*, journalled if its key is known; None where memory does not suffice to give one.

        *fresh*: the caller has caught up with the change log since the ask began. No IO, never raises.
        """
        if not (fresh or self.lease.holds()):
            return None
        rules = self.rules
        operation = rules.routes.find(ask.method, ask.path)
        if operation is not None and operation.public:
            return Verdict(OK, None, operation, None)
        text = ask.credential
        record = None if text is None else self.directory.find(text)
        if record is None:
            return self._without_record(ask, operation, rules)
        version = None if ask.version is None else rules.versions.get(ask.version)
        code = judge(record, ask, operation, version, rules)
        limit, remaining, ends_in = None, 0, 0.0
        if code is OK and operation is not None:
            if self.journal.spare is None and not self.journal.has_room():
                return Verdict(UNAVAILABLE, None, operation, None)
            granted, limit, remaining, ends_in = self.counters.take(rules.limits(record, operation), ask.at)
            code = OK if granted else LIMIT_EXCEEDED
        reading = self.journal.decision(code, ask, record.locator, operation, version)
        if not reading:
            return Verdict(UNAVAILABLE, None, operation, None)
        return Verdict(code, record, operation, version, limit, remaining, ends_in, reading)

    def _without_record(self, ask: Ask, operation: Operation | None, rules: Rules) -> Verdict | None:
        text = ask.credential
        which = ""
        if text is None:
            code = CREDENTIAL_MISSING
        elif text is CONFLICT:
            code = CREDENTIAL_CONFLICT
        elif not is_key(text, rules.prefixes):
            code = CREDENTIAL_MALFORMED
        else:
            code = CREDENTIAL_INVALID
            which = self.directory.settled(text)
            if not which:
                return None
        prefix = text[:-BODY_CHARS].decode() if which and text else ""
        self.strangers.count(which or code.slug, prefix, ask.address, ask.now)
        return Verdict(code, None, operation, None)

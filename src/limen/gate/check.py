"""The decision. Read this file first.

``carrier → route → directory → compare digest → judge → counters → journal → answer``. Synchronous, and without IO:
what memory does not hold, ``gate.cold`` fetches, and asks again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from limen.core.keys import CONFLICT
from limen.core.verdict import (
    ACCESS_BLOCKED,
    CREDENTIAL_CONFLICT,
    CREDENTIAL_INVALID,
    CREDENTIAL_MALFORMED,
    CREDENTIAL_MISSING,
    LIMIT_EXCEEDED,
    OK,
    SHADOWED,
    UNAVAILABLE,
    Ask,
    Verdict,
    judge,
)

if TYPE_CHECKING:
    from limen.core.record import Record
    from limen.core.routes import Operation
    from limen.core.rules import Rules
    from limen.gate.counters import Counters, Take
    from limen.gate.directory import Directory
    from limen.gate.in_flight import InFlight
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
        must_record: bool = True,
    ) -> None:
        """*must_record*: nothing is admitted that the journal has no room for. False is for Limen's own API alone."""
        self.rules, self.lease, self.directory = rules, lease, directory
        self.counters, self.journal, self.strangers = counters, journal, strangers
        self.must_record = must_record
        self.in_flight: InFlight | None = None
        """What counts requests under way, where a Guard decides; no other door learns when one has ended."""

    def check(self, ask: Ask, fresh: bool = False, take: Take | None = None) -> Verdict | None:
        """The verdict on *ask*, journalled if its key is known; None where memory does not suffice to give one.

        *fresh*: the caller has caught up with the change log since the ask began. *take*: counts in place of this
        gate's counters. No IO, never raises.
        """
        if not (fresh or self.lease.holds(ask.at)):
            return None
        rules = self.rules
        operation = rules.routes.find(ask.method, ask.path)
        if operation is not None and operation.public:
            return self._public(ask, operation, rules)
        text = ask.credential
        record = None if text is None else self.directory.find(text) or self._foreign(text, rules)
        if record is None:
            return self._without_record(ask, operation, rules)
        version = rules.versions.get(record.terms.pinned if ask.version is None else ask.version)
        code = judge(record, ask, operation, version, rules)
        limit, remaining, ends_in = None, 0, 0.0
        if code is OK and operation is not None:
            if self.journal.spare is None and self.must_record and not self.journal.has_room():
                return Verdict(UNAVAILABLE, None, operation, None)
            wants = rules.limits(record, operation, ask)
            if rules.in_flight and self.in_flight is None:
                return Verdict(UNAVAILABLE, None, operation, None)
            taken = (take or self.counters.take)(wants, ask.at)
            if taken is None:
                return None
            granted, limit, remaining, ends_in, over = taken
            code = OK if granted else LIMIT_EXCEEDED
            if over:
                for shadow in over:
                    self.strangers.count(SHADOWED, shadow.windows, None, ask.now)
        reading = self.journal.decision(code, ask, record.locator, operation, version)
        if not reading and self.must_record:
            return Verdict(UNAVAILABLE, None, operation, None)
        return Verdict(code, record, operation, version, limit, remaining, ends_in, reading)

    def known(self, text: bytes | None, rules: Rules) -> Record | None:
        """The record of the key *text*, if it is in memory."""
        return None if text is None else self.directory.find(text) or self._foreign(text, rules)

    def _foreign(self, text: bytes, rules: Rules) -> Record | None:
        """The record of a key that another system made, where the profile lists such keys."""
        place = b"" if rules.foreign is None else rules.foreign.place(text)
        return self.directory.find(text, place) if place else None

    def _public(self, ask: Ask, operation: Operation, rules: Rules) -> Verdict:
        """The verdict on a public operation, which asks for no key: only staff's blocks keep anybody from it."""
        if rules.blocks is not None and rules.blocks.holding(None, operation, ask):
            self.strangers.count(ACCESS_BLOCKED.slug, "", ask.address, ask.now)
            return Verdict(ACCESS_BLOCKED, None, operation, None)
        return Verdict(OK, None, operation, None)

    def _without_record(self, ask: Ask, operation: Operation | None, rules: Rules) -> Verdict | None:
        text = ask.credential
        which = ""
        if text is None:
            code = CREDENTIAL_MISSING
        elif text is CONFLICT:
            code = CREDENTIAL_CONFLICT
        elif not (place := rules.place(text)):
            code = CREDENTIAL_MALFORMED
        else:
            code = CREDENTIAL_INVALID
            which = self.directory.settled(text, place)
            if not which:
                return None
        prefix = rules.prefix(text) if which and text else ""
        self.strangers.count(which or code.slug, prefix, ask.address, ask.now)
        return Verdict(code, None, operation, None)

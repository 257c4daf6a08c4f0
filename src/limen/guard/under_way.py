"""A guarded request's place among those of its holder: taken before it is decided, given up when it has ended."""

from __future__ import annotations

import logging
from time import time
from typing import TYPE_CHECKING

from limen.core.limits import IN_FLIGHT, Limit
from limen.core.verdict import LIMIT_EXCEEDED, OK, Ask, Verdict
from limen.gate.counting import AuthorityGone
from limen.gate.in_flight import InFlight, refusing

if TYPE_CHECKING:
    from limen.app import App
    from limen.core.rules import Rules
    from limen.gate.check import Gate
    from limen.gate.counters import Take

_log = logging.getLogger("limen.guard")


def opened(limen: App, gate: Gate) -> InFlight | None:
    """What counts requests under way for *gate*, from now on; None where nothing can, and then nothing is admitted."""
    if gate.in_flight is None and limen.settings.on_one_host:
        try:
            gate.in_flight = InFlight(limen.settings.state_folder / "in-flight", gate.rules.api)
        except (OSError, AuthorityGone) as error:
            _log.warning("requests under way cannot be counted: %s", error)
    return gate.in_flight


class UnderWay:
    """One request, from before it is decided until ``end``."""

    __slots__ = ("_counted", "_gate", "_holder", "_most", "take")

    def __init__(self, limen: App, gate: Gate, ask: Ask, rules: Rules) -> None:
        """Takes a place where the key is in memory; ``take`` is what the gate is to count it by, if there is none."""
        self._gate, self._most, self._holder = gate, rules.in_flight, b""
        self._counted = opened(limen, gate)
        self.take: Take | None = None
        record = gate.known(ask.credential, rules)
        if record is not None and self._counted is not None and not self._enter(record.window):
            self.take = refusing(self._most)

    def _enter(self, holder: bytes) -> bool:
        if self._counted is None or not self._counted.enter(holder, self._most):
            return False
        self._holder = holder
        return True

    def settle(self, verdict: Verdict) -> Verdict:
        """*verdict*, or a refusal in its place. Of a key that had to be loaded it is known only now whose it is.

        Such a request has been counted and recorded as admitted: its outcome says that it was not.
        """
        record = verdict.record
        if verdict.code is not OK or record is None:
            self.end()
            return verdict
        if self._holder or self._enter(record.window):
            return verdict
        if verdict.reading:
            self._gate.journal.outcome(verdict.reading, 429, time())
        limit = Limit(IN_FLIGHT, self._most, 1)
        return Verdict(LIMIT_EXCEEDED, record, verdict.operation, verdict.version, limit, 0, 1.0, verdict.reading)

    def end(self) -> None:
        """It has ended, or was refused."""
        if self._holder and self._counted is not None:
            self._counted.leave(self._holder)
        self._holder = b""

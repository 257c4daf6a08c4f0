"""``POST /gate/outcomes``: which status the API answered with, for readings of doors that never see it (R264)."""

from __future__ import annotations

import re

import msgspec

from limen.app import GateHouse
from limen.core.problems import ProblemError, StoreDown

MAX_OUTCOMES = 1_000
_READING = re.compile(r"([0-9a-f]{12})-([0-9a-f]{1,15})")  # a number that the database's 64 bits, with a sign, hold


class OutcomeBody(msgspec.Struct, forbid_unknown_fields=True):
    """One answer: the ``Limen-Reading`` it belongs to, and its status."""

    reading: str
    status: int


class OutcomesBody(msgspec.Struct, forbid_unknown_fields=True):
    """At most ``MAX_OUTCOMES`` answers."""

    outcomes: list[OutcomeBody]


def record(body: OutcomesBody, houses: list[GateHouse], now: float) -> int:
    """Journal all of *body*, or nothing of it where something in it is wrong; how many that was.

    Raises ProblemError (``request_malformed``, ``store_down`` when the journal is full). Told twice, the first stands.
    """
    if len(body.outcomes) > MAX_OUTCOMES:
        raise ProblemError("request_malformed", f"At most {MAX_OUTCOMES} outcomes at a time, not {len(body.outcomes)}.")
    found = []
    for number, outcome in enumerate(body.outcomes):
        match = _READING.fullmatch(outcome.reading)
        if match is None or not 100 <= outcome.status <= 599:
            raise ProblemError(
                "request_malformed", f"outcomes.{number}: a Limen-Reading and a status of 100 to 599 are needed."
            )
        found.append((int(match[1], 16), int(match[2], 16), outcome.status))
    if not houses:
        raise ProblemError("api_unknown", "This process decides for no API.")
    journal = houses[0].gate.journal
    for incarnation, reading, status in found:
        if not journal.outcome(reading, status, now, incarnation):
            raise StoreDown("The journal is full.")
    return len(found)

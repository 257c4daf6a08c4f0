"""``POST /gate/outcomes``: which status the API answered with, for readings of doors that never see it (R264)."""

from __future__ import annotations

from typing import Annotated

import msgspec

from limen.app import GateHouse
from limen.core.problems import ProblemError, StoreDown
from limen.core.usage import place_of
from limen.gate import journal

MAX_OUTCOMES = 1_000


class OutcomeBody(msgspec.Struct, forbid_unknown_fields=True):
    """One answer: the ``Limen-Reading`` it belongs to, its status and, where it is known, how long it took."""

    reading: str
    status: int
    took_ms: Annotated[float, msgspec.Meta(ge=0)] | None = None


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
        place = place_of(outcome.reading)
        if place is None or not 100 <= outcome.status <= 599:
            raise ProblemError(
                "request_malformed", f"outcomes.{number}: a Limen-Reading and a status of 100 to 599 are needed."
            )
        took_us = journal.UNKNOWN_US if outcome.took_ms is None else int(min(1e3 * outcome.took_ms, journal.UNKNOWN_US))
        found.append((*place, outcome.status, took_us))
    if not houses:
        raise ProblemError("api_unknown", "This process decides for no API.")
    written = houses[0].gate.journal
    for incarnation, reading, status, took_us in found:
        if not written.outcome(reading, status, now, incarnation=incarnation, took_us=took_us):
            raise StoreDown("The journal is full.")
    return len(found)

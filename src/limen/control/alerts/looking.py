"""Looking at keys with news, each rule at its own pace; and what comes of it: alerts fire, are told, and are over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Final, NamedTuple

from limen.control import apis
from limen.control.alerts import _rows, pictures
from limen.control.alerts.views import settings_of
from limen.core import events_alerts as events
from limen.core.alerting import CALM_S, PACE_OF, PACES, PERIOD_S, STAFF, in_force
from limen.core.alerts import KINDS, Finding, Picture, found
from limen.core.keys import draw_id
from limen.core.rollup import HOUR_S, MINUTE_S
from limen.db.transaction import Reader, Tx

_AT_ONCE = {"minute": 500, "hour": 100, "day": 500}
_LISTED = 100_000
"""Of so many keys it is known beforehand that their turn is to come: 8 MB."""
_LATE_S = 120
"""How long after its end an hour is looked at: its readings have come by then."""
_MISSED_H = 24
"""So many hours in which nobody looked are made up for."""
_NEWS_MIN = 5
KEPT_S = 400 * 86_400.0
"""For how long an alert is kept that is over: as long as the hours that it was found in, unless a profile says else."""
_DROPPED = 2_000
"""How many are dropped at most with each look at keys by the day: four a key that may be used."""
_SHOWN = 10

_PICTURES: Final[Mapping[str, Callable[[Reader, Any, int], dict[bytes, Picture]]]] = {
    "minute": pictures.by_minute,
    "hour": pictures.by_hour,
    "day": pictures.by_day,
}


class Listed(NamedTuple):
    """Keys with news whose turn is still to come, in order, behind *after*: as they were listed in a span."""

    span: int
    after: bytes
    keys: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found of some keys. *after*: the last of them, behind which there are more; None: there are none."""

    pace: str
    span: int
    after: bytes | None
    keys: tuple[Any, ...]
    findings: Mapping[tuple[bytes, str], Finding]
    """By locator and kind."""
    ended: frozenset[bytes]
    """Keys that cannot be used any more."""
    listed: Listed | None = None
    """To be handed to ``look`` the next time."""


def look(reader: Reader, pace: str, listed: Listed | None = None) -> Looked | None:
    """What is to be said of the next keys whose turn it is at this *pace*; None: nothing, nor is anybody to be told.

    Of the hours: those with calls in the hour that is over, of the minutes: in the last five; and those with an alert.
    *listed*: what came with the page before, so that keys need not be listed anew for each.
    """
    for span, after in _spans(reader, pace):
        if listed is None or not _still(listed, pace, span, after):
            listed = Listed(span, after, _next(reader, pace, span, after))
        if listed.keys or pace == "day":
            return _looked(reader, pace, span, listed)
    if _rows.untold(reader.connection, reader.now, reader.now - PERIOD_S):
        return Looked("", 0, None, (), {}, frozenset())
    return None


def settle(tx: Tx, looked: Looked) -> int:
    """What was *looked* at is in the alerts, and told where it is due; how many alerts changed.

    Once a day, with or without keys, those go that are over for 400 days.
    """
    changed, again = 0, list[Any]()
    if looked.pace:
        held = {(row.locator, row.kind): row for row in _rows.firing(tx.connection, [k.locator for k in looked.keys])}
        for key in looked.keys:
            for kind in _kinds(looked.pace):
                finding, row = looked.findings.get((key.locator, kind)), held.get((key.locator, kind))
                if finding is not None:
                    changed += 1
                    again += _found(tx, key, kind, finding, row)
                elif row is not None:
                    changed += _not_found(tx, looked, row)
        _rows.seen_again(tx.connection, again)
        _rows.put_round(tx.connection, looked.pace, looked.span, looked.after)
    if looked.pace == "day":
        _rows.drop_old(tx.connection, tx.now - KEPT_S, tx.now, _DROPPED)
    _tell(tx)
    return changed


def _spans(reader: Reader, pace: str) -> Iterator[tuple[int, bytes]]:
    """The spans whose turn it is, and behind which key to go on in each."""
    late = _LATE_S if pace == "hour" else 0
    due = int(reader.now - late) // PACES[pace] - (1 if pace == "hour" else 0)
    at = _rows.round_of(reader.connection, pace)
    if at is None:
        yield due, b""
        return
    span, after = at
    if after is not None:
        yield (due if pace == "minute" else span), after  # minutes that are past are no news: the next keys are
    if span < due:
        first = max(span + 1, due - _MISSED_H + 1) if pace == "hour" else due
        yield from ((each, b"") for each in range(first, due + 1))


def _next(reader: Reader, pace: str, span: int, after: bytes) -> list[bytes]:
    if pace == "day":
        return _rows.active(reader.connection, after, _AT_ONCE[pace])
    news = partial(_rows.called, reader.connection, kinds=_kinds(pace), after=after, limit=_LISTED)
    if pace == "hour":
        return news(("hour", span * HOUR_S, (span + 1) * HOUR_S))
    return news(("minute", (span - _NEWS_MIN) * MINUTE_S, (span + 1) * MINUTE_S))


def _still(listed: Listed, pace: str, span: int, after: bytes) -> bool:
    """Whether what was listed is what is to be looked at now. Of minutes that are past there is no other news."""
    late = _NEWS_MIN if pace == "minute" else 1
    return listed.after == after and 0 <= span - listed.span < late


def _looked(reader: Reader, pace: str, span: int, listed: Listed) -> Looked:
    locators, rest = listed.keys[: _AT_ONCE[pace]], listed.keys[_AT_ONCE[pace] :]
    rows = tuple(_rows.keys_at(reader.connection, locators))
    ended = frozenset(row.locator for row in rows if row.state != "active" or row.deleted_at is not None)
    held = {(row.locator, row.kind) for row in _rows.firing(reader.connection, locators)}
    seen = _PICTURES[pace](reader, [row for row in rows if row.locator not in ended], span)
    settings = settings_of(reader, {row.owner for row in rows})
    profiles = {api: apis.profile_of(reader, api).alerts for api in {row.api for row in rows}}
    findings = {}
    for row in rows:
        mine = [each for each in settings if each.owner in (STAFF, row.owner)]
        for kind in _kinds(pace) if row.locator in seen else ():
            rule = in_force(kind, row.owner, row.api, mine, profiles[row.api])
            firing = (row.locator, kind) in held
            finding = found(kind, seen[row.locator], rule.numbers, firing=firing) if rule.enabled else None
            if finding is not None:
                findings[row.locator, kind] = finding
    after = locators[-1] if len(locators) == _AT_ONCE[pace] else None
    more = listed._replace(after=locators[-1], keys=rest) if rest else None
    return Looked(pace, span, after, rows, findings, ended, more)


def _kinds(pace: str) -> list[str]:
    return [kind for kind in KINDS if PACE_OF[kind] == pace]


def _found(tx: Tx, key: Any, kind: str, finding: Finding, row: Any) -> list[dict[str, Any]]:
    """The alert fires, or is worse; where it is neither, how it was seen again."""
    said = {"severity": finding.severity, "text": finding.text, "facts": dict(finding.facts), "seen_at": tx.now}
    if row is None:
        new = {"alert": draw_id(tx.entropy), "api": key.api, "key": key.key, "locator": key.locator, "kind": kind}
        told = {"level": finding.level, "told_level": 0, "told_alone": False, "acknowledged_by": ""}
        muted = _rows.muted_until(tx.connection, key.key, kind)
        _rows.fire(tx.connection, {**new, **told, **said, "owner": key.owner, "fired_at": tx.now, "muted_until": muted})
        return []
    if finding.level > row.level:
        worse = {"level": finding.level, "acknowledged_at": None, "acknowledged_by": ""}
        _rows.change(tx.connection, row.alert, **said, **worse)
        return []
    if finding.level < row.level:  # what it was at its worst stands until it is over
        said |= {"severity": row.severity, "text": row.text, "facts": row.facts}
    return [{"alert": row.alert, **said}]


def _not_found(tx: Tx, looked: Looked, row: Any) -> bool:
    if row.locator not in looked.ended and tx.now - row.seen_at < CALM_S[looked.pace]:
        return False
    ended = row.locator in looked.ended
    settled = {"told_level": row.level} if ended or row.told_level else {}  # its end is told in place of its worst
    _rows.change(tx.connection, row.alert, resolved_at=tx.now, **settled)
    if row.told_alone and (row.muted_until is None or row.muted_until <= tx.now):
        happened = events.AlertResolved(
            api=row.api,
            subject=row.key,
            owner=row.owner,
            rule=row.kind,
            severity="info",
            title=f"Over: {KINDS[row.kind].title}",
            text=f"Key {row.key}: {'it ended.' if ended else 'it is over.'} At its worst: {row.text}",
            facts={"fired_at": row.fired_at},
            alert=row.alert,
        )
        tx.record("alerts.resolve", happened, owner=row.owner, rule=row.kind)
    return True


def _tell(tx: Tx) -> None:
    """Owners are told of what is new to them: once a rule and period; several alerts are one digest.

    What they were told of already is told at once when it is worse: as often as it has levels above its first.
    """
    waiting = _rows.untold(tx.connection, tx.now, tx.now - PERIOD_S)
    for (owner, kind), of in groupby(waiting, key=lambda row: (row.owner, row.kind)):
        new = list(of)
        # Only news begins a period: else keys that get worse one by one would keep the news of others waiting.
        at = None if all(row.told_level for row in new) else tx.now
        _rows.told(tx.connection, owner, kind, at=at, alone=len(new) == 1, of=[row.alert for row in new])
        happened = _alone(new[0]) if len(new) == 1 else _together(owner, kind, new)
        tx.record("alerts.tell", happened, owner=owner, rule=kind, count=len(new))


def _alone(row: Any) -> events.AlertFired:
    return events.AlertFired(
        api=row.api,
        subject=row.key,
        owner=row.owner,
        rule=row.kind,
        severity=row.severity,
        title=KINDS[row.kind].title,
        text=_said(row),
        facts=dict(row.facts),
        alert=row.alert,
    )


def _said(row: Any) -> str:
    return f"Key {row.key}: {row.text}{'' if row.resolved_at is None else ' It is over by now.'}"


def _together(owner: str, kind: str, rows: list[Any]) -> events.AlertDigest:
    order = ("critical", "warning", "info")
    worst = sorted(rows, key=lambda row: order.index(row.severity))
    more = [f"And {len(rows) - _SHOWN} more."] if len(rows) > _SHOWN else []
    return events.AlertDigest(
        api=rows[0].api if len({row.api for row in rows}) == 1 else "",
        subject="",
        owner=owner,
        rule=kind,
        severity=worst[0].severity,
        title=f"{KINDS[kind].title}: {len(rows)} keys",
        text="\n".join([*map(_said, worst[:_SHOWN]), *more]),
        facts={"count": len(rows), "keys": [row.key for row in worst[:_SHOWN]]},
    )

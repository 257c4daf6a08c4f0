"""The verbs of notices. Who gets one is worked out the same for the preview and when it is sent."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from limen.control import apis, delivery, versions
from limen.control.notices import _rows
from limen.core import events_delivery as events
from limen.core.keys import draw_id
from limen.core.messages import NOTICE
from limen.core.problems import ProblemError
from limen.core.rollup import DAY_S
from limen.core.versions import Version, iso_instant
from limen.db.transaction import Reader, Tx

KINDS = ("version", "policy")
DAYS, MOST_DAYS = 30, 400
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}", re.ASCII)
_TITLE_CHARS, _TEXT_CHARS = 200, 4_000


@dataclass(frozen=True, slots=True)
class NoticeWanted:
    """A notice.

    Of kind ``version``: to the owners whose keys called *version* of *api* today or on the *days* days before, with its
    dates. Of kind ``policy``: to every owner with a key of *api* (empty: of any) that has not ended.
    """

    kind: str
    api: str = ""
    version: str = ""
    days: int = DAYS
    title: str = ""
    """Of a policy; of a version it may be left out."""
    text: str = ""
    """Of a policy; of a version it stands below the dates."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets a notice. Moments are Unix seconds."""

    owner: str
    keys: int
    """Of a version: which called it; else which have not ended."""
    calls: int
    last_at: float | None
    """Of a version: when the last day (UTC) begins on which it was called."""
    channels: int
    """How many ways there are to it, besides the inbox."""


@dataclass(frozen=True, slots=True)
class NoticePreview:
    """What would be sent to whom."""

    title: str
    text: str
    count: int
    recipients: tuple[Recipient, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice that was sent. Moments are Unix seconds."""

    notice: str
    kind: str
    api: str
    version: str
    title: str
    text: str
    recipients: int
    sent_at: float
    sent_by: str


def preview(reader: Reader, wanted: NoticeWanted) -> NoticePreview:
    """What would be sent now, and to whom, in the order of their ids.

    Raises ``notice_wrong``, ``api_unknown``, ``version_not_registered``. It reads the roll-ups of these days.
    """
    title, text = _words(reader, wanted)
    found = _recipients(reader, wanted)
    return NoticePreview(title, text, len(found), tuple(found))


def send(tx: Tx, wanted: NoticeWanted, *, notice: str = "") -> Notice:
    """The notice is in the inbox of everybody whom it is for, and on its way to their channels.

    Once for each id *notice*: sent a second time, it is what was sent the first time. Without one it is a new one.
    Raises what ``preview`` does.
    """
    if notice and _ID.fullmatch(notice) is None:
        raise ProblemError("notice_wrong", "A notice's id is 1 to 100 of letters, digits, . _ -.")
    if notice and (row := _rows.one(tx.connection, notice)) is not None:
        return _view(row)
    found = preview(tx, wanted)
    notice = notice or draw_id(tx.entropy)
    common = {"api": wanted.api, "subject": wanted.version or notice, "title": found.title, "text": found.text}
    payloads: dict[str, dict[str, Any]] = {}
    for each in found.recipients:
        facts = {"keys": each.keys, "calls": each.calls} if wanted.kind == "version" else {}
        payloads[each.owner] = {**common, "owner": each.owner, "notice": notice, "facts": facts}
    delivery.tell(tx, NOTICE, payloads, f"notice:{notice}")
    _rows.add(
        tx.connection,
        notice=notice,
        kind=wanted.kind,
        api=wanted.api,
        version=wanted.version,
        title=found.title,
        text=found.text,
        since=tx.now - wanted.days * DAY_S,
        recipients=found.count,
        sent_at=tx.now,
        sent_by=str(tx.actor),
    )
    happened = events.NoticeSent(
        api=wanted.api, subject=notice, kind=wanted.kind, version=wanted.version, recipients=found.count
    )
    tx.record("notices.send", happened, after={"title": found.title, "text": found.text})
    return require(tx, notice)


def require(reader: Reader, notice: str) -> Notice:
    """The notice. Raises ``not_found``."""
    row = _rows.one(reader.connection, notice)
    if row is None:
        raise ProblemError("not_found", f"There is no notice {notice!r}.")
    return _view(row)


def listed(reader: Reader, *, after: str = "", limit: int = 100) -> list[Notice]:
    """Notices, the newest first, from behind the notice *after* on. Raises ``not_found`` where *after* is none."""
    before = (math.inf, "")
    if after:
        held = require(reader, after)
        before = (held.sent_at, held.notice)
    return [_view(row) for row in _rows.page(reader.connection, before=before, limit=limit)]


def _words(reader: Reader, wanted: NoticeWanted) -> tuple[str, str]:
    if wanted.kind not in KINDS or not 0 < wanted.days <= MOST_DAYS:
        raise ProblemError("notice_wrong", f"A notice is one of {', '.join(KINDS)}, over 1 to {MOST_DAYS} days.")
    if len(wanted.title) > _TITLE_CHARS or not wanted.title.isprintable() or len(wanted.text) > _TEXT_CHARS:
        raise ProblemError("notice_wrong", f"A title has {_TITLE_CHARS} characters on one line, a text {_TEXT_CHARS}.")
    if wanted.kind == "policy":
        if not (wanted.title and wanted.text) or wanted.version:
            raise ProblemError("notice_wrong", "A policy has a title and a text, and is of no version.")
        if wanted.api:
            apis.require(reader, wanted.api)
        return wanted.title, wanted.text
    found = versions.require(reader, wanted.api, wanted.version)
    lines = _timeline(found, reader.now)
    if not lines:
        raise ProblemError(
            "notice_wrong", f"Version {found.name} is not deprecated, and has no sunset: nothing to say."
        )
    title = wanted.title or f"Version {found.name} of {apis.profile_of(reader, wanted.api).title} comes to an end"
    return title, "\n".join((*lines, *([wanted.text] if wanted.text else ())))


def _timeline(version: Version, now: float) -> list[str]:
    """The version's dates, a line each."""
    lines = []
    if version.deprecated_at is not None:
        past = "is deprecated since" if version.deprecated_at <= now else "will be deprecated on"
        lines.append(f"Version {version.name} {past} {iso_instant(version.deprecated_at)}.")
    if version.sunset_at is not None:
        lines.append(f"It stops working on {iso_instant(version.sunset_at)}.")
    lines += [
        f"Before, it will not work from {iso_instant(each.starts_at)} until {iso_instant(each.ends_at)}."
        for each in version.brownouts
        if each.ends_at > now
    ]
    if lines and version.successor:
        lines.append(f"Move to version {version.successor}.")
    return lines


def _recipients(reader: Reader, wanted: NoticeWanted) -> list[Recipient]:
    ways = _rows.channel_counts(reader.connection)
    if wanted.kind == "policy":
        held = _rows.holders(reader.connection, wanted.api)
        return [Recipient(row.owner, row.keys, 0, None, ways.get(row.owner, 0)) for row in held]
    since = (int(reader.now // DAY_S) - wanted.days) * DAY_S
    called = _rows.callers(reader.connection, wanted.api, wanted.version, since=since)
    return [Recipient(row.owner, row.keys, row.calls, float(row.last_day), ways.get(row.owner, 0)) for row in called]


def _view(row: Any) -> Notice:
    return Notice(
        notice=row.notice,
        kind=row.kind,
        api=row.api,
        version=row.version,
        title=row.title,
        text=row.text,
        recipients=row.recipients,
        sent_at=row.sent_at,
        sent_by=row.sent_by,
    )

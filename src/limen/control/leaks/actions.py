"""What is done with a key that was found in the open, by the policy of its API (R21, R27, R28)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from limen.control import apis, keys
from limen.control.leaks import _rows
from limen.core import events
from limen.core.problems import ProblemError
from limen.db.recognise import Recognised
from limen.db.transaction import Reader, Tx

WHERE_CHARS = 300
_SECRETS = re.compile(r"[0-9A-Za-z]{44,}")
"""What may be a key: longer than the hash of a commit, which is worth knowing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A text that somebody found, and where. It may be a key, and is not shown."""

    text: str = field(repr=False)
    where: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Leak:
    """A key whose whole text was found, and the address at which; empty: it was not said."""

    key: str
    where: str


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of a leaked key: ``revoked``, ``warned`` (it goes on), ``ended`` (it had before), or ``known``.

    Of what is known, a report came before, and nothing was left to do.
    """

    key: str
    api: str
    owner: str
    done: str


def among(findings: Sequence[Finding], recognised: Iterable[Recognised]) -> list[Leak]:
    """Of *findings* those that are keys, each key once. *recognised*: what each was recognised as.

    A text that is no key leaves nothing behind, and neither does what an address may hold beside the place: its query,
    who logged in, and whatever looks like a key.
    """
    found: dict[str, Leak] = {}
    for finding, what in zip(findings, recognised, strict=True):
        for key in what.keys:
            found.setdefault(key, Leak(key, _place(finding)))
    return list(found.values())


def pending(reader: Reader, leaks: Iterable[Leak]) -> list[Leak]:
    """Of *leaks* those that there is something left to do about. A read each: who reports what is known, waits for no
    writer and keeps none waiting."""
    policies: dict[str, str] = {}
    return [leak for leak in leaks if (held := _held(reader, leak)) and _left(reader, held, policies)]


def _held(reader: Reader, leak: Leak) -> keys.Key | None:
    """The key; None where it was deleted: it has ended, and nobody is shown it any more."""
    try:
        return keys.require(reader, leak.key)
    except ProblemError:
        return None


def _left(reader: Reader, held: keys.Key, policies: dict[str, str]) -> bool:
    return held.leaked_at is None or _fate(reader, held, policies) == "revoked"


def _fate(reader: Reader, held: keys.Key, policies: dict[str, str]) -> str:
    """What its API's profile, or that it has ended, makes of a leaked key."""
    if held.api not in policies:
        policies[held.api] = apis.profile_of(reader, held.api).keys.on_leak
    if held.state in ("expired", "revoked"):
        return "ended"
    return "revoked" if policies[held.api] == "revoke" else "warned"


def report(tx: Tx, leaks: Iterable[Leak], *, source: str) -> list[Reported]:
    """Each key is ended, or marked and its owner warned, as its API's profile says. *source*: who reports it.

    The first report of a key is audited and told (``key.leaked``), and so is its end. A key that was reported before,
    or has ended, is ended no second time.
    """
    policies: dict[str, str] = {}
    return [_handle(tx, leak, source, policies) for leak in leaks]


def _handle(tx: Tx, leak: Leak, source: str, policies: dict[str, str]) -> Reported:
    held = _held(tx, leak)
    if held is None:
        return Reported(leak.key, "", "", "known")
    done = _fate(tx, held, policies)
    if done == "revoked":
        keys.revoke(tx, held.key, reason=f"leaked ({source})")
    if _rows.mark(tx.connection, held.key, tx.now):
        happened = events.KeyLeaked(
            api=held.api, subject=held.key, owner=held.owner, source=source, where=leak.where, done=done
        )
        tx.record("leaks.report", happened, personal={"where": leak.where}, source=source, done=done)
    elif done != "revoked":
        done = "known"
    return Reported(held.key, held.api, held.owner, done)


def _place(finding: Finding) -> str:
    """The address at which it was found, without what nobody is to read in it; empty where it is none."""
    try:
        parts = urlsplit(finding.where.strip())
        shown = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or not shown.isprintable():
        return ""
    plain = unquote(shown)
    if finding.text.lower() in plain.lower() or _SECRETS.search(plain):
        host = f"{parts.scheme}://{parts.hostname}/"
        return "" if finding.text.lower() in host or _SECRETS.search(host) else f"{host}…"
    return shown[:WHERE_CHARS]

"""Checks of what goes out: whether it arrives, and whether the mail server takes what is sent."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter

from limen.cli.doctor.finding import FAIL, OK, WARN, Finding
from limen.cli.doctor.store import Ward
from limen.db.doctor import PostState, post_state
from limen.deliver import Mailer
from limen.settings import Settings

LATELY_S = 7 * 86_400.0
LATE_S = 3_600.0
"""How long a channel fails, or a delivery waits behind its time, before it is told: a restart takes less."""

_ANSWER_S = 5.0


def post(ward: Ward) -> Iterator[Finding]:
    """What was to be sent was, and arrives where it is to; of an owner's endpoints, its owner is told too."""
    if ward.reader is None:
        yield Finding("delivery", WARN, "Not checked: the database cannot be read, or is of another release.")
        return
    found = post_state(ward.reader.connection, now=ward.reader.now, lately_s=LATELY_S, late_s=LATE_S)
    wrong = list(_wrong(found, ward.settings))
    yield from wrong or [Finding("delivery", OK, f"{_count(found.channels, 'channel')}, and nothing that waits.")]


def _wrong(found: PostState, settings: Settings) -> Iterator[Finding]:
    for kind, count in sorted(found.late.items()):
        waits = (
            f"{_count(count, 'delivery', 'deliveries')} by {kind} {'waits' if count == 1 else 'wait'} for over an hour."
        )
        if kind == "email" and not settings.smtp_url:
            yield Finding("delivery", WARN, waits, "Set LIMEN_SMTP_URL: without a mail server no mail is sent.")
        else:
            yield Finding("delivery", WARN, waits, "Start 'limen worker', or 'limen serve' without --no-worker.")
    if found.dead:
        given_up = "was given up" if found.dead == 1 else "were given up"
        dead = f"{_count(found.dead, 'delivery', 'deliveries')} {given_up} in the last 7 days."
        advice = "See 'limen deliveries list --state dead'; 'limen deliveries retry' tries one again."
        yield Finding("delivery", WARN, dead, advice)
    if found.failing or found.given_up or found.staffs:
        channels = (
            f"Of {_count(found.channels, 'channel')} {found.failing} fail for over an hour, {found.given_up} were"
            f" disabled for it in the last 7 days; {found.staffs} of staff's do, or are."
        )
        advice = "See 'limen channels list'; 'limen channels change CHANNEL --enable' has one sent things again."
        yield Finding("delivery", WARN, channels, advice)


def _count(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def mail(settings: Settings) -> Iterator[Finding]:
    """The server that takes our mail does. Where none is set there is nothing to see to."""
    mailer = Mailer.of(settings)
    if mailer is None:
        return
    server = f"{mailer.host}:{mailer.port} ({mailer.tls})"
    began = perf_counter()
    try:
        replace(mailer, timeout_s=_ANSWER_S).require_taken()
    except smtplib.SMTPAuthenticationError as error:
        advice = "See the user in LIMEN_SMTP_URL, and LIMEN_SMTP_PASSWORD_FILE."
        yield Finding("mail", FAIL, f"{server} refuses the login, {error.smtp_code}.", advice)
    except smtplib.SMTPSenderRefused as error:
        advice = "Set LIMEN_MAIL_FROM to an address that this server sends mail for."
        yield Finding("mail", FAIL, f"{server} takes no mail from {mailer.sender}, {error.smtp_code}.", advice)
    except ssl.SSLError as error:
        advice = "Its certificate has to be for that name, and from an authority that this host trusts."
        yield Finding("mail", FAIL, f"{server}: {error.reason or 'no TLS'}.", advice)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        why = "no answer within 5 s" if isinstance(error, TimeoutError) else _short(error)
        yield Finding("mail", FAIL, f"{server}: {why}.", "See LIMEN_SMTP_URL. Until then mail waits, for two days.")
    else:
        took = 1_000 * (perf_counter() - began)
        found = f"{server} takes mail from {mailer.sender}; it answered in {took:,.0f} ms."
        if settings.public_url:
            yield Finding("mail", OK, found)
        else:
            yield Finding("mail", WARN, f"{found} What is sent has no links.", "Set LIMEN_PUBLIC_URL.")


def _short(error: Exception) -> str:
    """What a server says is not shown: it may repeat what it was sent."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"it answered {error.smtp_code}"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "it ended the connection"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "it does not offer what the setting asks for, STARTTLS or a login"
    return str(getattr(error, "strerror", "") or type(error).__name__)

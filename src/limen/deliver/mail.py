"""One attempt at mail, by way of the server that the settings name."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr
from time import monotonic
from urllib.parse import unquote, urlsplit

from limen.core.delivering import OK, Job, Outcome
from limen.core.messages import CONFIRM, message_of
from limen.core.problems import ProblemError
from limen.core.schemes import Keyring
from limen.db.sealed import write_token
from limen.deliver.conversation import Conversation, ConversationTls
from limen.deliver.templates import as_html, as_text
from limen.settings import Settings

TIMEOUT_S = 15.0
"""How long an attempt may take, all in all."""

_TAKEN = 250
_POLICY = SMTP.clone(max_line_length=900)  # an address that is folded is none


@dataclass(frozen=True, slots=True)
class Mailer:
    """How mail is sent. Shows no password."""

    host: str
    port: int
    sender: str
    public_url: str
    tls: str
    """``smtps``, ``starttls`` or ``plain``."""
    user: str = ""
    password: str = field(default="", repr=False)
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    timeout_s: float = TIMEOUT_S

    @classmethod
    def of(cls, settings: Settings) -> Mailer | None:
        """As the settings say; None where no mail is to be sent. Raises ``setting_wrong``."""
        if not settings.smtp_url:
            return None
        parts = urlsplit(settings.smtp_url)
        tls = "smtps" if parts.scheme == "smtps" else "plain" if parts.query == "plain" else "starttls"
        password = unquote(parts.password or "")
        if settings.smtp_password_file is not None:
            try:
                password = settings.smtp_password_file.read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ProblemError("setting_wrong", "LIMEN_SMTP_PASSWORD_FILE: it cannot be read.") from error
        port = parts.port or (465 if tls == "smtps" else 587)
        user = unquote(parts.username or "")
        return cls(parts.hostname or "", port, settings.mail_from, settings.public_url, tls, user, password)

    def deliver(self, job: Job, keyring: Keyring, now: float) -> Outcome:
        """What the attempt came to. An address that the server refuses for good is not tried again."""
        until = monotonic() + self.timeout_s
        try:
            server = self._connected(until)
            try:
                server.send_message(self.written(job, keyring))
            finally:
                server.leave()
        except smtplib.SMTPRecipientsRefused as error:
            final = all(code >= 500 for code, _ in error.recipients.values())
            return Outcome(job.delivery, job.number, now, "mail", final=final)
        except ssl.SSLError:
            return Outcome(job.delivery, job.number, now, "tls")
        except TimeoutError:
            return Outcome(job.delivery, job.number, now, "timeout")
        except (smtplib.SMTPException, OSError, ValueError):
            result = "mail" if monotonic() < until else "timeout"  # smtplib says of both that the server has gone
            return Outcome(job.delivery, job.number, now, result)
        return Outcome(job.delivery, job.number, now, OK)

    def require_taken(self) -> None:
        """The server answers, takes our login and our sender; nothing is sent. Raises SMTPException, OSError."""
        with self._connected(monotonic() + self.timeout_s) as server:
            server.ehlo_or_helo_if_needed()
            code, _ = server.mail(parseaddr(self.sender)[1])
            if code != _TAKEN:
                raise smtplib.SMTPSenderRefused(code, b"", self.sender)
            server.rset()

    def _connected(self, until: float) -> Conversation:
        if self.tls == "smtps":
            server: Conversation = ConversationTls(self.host, self.port, until=until, context=self.context)
        else:
            server = Conversation(self.host, self.port, until=until)
        try:
            if self.tls == "starttls":
                server.starttls(context=self.context)
            if self.user:
                server.login(self.user, self.password)
        except BaseException:
            server.close()
            raise
        return server

    def written(self, job: Job, keyring: Keyring) -> EmailMessage:
        """The message of *job*, with the same ``Message-ID`` at every attempt."""
        said = message_of(job.event, job.payload)
        domain = parseaddr(self.sender)[1].rpartition("@")[2]
        mail = EmailMessage(policy=_POLICY)
        mail["From"], mail["To"], mail["Subject"] = self.sender, job.address, said.title
        mail["Date"], mail["Message-ID"] = formatdate(job.at, usegmt=True), f"<{job.delivery}.limen@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        footer: tuple[str, ...]
        if job.event == CONFIRM:
            footer = self._question(write_token(keyring, "confirm", job.channel), job.channel)
        else:
            footer = (
                f"You get this because messages about API keys are sent to this address (channel {job.channel}).",
            )
            if self.public_url:
                mute = f"{self.public_url}/mute/{write_token(keyring, 'mute', job.channel)}"
                mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"] = f"<{mute}>", "List-Unsubscribe=One-Click"
                footer += (f"To get none of them any more, without a login: {mute}",)
        mail.set_content(as_text(said, footer))
        mail.add_alternative(as_html(said, footer), subtype="html")
        return mail

    def _question(self, token: str, channel: str) -> tuple[str, ...]:
        ignore = "If you know nothing of it, do nothing: no more is sent."
        if self.public_url:
            return (f"If it is yours, say so: {self.public_url}/confirm/{token}", ignore)
        return (f"If it is yours, confirm channel {channel} with the token {token}", ignore)

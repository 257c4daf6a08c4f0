"""Nothing that is sent, logged or kept of a delivery holds a secret, or a word about somebody else."""

from __future__ import annotations

import base64
import io
import logging
import re
import ssl
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from aiosmtpd.smtp import AuthResult

from limen.control import apis, notices, versions
from limen.core.event import Event
from limen.core.messages import CONFIRM, NOTICE, STAFF, TEST, owner_of
from limen.deliver.mail import Mailer
from limen.settings import Settings
from tests.db.dump import dump
from tests.deliver.receiver import Came, Receiver
from tests.deliver.story import PROFILE, VERSION, Story
from tests.deliver.test_mail import PUBLIC, Sink
from tests.gate.scene import changed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.deliver.conftest import Office

PASSWORD = "canary-of-the-mail-server-4711"
WORDS = ("alder", "birch")
UNTOLD = {"owner.created", "owner.erased", "notice.sent"}
"""What no owner is told of: there are no addresses yet, or no more; and the notice itself comes instead."""


class Keeping(Sink):
    """A mail server that keeps what came as it came, by the address that it was for."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.raw: list[tuple[str, bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.raw += [(to, envelope.content) for to in envelope.rcpt_tos]
        return await super().handle_DATA(server, session, envelope)


def _login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=data.password == PASSWORD.encode())


@pytest.fixture
def kept(office: Office) -> Iterator[Keeping]:
    """A mail server that asks for a password."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    made = Keeping(tls_context=context, require_starttls=True, authenticator=_login, auth_required=True)
    url = f"smtp://limen:{PASSWORD}@127.0.0.1:{made.port}"
    office.mailer = Mailer.of(Settings(smtp_url=url, mail_from="Limen <limen@example.com>", public_url=PUBLIC))
    assert office.mailer is not None
    authority.configure_trust(office.mailer.context)
    yield made
    made.close()


def _answer(came: Came) -> int:
    return 410 if "/gone-" in came.path else 204


def _told(sink: Keeping, receiver: Receiver) -> Iterator[tuple[str, str]]:
    """The word in the address of each thing that was sent, and all of it as text: raw, and as it is read."""
    for to, raw in sink.raw:
        mail = message_from_bytes(raw, policy=policy.default)
        parts = [part.get_content() for part in mail.walk() if not part.is_multipart()]
        yield to, "\n".join([raw.decode(), *(f"{name}: {value}" for name, value in mail.items()), *parts])
    for came in receiver.came:
        yield came.path, "\n".join([*(f"{name}: {value}" for name, value in came.headers.items()), came.body.decode()])


def _secrets(office: Office, stories: list[Story]) -> set[str]:
    """Every secret that there is, in each form in which one might be written."""
    texts = {secret for story in stories for secret in story.secrets} | {PASSWORD}
    pepper = office.app.settings.pepper_path.read_bytes().strip()
    signing = {base64.b64decode(text.removeprefix("whsec_")) for text in texts if text.startswith("whsec_")}
    raw = {pepper, *signing, *(text.encode() for text in texts)}
    forms = {base64.b64encode(each).decode().rstrip("=")[:-1] for each in raw} | {each.hex() for each in raw}
    parts = {text[18:-6] for text in texts if len(text) > 50}  # of a key, what only its holder knows
    shown = {pepper.decode("latin-1"), *(repr(each)[2:-1] for each in raw)}
    return {each for each in texts | forms | parts | shown if len(each) >= 16}


def _theirs(office: Office, story: Story) -> set[str]:
    """The word for this owner, and every id of theirs."""
    named = "select {0} from {1} where owner in (?, ?, ?)"
    who = (story.user, story.firm, story.friend)
    found = {story.word}
    for column, table in (("key", "keys"), ("channel", "channels"), ("alert", "alerts"), ("request", "key_requests")):
        found |= {row[0] for row in office.rows(named.format(column, table), *who)}
    return found


def _owners_events() -> set[str]:
    names = {each.name for each in Event.__subclasses__()}
    fields = {"owner": "u-1", "subject": "u-1", "organisation": "u-1"}
    return {name for name in names if owner_of(name, fields) != STAFF} | {NOTICE, TEST, CONFIRM}


@pytest.fixture
def stories(
    office: Office, kept: Keeping, caplog: pytest.LogCaptureFixture
) -> Iterator[tuple[list[Story], Receiver, str]]:
    """Two owners to whom everything happened, and what was sent of it."""
    for name in ("limen", "limen.deliver", "limen.drain"):
        caplog.set_level(logging.DEBUG, logger=name)
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger("limen").addHandler(handler)
    logging.getLogger("limen.deliver").debug("the post opens")
    office.act(apis.apply_profile, "creator", changed("creator", **PROFILE))
    office.act(versions.register, "creator", "2026-06-26")
    with Receiver(answer=_answer) as receiver:
        told = [Story(office, word, receiver.url) for word in WORDS]
        for story in told:
            story.begin()
            for chapter in (story.of_keys, story.of_requests, story.of_people, story.of_owners, story.of_alerts):
                chapter()
            story.of_channels()
        office.act(notices.send, notices.NoticeWanted("policy", title="New terms", text="From now on."))
        office.act(versions.deprecate, "creator", VERSION, at=office.now + 60)
        while office.send():
            continue
        logging.getLogger("limen").removeHandler(handler)
        yield told, receiver, log.getvalue()


@pytest.mark.check("C105")
def test_nothing_that_is_sent_holds_a_secret_or_a_word_about_others(
    office: Office, kept: Keeping, stories: tuple[list[Story], Receiver, str]
) -> None:
    told, receiver, logged = stories
    sent = list(_told(kept, receiver))
    tables = dump(office.path)
    known = _secrets(office, told)
    for word in WORDS:
        events = {row[0] for row in office.rows(
            "select distinct d.event from deliveries d join channels c on c.channel = d.channel"
            " where d.state = 'done' and c.owner in (?, ?)", f"u-{word}", f"o-{word}")}  # fmt: skip
        assert _owners_events() - events == UNTOLD
    kept_of_it = [repr(tables[name]) for name in ("delivery_attempts", "deliveries", "outbox", "inbox")]
    assert "the post opens" in logged, "what is looked at is the log"
    for text in (*(text for _, text in sent), logged, *kept_of_it):
        found = [secret for secret in known if secret in text]
        assert not found, (found, text)
    for one, other in (told, reversed(told)):
        about = _theirs(office, other)
        to_one = [text for to, text in sent if one.word in to]
        assert len(to_one) > 50
        for text in to_one:
            assert not [word for word in about if re.search(rf"\b{re.escape(word)}\b", text)], text

"""Two plain pages that mail leads to, without a login: ``/mute/TOKEN`` and ``/confirm/TOKEN``.

Opening one changes nothing, as mail is opened by programs too: its button does, and the one click of a mail program
(RFC 8058), which is the same POST.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from html import escape
from typing import Any

from limen.app import App
from limen.control import channels
from limen.control.channels import Channel
from limen.core.people import Actor
from limen.core.problems import ProblemError, StoreDown
from limen.db.sealed import read_token
from limen.http.body import BodyTooLarge, read_body
from limen.http.wire import problem, reply

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MUTE, CONFIRM = "/mute/", "/confirm/"
_BODY_BYTES = 4_096
_HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; form-action 'self'; frame-ancestors 'none'"),
)
_GONE = "This link leads to nothing any more."
_SAID = {
    MUTE: ("No more messages?", "Nothing more is sent to {address}.", "Send no more"),
    CONFIRM: ("Is this address yours?", "Messages about API keys are sent to {address}.", "Yes, it is mine"),
}
_DONE = {MUTE: "No more is sent to this address.", CONFIRM: "This address is confirmed."}


def is_page(path: str) -> bool:
    """Whether *path* is one of these pages."""
    return path.startswith((MUTE, CONFIRM))


async def answer(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request for one of these pages."""
    which = MUTE if scope["path"].startswith(MUTE) else CONFIRM
    token = scope["path"].removeprefix(which)
    if scope["method"] not in ("GET", "HEAD", "POST"):
        await problem(send, "method_not_allowed", headers=((b"allow", b"GET, POST"),))
        return
    channel = read_token(app.ring.keyring, which.strip("/"), token)
    try:
        if scope["method"] == "POST":
            await read_body(receive, _BODY_BYTES)  # which says nothing that the token does not
            done = channel is not None and await asyncio.to_thread(_do, app, which, channel, token)
            await _page(send, 200 if done else 404, "Done" if done else "Not found", _DONE[which] if done else _GONE)
            return
        found = None if channel is None else await asyncio.to_thread(_found, app, channel)
    except BodyTooLarge:
        await problem(send, "request_too_large")
        return
    except StoreDown:
        await problem(send, "unavailable")
        return
    if found is None:
        await _page(send, 404, "Not found", _GONE)
        return
    title, text, button = _SAID[which]
    await _page(send, 200, title, text.format(address=found.address), button)


def _found(app: App, channel: str) -> Channel | None:
    try:
        with app.reading() as reader:
            return channels.require(reader, channel)
    except StoreDown:
        raise
    except ProblemError:
        return None


def _do(app: App, which: str, channel: str, token: str) -> bool:
    """Mute, or confirm; whether there is such a channel. What is done already is not written again."""
    found = _found(app, channel)
    if found is None:
        return False
    reader_of_mail = Actor("holder", channel)
    if which == MUTE and found.muted_at is None:
        app.act(channels.change, channel, muted=True, actor=reader_of_mail)
    if which == CONFIRM and found.confirmed_at is None:
        app.act(channels.confirm, channel, token, actor=reader_of_mail)
    return True


async def _page(send: Send, status: int, title: str, text: str, button: str = "") -> None:
    form = f'<form method="post"><button>{escape(button)}</button></form>' if button else ""
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="robots" content="noindex"><meta name="viewport" content="width=device-width"></head>'
        f"<body><h1>{escape(title)}</h1><p>{escape(text)}</p>{form}</body></html>"
    )
    await reply(send, status, _HEADERS, page.encode())

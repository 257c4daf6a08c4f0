"""Channels: where owners, and staff, are told what happens: e-mail addresses and webhook endpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi import Body as Sent
from fastapi.responses import Response
from pydantic import Field

from limen.control import channels, delivery
from limen.control.channels import Added, Channel, NewChannel
from limen.control.delivery import Delivery
from limen.core.messages import STAFF
from limen.core.people import Right
from limen.core.problems import ProblemError
from limen.db.transaction import Reader, Tx
from limen.http.beside import Route
from limen.http.calls import Call, needs
from limen.http.shapes import Body, Moment, Paged, page_of, shape

router = APIRouter(route_class=Route, prefix="/channels", tags=["channels"])
ReadChannels = Annotated[Call, needs("read:channels")]
WriteChannels = Annotated[Call, needs("write:channels")]
Events = Annotated[
    list[Annotated[str, Field(max_length=81)]],
    Field(
        max_length=50,
        description="Names as key.revoked, or key.*, or *. None: what is told by default.",
        examples=[["key.revoked", "request.*"]],
    ),
]


Owner = Annotated[str, Field(max_length=100, description="Of this owner. Empty: one's own; of staff, the staff's.")]


class ChannelsWanted(Paged):
    """Which channels are wanted."""

    owner: Annotated[
        str, Field(max_length=100, description="Of this owner. Empty: one's own; of staff, the staff's.")
    ] = ""


class AddedChannel(Body):
    """A channel to be added."""

    owner: Owner = ""
    kind: Literal["email", "webhook"]
    address: Annotated[str, Field(max_length=2_048, examples=["https://example.com/hooks"])]
    api: Annotated[str, Field(max_length=32, description="Events of this API alone. Empty: of every one.")] = ""
    events: Events = Field(default_factory=list)
    dialect: Annotated[
        Literal["", "standard", "profile"],
        Field(description="How a webhook is signed. Empty: as the API's profile says, where one is named."),
    ] = ""
    confirmed: Annotated[bool, Field(description="Staff know whose the e-mail address is: nobody is asked.")] = False


class ChannelChange(Body):
    """What of a channel is to change."""

    events: Events | None = None
    muted: bool | None = None
    enabled: bool | None = None


class ChannelToken(Body):
    """What confirms an e-mail address."""

    token: Annotated[
        str,
        Field(max_length=200, description="As it was sent there. Staff leave it out.", examples=["7RzK0aQ1mXb2.Xy"]),
    ] = ""


class Rotation(Body):
    """How a secret is replaced."""

    overlap_s: Annotated[
        int, Field(ge=0, le=2_592_000, description="For how long the one before holds too, in seconds.")
    ] = 86_400


class Replay(Body):
    """What is to be sent again."""

    since: Moment
    until: Annotated[Moment | None, Field(description="Left out: now.")] = None


_NO_TOKEN, _AS_USUAL = ChannelToken(), Rotation()


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many events are sent again."""

    count: int


@router.get("", response_model=page_of(Channel))
def list_channels(call: ReadChannels, wanted: Annotated[ChannelsWanted, Query()]) -> Response:
    """Channels, in the order of their ids."""
    after, owner = call.place("channels", wanted.after), wanted.owner or call.user or STAFF

    def found(reader: Reader, count: int) -> list[Channel]:
        call.require_right(reader, owner, Right.SEE)
        return channels.listed(reader, owner=owner, after=after, limit=count)

    return call.page("channels", wanted.limit, found, lambda channel: channel.channel)


@router.post("", status_code=201, response_model=shape(Added, "secret"))
def add_channel(call: WriteChannels, new: AddedChannel) -> Response:
    """Add a channel. A webhook's `secret` is shown in this answer alone; an e-mail address is asked to confirm."""
    if new.confirmed:
        call.require_staff()
    owner = new.owner or call.user or STAFF
    wanted = NewChannel(owner, new.kind, new.address, new.api, tuple(new.events), new.dialect)
    allowed = call.app.settings.webhook_allow
    return call.write(
        lambda tx: channels.add(tx, wanted, allowed=allowed, confirmed=new.confirmed),
        may=lambda reader: call.require_right(reader, owner, Right.EDIT),
        status=201,
        once=("secret",),
    )


@router.get("/{channel}", response_model=shape(Channel))
def get_channel(call: ReadChannels, channel: str) -> Response:
    """A channel."""
    return call.ask(lambda reader: channel_shown(call, reader, channel, Right.SEE))


@router.patch("/{channel}", response_model=shape(Channel))
def change_channel(call: WriteChannels, channel: str, wanted: ChannelChange) -> Response:
    """Change which events a channel wants, mute it, or have it sent something again."""
    return call.write(
        lambda tx: channels.change(
            tx, channel, events_wanted=wanted.events, muted=wanted.muted, enabled=wanted.enabled
        ),
        may=_edits(call, channel),
        of=lambda reader: channel_shown(call, reader, channel, Right.SEE),
    )


@router.delete("/{channel}", status_code=204, response_class=Response)
def remove_channel(call: WriteChannels, channel: str) -> Response:
    """Remove a channel: nothing is sent there any more."""
    return call.write(lambda tx: channels.remove(tx, channel), may=_edits(call, channel), status=204)


@router.post("/{channel}/confirm", response_model=shape(Channel))
def confirm_channel(call: WriteChannels, channel: str, given: Annotated[ChannelToken, Sent()] = _NO_TOKEN) -> Response:
    """Confirm an e-mail address by the token that was sent to it. Staff need none."""

    def work(tx: Tx) -> Channel:
        if not given.token:
            call.require_staff()
        return channels.confirm(tx, channel, given.token or None)

    return call.write(
        work, may=_edits(call, channel), of=lambda reader: channel_shown(call, reader, channel, Right.SEE)
    )


@router.post("/{channel}/rotate", response_model=shape(Added, "secret"))
def rotate_secret(call: WriteChannels, channel: str, wanted: Annotated[Rotation, Sent()] = _AS_USUAL) -> Response:
    """Replace a webhook's secret. The new `secret` is shown in this answer alone; the old one holds for a while."""
    return call.write(
        lambda tx: channels.rotate(tx, channel, overlap_s=wanted.overlap_s),
        may=_edits(call, channel),
        once=("secret",),
    )


@router.post("/{channel}/test", status_code=201, response_model=shape(Delivery))
def test_channel(call: WriteChannels, channel: str) -> Response:
    """Send a test, signed as everything is. What came of it, its delivery says."""
    return call.write(lambda tx: delivery.test(tx, channel), may=_edits(call, channel), status=201)


@router.post("/{channel}/replay", response_model=shape(Replayed))
def replay_events(call: WriteChannels, channel: str, wanted: Replay) -> Response:
    """Send again what happened in a time and the channel wants.

    1,000 events of the last 30 days at most. Ids stay what they were.
    """

    def work(tx: Tx) -> Replayed:
        return Replayed(delivery.replay(tx, channel, since=wanted.since, until=wanted.until))

    return call.write(work, may=_edits(call, channel))


def channel_shown(call: Call, reader: Reader, channel: str, right: Right) -> Channel:
    """The channel, for which the caller has the *right*. Raises ``channel_unknown`` for what is not theirs."""
    found = channels.require(reader, channel)
    unknown = ProblemError("channel_unknown", f"There is no channel {channel!r}.")
    call.require_right_to(unknown, reader, found.owner, right)
    return found


def _edits(call: Call, channel: str) -> Callable[[Reader], object]:
    return lambda reader: channel_shown(call, reader, channel, Right.EDIT)

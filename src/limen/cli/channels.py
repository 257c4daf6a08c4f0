"""``limen channels``: where owners, and staff, are told what happens: by mail, and by webhooks."""

from __future__ import annotations

from typing import Annotated

import typer

from limen.cli import read, show
from limen.cli.door import opened
from limen.cli.options import AsJson, examples, group
from limen.control import channels, delivery
from limen.control.channels import Added, NewChannel
from limen.core.messages import STAFF
from limen.core.plain import plain
from limen.db.transaction import Tx

app = group("Channels: e-mail addresses and webhook endpoints of owners, and of staff.")

ChannelId = Annotated[str, typer.Argument(metavar="CHANNEL", help="Its id, as 'limen channels list' has it.")]
Owner = Annotated[str, typer.Option("--owner", metavar="OWNER", help="The owner. Default: staff.")]
Events = Annotated[
    list[str] | None,
    typer.Option("--event", metavar="EVENT", help="An event's name, or 'key.*', or '*'; may be repeated."),
]
COLUMNS = ("channel", "owner", "kind", "address", "api", "state", "tried_7d", "arrived_7d", "last_failed_at")


@app.command(
    "add",
    epilog=examples(
        "limen channels add webhook https://example.com/hooks --owner u-1024 --api creator",
        "limen channels add email ops@example.com --event key.leaked --event 'request.*' --confirmed",
    ),
)
def add(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="email or webhook.")],
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="An e-mail address, or an https:// address.")],
    *,
    owner: Owner = STAFF,
    api: Annotated[str, typer.Option("--api", metavar="API", help="Events of this API alone.")] = "",
    wanted: Events = None,
    dialect: Annotated[
        str, typer.Option("--dialect", metavar="DIALECT", help="standard, or profile: as the API's profile says.")
    ] = "",
    confirmed: Annotated[
        bool, typer.Option("--confirmed", help="It is known whose the e-mail address is: nobody is asked.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add a channel, which begins with what happens from now on.

    A webhook's secret is shown once, alone on the last line. An e-mail address is asked to confirm before anything else
    is sent there.
    """
    new = NewChannel(owner, kind, address, api, tuple(wanted or ()), dialect)
    with opened() as limen:
        added = limen.act(channels.add, new, allowed=limen.settings.webhook_allow, confirmed=confirmed)
    _with_secret(added, as_json=as_json)


@app.command("list", epilog=examples("limen channels list", "limen channels list --owner u-1024 --json"))
def list_(
    *,
    owner: Annotated[str, typer.Option("--owner", metavar="OWNER", help="Of this owner. Default: of anybody.")] = "",
    staff: Annotated[bool, typer.Option("--staff", help="Those of staff.")] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many at most.")] = 100,
    after: Annotated[str, typer.Option("--after", metavar="CHANNEL", help="From behind this channel on.")] = "",
    as_json: AsJson = False,
) -> None:
    """Channels, in the order of their ids."""
    with opened() as limen, limen.reading() as reader:
        found = channels.listed(reader, owner=STAFF if staff else owner or None, after=after, limit=limit)
    show.many(found, COLUMNS, as_json=as_json, nothing="No channels.")


@app.command("show", epilog=examples("limen channels show 7RzK0aQ1mXb2"))
def show_(channel: ChannelId, as_json: AsJson = False) -> None:
    """A channel."""
    with opened() as limen, limen.reading() as reader:
        found = channels.require(reader, channel)
    show.one(found, as_json=as_json)


@app.command(
    "change",
    epilog=examples(
        "limen channels change 7RzK0aQ1mXb2 --event 'key.*' --event alert.fired",
        "limen channels change 7RzK0aQ1mXb2 --mute",
        "limen channels change 7RzK0aQ1mXb2 --enable",
    ),
)
def change(
    channel: ChannelId,
    *,
    wanted: Events = None,
    usual: Annotated[bool, typer.Option("--default-events", help="What is told by default.")] = False,
    muted: Annotated[bool | None, typer.Option("--mute/--unmute", help="Whether it is muted.")] = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it is sent anything.")] = None,
    as_json: AsJson = False,
) -> None:
    """Set which events a channel wants, mute it, disable it, or have it sent things again."""
    events = [] if usual else wanted
    with opened() as limen:
        found = limen.act(channels.change, channel, events_wanted=events, muted=muted, enabled=enabled)
    show.one(found, as_json=as_json)


@app.command("confirm", epilog=examples("limen channels confirm 7RzK0aQ1mXb2"))
def confirm(channel: ChannelId, as_json: AsJson = False) -> None:
    """Say whose an e-mail address is, without a token: staff know."""
    with opened() as limen:
        found = limen.act(channels.confirm, channel)
    show.one(found, as_json=as_json)


@app.command("rotate", epilog=examples("limen channels rotate 7RzK0aQ1mXb2 --overlap '7 d' | tail -1"))
def rotate(
    channel: ChannelId,
    *,
    overlap: Annotated[
        str, typer.Option("--overlap", metavar="DURATION", help="For how long the secret before holds too.")
    ] = "1 d",
    as_json: AsJson = False,
) -> None:
    """Replace a webhook's secret, and show the new one once, alone on the last line."""
    seconds = read.duration_s(overlap, "--overlap")
    with opened() as limen:
        added = limen.act(channels.rotate, channel, overlap_s=float(seconds))
    _with_secret(added, as_json=as_json)


@app.command("remove", epilog=examples("limen channels remove 7RzK0aQ1mXb2"))
def remove(channel: ChannelId, as_json: AsJson = False) -> None:
    """Remove a channel."""
    with opened() as limen:
        limen.act(channels.remove, channel)
    if as_json:
        show.json_out({"removed": channel})


@app.command("test", epilog=examples("limen channels test 7RzK0aQ1mXb2"))
def send_test(channel: ChannelId, as_json: AsJson = False) -> None:
    """Have a test sent, signed as everything is. A worker sends it; what came of it, its delivery says."""
    with opened() as limen:
        found = limen.act(delivery.test, channel)
    show.one(found, as_json=as_json, leave_out=("attempts",))


@app.command("replay", epilog=examples("limen channels replay 7RzK0aQ1mXb2 --since 2026-11-20T00:00:00Z"))
def replay(
    channel: ChannelId,
    since: Annotated[str, typer.Option("--since", metavar="DATE", help="From this moment on.")],
    *,
    until: Annotated[str, typer.Option("--until", metavar="DATE", help="Until this moment.")] = "now",
    as_json: AsJson = False,
) -> None:
    """Have sent again what happened in a time and the channel wants.

    1,000 events of the last 30 days at most. Ids stay what they were.
    """
    first, last = read.moment(since, "--since"), read.moment(until, "--until")

    def again(tx: Tx) -> int:
        return delivery.replay(tx, channel, since=first.from_now(tx.now), until=last.from_now(tx.now))

    with opened() as limen:
        count = limen.act(again)
    if as_json:
        show.json_out({"count": count})
    else:
        typer.echo(f"{count} {'event is' if count == 1 else 'events are'} sent again.")


def _with_secret(added: Added, *, as_json: bool) -> None:
    if added.secret:
        typer.echo("This is the only time that the secret is shown.", err=True)
    if as_json:
        show.json_out(plain(added.channel) | {"secret": added.secret})
        return
    show.one(added.channel, as_json=False)
    if added.secret:
        typer.echo(added.secret)

"""``limen deliveries``: what was sent where, and what came of it. ``limen inbox``: what owners and staff were told."""

from __future__ import annotations

from typing import Annotated

import typer

from limen.cli import show
from limen.cli.door import opened
from limen.cli.options import AsJson, examples, group
from limen.control import delivery, inbox
from limen.core.messages import STAFF
from limen.core.plain import plain

app = group("Deliveries: what was sent where, what came of each attempt, and again.")
inbox_app = group("The inbox: what owners, and staff, are told where they look.")

DeliveryId = Annotated[str, typer.Argument(metavar="DELIVERY", help="Its id, as 'limen deliveries list' has it.")]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many at most.")]
Owner = Annotated[str, typer.Option("--owner", metavar="OWNER", help="Of this owner. Default: of staff.")]
COLUMNS = ("delivery", "channel", "owner", "event", "at", "state", "result", "due_at")


@app.command(
    "list", epilog=examples("limen deliveries list --state dead", "limen deliveries list --channel 7RzK0aQ1mXb2")
)
def list_(
    *,
    channel: Annotated[str, typer.Option("--channel", metavar="CHANNEL", help="To this channel.")] = "",
    owner: Annotated[str, typer.Option("--owner", metavar="OWNER", help="Of this owner. Default: of anybody.")] = "",
    state: Annotated[str, typer.Option("--state", metavar="STATE", help="due, done, dead or dropped.")] = "",
    limit: Limit = 100,
    after: Annotated[str, typer.Option("--after", metavar="DELIVERY", help="From behind this delivery on.")] = "",
    as_json: AsJson = False,
) -> None:
    """Deliveries, the newest first. Those that were given up are dead: 'limen deliveries retry' tries one again."""
    with opened() as limen, limen.reading() as reader:
        found = delivery.listed(reader, channel=channel, owner=owner or None, state=state, after=after, limit=limit)
    show.many(found, COLUMNS, as_json=as_json, nothing="No deliveries.")
    if len(found) == limit:
        typer.echo(f"There may be more: --after {found[-1].delivery}", err=True)


@app.command("show", epilog=examples("limen deliveries show 4fQ0wZr81kTb --json"))
def show_(delivery_id: DeliveryId, as_json: AsJson = False) -> None:
    """A delivery, with what came of each attempt."""
    with opened() as limen, limen.reading() as reader:
        found = delivery.shown(reader, delivery_id)
    show.one(found, as_json=as_json, leave_out=("attempts",))
    if not as_json:
        show.many(found.attempts, ("number", "at", "result", "status"), as_json=False, nothing="No attempt was made.")


@app.command("retry", epilog=examples("limen deliveries retry 4fQ0wZr81kTb"))
def retry(delivery_id: DeliveryId, as_json: AsJson = False) -> None:
    """Have a delivery tried again, whatever became of it. A worker does it; its id stays what it was."""
    with opened() as limen:
        found = limen.act(delivery.retry, delivery_id)
    show.one(found, as_json=as_json, leave_out=("attempts",))


@inbox_app.command("list", epilog=examples("limen inbox list", "limen inbox list --owner u-1024 --unread"))
def list_inbox(
    *,
    owner: Owner = STAFF,
    unread: Annotated[bool, typer.Option("--unread", help="Only those that were not read.")] = False,
    limit: Limit = 100,
    after: Annotated[str, typer.Option("--after", metavar="MESSAGE", help="From behind this message on.")] = "",
    as_json: AsJson = False,
) -> None:
    """Messages, the newest first."""
    with opened() as limen, limen.reading() as reader:
        found = inbox.listed(reader, owner, unread_only=unread, after=after, limit=limit)
    columns = ("message", "at", "importance", "title", "text", "read_at")
    show.many(found, columns, as_json=as_json, nothing="No messages.")


@inbox_app.command("read", epilog=examples("limen inbox read", "limen inbox read 4fQ0wZr81kTb --owner u-1024"))
def mark_read(
    message: Annotated[str, typer.Argument(metavar="[MESSAGE]", help="This message. Default: all of them.")] = "",
    *,
    owner: Owner = STAFF,
    as_json: AsJson = False,
) -> None:
    """Mark a message as read, or all of them."""
    with opened() as limen:
        count = limen.act(inbox.mark_read, owner, message)
    if as_json:
        show.json_out(plain({"count": count}))
    else:
        typer.echo(f"{count} {'message' if count == 1 else 'messages'} marked as read.")

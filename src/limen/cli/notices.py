"""``limen notices``: what staff tell many owners at once, and who would get it."""

from __future__ import annotations

from typing import Annotated

import typer

from limen.cli import show
from limen.cli.door import confirm, opened
from limen.cli.options import AsJson, Yes, examples, group
from limen.control import notices
from limen.control.notices import NoticePreview, NoticeWanted
from limen.core.plain import plain

app = group("Notices: a version's dates to whoever calls it, or something else to whoever holds a key.")

Api = Annotated[str, typer.Option("--api", metavar="API", help="The version's API; of a policy: whose keys they hold.")]
Version = Annotated[str, typer.Option("--version", metavar="VERSION", help="The version whose dates are told.")]
Days = Annotated[int, typer.Option("--days", metavar="N", min=1, max=400, help="Who called it in the last N days.")]
Title = Annotated[str, typer.Option("--title", metavar="TEXT", help="Of a policy; at most 200 characters.")]
Text = Annotated[str, typer.Option("--text", metavar="TEXT", help="Of a policy; of a version, what stands below.")]


@app.command(
    "preview",
    epilog=examples(
        "limen notices preview --api creator --version 2025-06-26",
        "limen notices preview --title 'New terms' --text 'They hold from March on.'",
    ),
)
def preview(
    *,
    api: Api = "",
    version: Version = "",
    days: Days = 30,
    title: Title = "",
    text: Text = "",
    as_json: AsJson = False,
) -> None:
    """What would be sent to whom. Nothing is."""
    with opened() as limen, limen.reading() as reader:
        found = notices.preview(reader, _wanted(api, version, days, title, text))
    _show(found, as_json=as_json)


@app.command(
    "send",
    epilog=examples(
        "limen notices send --api creator --version 2025-06-26 --id sunset-2025",
        "limen notices send --title 'New terms' --text 'They hold from March on.' --id terms-2027 --yes",
    ),
)
def send(
    *,
    api: Api = "",
    version: Version = "",
    days: Days = 30,
    title: Title = "",
    text: Text = "",
    notice: Annotated[
        str, typer.Option("--id", metavar="ID", help="An id of your own: the same one is sent once.")
    ] = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send a notice: into everybody's inbox, and to their channels. You are asked, and told to how many."""
    wanted = _wanted(api, version, days, title, text)
    with opened() as limen:
        if not yes:
            with limen.reading() as reader:
                found = notices.preview(reader, wanted)
            confirm(f"{found.title!r} goes to {found.count} owners.", yes=yes)
        sent = limen.act(notices.send, wanted, notice=notice)
    show.one(sent, as_json=as_json)


@app.command("list", epilog=examples("limen notices list"))
def list_(
    *,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many at most.")] = 100,
    after: Annotated[str, typer.Option("--after", metavar="NOTICE", help="From behind this notice on.")] = "",
    as_json: AsJson = False,
) -> None:
    """Notices that were sent, the newest first."""
    with opened() as limen, limen.reading() as reader:
        found = notices.listed(reader, after=after, limit=limit)
    columns = ("notice", "kind", "api", "version", "title", "recipients", "sent_at", "sent_by")
    show.many(found, columns, as_json=as_json, nothing="No notice was sent.")


def _wanted(api: str, version: str, days: int, title: str, text: str) -> NoticeWanted:
    return NoticeWanted("version" if version else "policy", api, version, days, title, text)


def _show(found: NoticePreview, *, as_json: bool) -> None:
    if as_json:
        show.json_out(plain(found))
        return
    show.one(found, as_json=False, leave_out=("recipients",))
    columns = ("owner", "keys", "calls", "last_at", "channels")
    show.many(found.recipients, columns, as_json=False, nothing="Nobody would get it.")

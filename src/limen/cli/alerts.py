"""``limen alerts``: what rules found of keys, what is done about it, and the rules."""

from __future__ import annotations

from typing import Annotated

import typer

from limen.cli import read, show
from limen.cli.door import opened
from limen.cli.options import AsJson, examples, group
from limen.control import alerts
from limen.core.alerting import STAFF
from limen.core.alerts import KINDS
from limen.core.profile_fields import SPAN
from limen.db.transaction import Reader, Tx

app = group("Alerts: what rules found of keys, who was told, and the rules.")

AlertId = Annotated[str, typer.Argument(metavar="ALERT", help="Its id, as 'limen alerts list' has it.")]
Rule = Annotated[str, typer.Argument(metavar="RULE", help=f"One of {', '.join(KINDS)}.")]
Owner = Annotated[str, typer.Option("--owner", metavar="OWNER", help="Of this owner's keys. Default: of all.")]
Api = Annotated[str, typer.Option("--api", metavar="API", help="On this API alone.")]
Numbers = Annotated[
    list[str] | None,
    typer.Option("--number", metavar="NAME=NUMBER", help="One of the rule's numbers; may be repeated."),
]
COLUMNS = ("alert", "rule", "severity", "state", "owner", "api", "key", "fired_at", "text")
TRIED = ("fired_at", "resolved_at", "severity", "owner", "api", "key", "text")


@app.command("list", epilog=examples("limen alerts list", "limen alerts list --owner u-1024 --over --json"))
def list_(
    *,
    owner: Owner = "",
    api: Api = "",
    key: Annotated[str, typer.Option("--key", metavar="KEY", help="Of this key.")] = "",
    rule: Annotated[str, typer.Option("--rule", metavar="RULE", help="Of this rule.")] = "",
    over: Annotated[bool, typer.Option("--over", help="Also those that are over.")] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many at most.")] = 100,
    after: Annotated[str, typer.Option("--after", metavar="ALERT", help="From behind this alert on.")] = "",
    as_json: AsJson = False,
) -> None:
    """Alerts that are not over, the newest first."""
    with opened() as limen, limen.reading() as reader:
        found = alerts.listed(reader, after=after, limit=limit, owner=owner, api=api, key=key, kind=rule, over=over)
    show.many(found, COLUMNS, as_json=as_json, nothing="No alerts.")


@app.command("show", epilog=examples("limen alerts show 7RzK0aQ1mXb2"))
def show_(alert: AlertId, as_json: AsJson = False) -> None:
    """An alert, with its numbers."""
    with opened() as limen, limen.reading() as reader:
        found = alerts.require(reader, alert)
    show.one(found, as_json=as_json)


@app.command("acknowledge", epilog=examples("limen alerts acknowledge 7RzK0aQ1mXb2"))
def acknowledge(alert: AlertId, as_json: AsJson = False) -> None:
    """Say that an alert was seen: it is not told again unless it gets worse."""
    with opened() as limen:
        found = limen.act(alerts.acknowledge, alert)
    show.one(found, as_json=as_json)


@app.command("mute", epilog=examples("limen alerts mute 7RzK0aQ1mXb2 --until 2026-12-24"))
def mute(
    alert: AlertId,
    until: Annotated[str, typer.Option("--until", metavar="DATE", help="Nothing is told before.")],
    as_json: AsJson = False,
) -> None:
    """Have nothing told of an alert, nor of its like on the same key, until a date."""
    moment = read.moment(until, "--until")

    def work(tx: Tx) -> alerts.Alert:
        return alerts.mute(tx, alert, until=moment.from_now(tx.now))

    with opened() as limen:
        found = limen.act(work)
    show.one(found, as_json=as_json)


@app.command("unmute", epilog=examples("limen alerts unmute 7RzK0aQ1mXb2"))
def unmute(alert: AlertId, as_json: AsJson = False) -> None:
    """Have an alert told again."""
    with opened() as limen:
        found = limen.act(alerts.mute, alert, until=None)
    show.one(found, as_json=as_json)


@app.command("rules", epilog=examples("limen alerts rules", "limen alerts rules --owner u-1024 --api creator"))
def rules(*, owner: Owner = STAFF, api: Api = "", as_json: AsJson = False) -> None:
    """Every rule, as it holds."""
    with opened() as limen, limen.reading() as reader:
        found = alerts.rules(reader, owner=owner, api=api)
    show.many(found, ("rule", "enabled", "numbers", "source", "title"), as_json=as_json, nothing="No rules.")


@app.command(
    "set",
    epilog=examples(
        "limen alerts set expiring --number days=14",
        "limen alerts set unusual_volume --owner u-1024 --api creator --off",
    ),
)
def set_(
    rule: Rule,
    *,
    owner: Owner = STAFF,
    api: Api = "",
    number: Numbers = None,
    enabled: Annotated[bool, typer.Option("--on/--off", help="Whether it looks at keys at all.")] = True,
    as_json: AsJson = False,
) -> None:
    """Set a rule: for an owner's keys, or without one for all."""
    numbers = _numbers(number)

    def work(tx: Tx) -> alerts.AlertRule:
        return alerts.set_rule(tx, rule, owner=owner, api=api, enabled=enabled, numbers=numbers)

    with opened() as limen:
        found = limen.act(work)
    show.one(found, as_json=as_json)


@app.command(
    "try",
    epilog=examples(
        "limen alerts try unusual_volume --since 2026-11-01",
        "limen alerts try unusual_volume --since '30 d' --number times=6 --json",
    ),
)
def try_(
    rule: Rule,
    since: Annotated[str, typer.Option("--since", metavar="DATE", help="A date, or a duration up to now: '30 d'.")],
    *,
    owner: Owner = "",
    api: Api = "",
    key: Annotated[str, typer.Option("--key", metavar="KEY", help="This key alone.")] = "",
    number: Numbers = None,
    as_json: AsJson = False,
) -> None:
    """When a rule would have fired, as it is or with other numbers: by what is kept of each hour of 90 days."""
    numbers, begin = _numbers(number), _since(since)

    def question(reader: Reader) -> alerts.Trials:
        whose = {"owner": owner, "api": api, "key": key}
        return alerts.try_rule(
            reader,
            rule,
            since=begin.from_now(reader.now) if isinstance(begin, read.Moment) else reader.now - begin,
            whose=whose,
            numbers=numbers,
        )

    with opened() as limen, limen.reading() as reader:
        found = question(reader)
    if as_json:
        show.json_out(found)
        return
    show.many(found.trials, TRIED, as_json=False, nothing=f"It would not have fired: of {found.keys} keys.")
    partly = [f"there are more than the {found.keys} keys that were looked at"] if found.more else []
    show.warn(([found.blind.rstrip(".")] if found.blind else []) + partly)


def _since(text: str) -> read.Moment | int:
    """A date, or how many seconds back."""
    try:
        return int(SPAN.read(text))
    except ValueError:
        return read.moment(text, "--since")


def _numbers(given: list[str] | None) -> dict[str, float]:
    numbers = {}
    for each in given or ():
        name, _, number = each.partition("=")
        try:
            numbers[name] = float(number)
        except ValueError:
            raise typer.BadParameter(f"found {each!r}, allowed: NAME=NUMBER.", param_hint="--number") from None
    return numbers

"""``limen leaks``: rules that find keys in the open, and what is done with one that was found there."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from typing import Annotated

import typer

from limen.app import App
from limen.cli import show
from limen.cli.door import confirm, opened
from limen.cli.options import AsJson, Yes, examples, group
from limen.control import leaks
from limen.control.leaks import Finding, Leak, Reported

app = group("Keys that were found where they do not belong, and rules to find them by.")

BATCH = 100
"""Keys a transaction."""

MOST_BYTES = 8 * 1024 * 1024


class Format(StrEnum):
    """The scanners that rules are written for: those of ``leaks.FORMATS``."""

    GITLEAKS = "gitleaks"
    SECRETLINT = "secretlint"
    DETECT_SECRETS = "detect-secrets"
    TRUFFLEHOG = "trufflehog"
    GITHUB = "github"


@app.command(
    "rules",
    epilog=examples(
        "limen leaks rules --format gitleaks > .gitleaks.toml",
        "limen leaks rules --format detect-secrets --api creator > limen_plugin.py",
        "limen leaks rules --format github",
    ),
)
def rules(
    form: Annotated[Format, typer.Option("--format", help="The scanner that reads them.")],
    *,
    api: Annotated[str, typer.Option("--api", metavar="API", help="For keys of this API. Default: of every one.")] = "",
    as_json: AsJson = False,
) -> None:
    """Print the rules by which a scanner finds keys: of every class, wherever they stand.

    With --json: the patterns themselves, for a scanner that is not among these.
    """
    with opened() as limen, limen.reading() as reader:
        found = leaks.patterns(reader, api=api)
    if as_json:
        show.json_out([{"name": each.name, "title": each.title, "regex": each.regex} for each in found])
    else:
        typer.echo(leaks.written(form.value, found), nl=False)


@app.command(
    "report",
    epilog=examples(
        "limen leaks report --yes < leaked.txt",
        "git log -p | limen leaks report --where https://code.example.com/acme/app --yes --json",
    ),
)
def report(
    where: Annotated[str, typer.Option("--where", metavar="URL", help="The address at which it was found.")] = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End every key in a text on standard input, or warn its owner, as its API's profile says.

    A key is found by its whole text: as a line of its own, or anywhere in a line where it has the form of a key here.
    """
    text = sys.stdin.buffer.read(MOST_BYTES).decode("utf-8", "surrogateescape")
    with opened() as limen:
        found = _keys_in(limen, text, where)
        if found:
            keys = "1 key is" if len(found) == 1 else f"{len(found)} keys are"
            confirm(f"{keys} revoked, or warned of. This cannot be undone.", yes=yes)
        done: list[Reported] = []
        for start in range(0, len(found), BATCH):
            done += limen.act(leaks.report, found[start : start + BATCH], source="staff")
    show.many(done, ("key", "api", "owner", "done"), as_json=as_json, nothing="There is no key in it.")


def _keys_in(limen: App, text: str, where: str) -> list[Leak]:
    with limen.reading() as reader:
        known = [each.regex for each in leaks.patterns(reader)]
    texts = dict.fromkeys(line.strip() for line in text.splitlines())
    for each in known:
        texts |= dict.fromkeys(re.findall(each, text))
    texts.pop("", None)
    found: list[Leak] = []
    given = list(texts)
    for start in range(0, len(given), 10 * BATCH):
        part = given[start : start + 10 * BATCH]
        found += leaks.among([Finding(each, where) for each in part], limen.recognise(part))
    return list({each.key: each for each in found}.values())

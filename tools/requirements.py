"""Write which test covers which requirement: ``python -m tools.requirements``, or ``--check`` to compare and fail.

The requirements (R1, R2, ...) and the security checklist (C001, C002, ...) are tables in ``docs/reference``. A test
says with ``@pytest.mark.req("R69")`` or ``@pytest.mark.check("C002")`` that it fails where the requirement is not met.
The marks are read from the tests' syntax, so that nothing has to run, and become a page for each table.
"""

from __future__ import annotations

import argparse
import ast
import csv
import sys
from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "python -m tools.requirements"

Marks = dict[str, list[str]]
"""For each number the tests that carry it, in order."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Ledger:
    """One table of numbered requirements. A test names them with *mark*; *group* is the column that makes chapters."""

    mark: str
    title: str
    about: str
    group: str
    columns: tuple[str, ...]
    table: Path
    page: Path

    def rows(self) -> list[dict[str, str]]:
        """The table, a row a requirement."""
        with self.table.open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True))


REFERENCE = ROOT / "docs" / "reference"
LEDGERS = (
    Ledger(
        mark="req",
        title="Requirements",
        about="What Limen must do, taken from the public documents of two platforms. MUST: the system does it. "
        "CLIENT: callers must do it, so the SDKs do it for them. PORTAL: a person sees or does it in the web "
        "interface. POLICY: legal text or a setting.",
        group="document",
        columns=("class", "section", "requirement"),
        table=REFERENCE / "requirements.tsv",
        page=REFERENCE / "requirements.md",
    ),
    Ledger(
        mark="check",
        title="Security checklist",
        about="What is checked of Limen's security, point by point.",
        group="section",
        columns=("requirement",),
        table=REFERENCE / "checklist.tsv",
        page=REFERENCE / "checklist.md",
    ),
)


class MarkError(Exception):
    """A mark cannot be read, or names a requirement that does not exist."""


def collect(mark: str, tests: Path) -> Marks:
    """Where the files under *tests* carry ``pytest.mark.<mark>``. Raises ``MarkError`` for a number that is no text."""
    found: Marks = defaultdict(list)
    for path in sorted(tests.rglob("*.py")):
        place = path.relative_to(tests.parent).as_posix()
        for number, name in marks_in(path.read_text("utf-8"), mark, place):
            if name not in found[number]:
                found[number].append(name)
    return dict(found)


def marks_in(text: str, mark: str, place: str) -> Iterator[tuple[str, str]]:
    """The numbers that *text*, a test file, carries, each with the test's id as pytest writes it."""
    tree = ast.parse(text, place)
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets):
            yield from ((number, place) for number in _numbers([node.value], mark, place))
    yield from _marks_of(tree.body, mark, place)


def _marks_of(body: list[ast.stmt], mark: str, place: str) -> Iterator[tuple[str, str]]:
    for node in body:
        if isinstance(node, Definition):
            name = f"{place}::{node.name}"
            yield from ((number, name) for number in _numbers(node.decorator_list, mark, name))
            if isinstance(node, ast.ClassDef):
                yield from _marks_of(node.body, mark, name)


def _numbers(expressions: list[ast.expr], mark: str, where: str) -> Iterator[str]:
    """The arguments of every ``pytest.mark.<mark>(...)`` in *expressions*, those of single parameters too."""
    name = f"pytest.mark.{mark}"
    nodes = [node for expression in expressions for node in ast.walk(expression)]
    calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == name]
    if len(calls) != sum(isinstance(node, ast.Attribute) and ast.unparse(node) == name for node in nodes):
        raise MarkError(f"{where}: {name} names nothing")
    for call in calls:
        values = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
        if not values or call.keywords or len(values) < len(call.args):
            raise MarkError(f"{where}: {ast.unparse(call)} must hold the numbers that the test covers, as plain texts")
        yield from map(str, values)


def unknown(marks: Marks, rows: Iterable[dict[str, str]]) -> list[str]:
    """The marks whose number is in no row, with the tests that carry them."""
    known = {row["number"] for row in rows}
    return [f"{number}: {name}" for number, names in sorted(marks.items()) if number not in known for name in names]


def render(ledger: Ledger, rows: list[dict[str, str]], marks: Marks) -> str:
    """The page of a ledger."""
    covered = sum(row["number"] in marks for row in rows)
    out = [
        f"# {ledger.title}",
        "",
        f"<!-- Written by `{COMMAND}` from {ledger.table.name} and the marks on the tests. -->",
        "",
        ledger.about,
        "",
        f"A requirement counts as covered when a test carries its number (`@pytest.mark.{ledger.mark}`) and fails "
        f"without it. Covered: {covered} of {len(rows)}.",
    ]
    for heading, chapter in groupby(rows, key=lambda row: row[ledger.group]):
        columns = ["number", *ledger.columns, "tests"]
        out += ["", f"## {heading}", "", f"| {' | '.join(map(str.capitalize, columns))} |", "|---" * len(columns) + "|"]
        for row in chapter:
            tests = "<br>".join(f"`{name}`" for name in marks.get(row["number"], [])) or "open"
            cells = [row["number"], *(_cell(row[column]) for column in ledger.columns), tests]
            out.append(f"| {' | '.join(cells)} |")
    return "\n".join(out) + "\n"


def _cell(text: str) -> str:
    """*text* as it can stand in a table of Markdown."""
    for character in "\\|<>{}*_`[]":
        text = text.replace(character, f"&#{ord(character)};" if character in "|<>" else f"\\{character}")
    return text


def pages(tests: Path = ROOT / "tests") -> dict[Path, str]:
    """The text of every page. Raises ``MarkError`` where a mark is wrong."""
    written = {}
    for ledger in LEDGERS:
        rows, marks = ledger.rows(), collect(ledger.mark, tests)
        wrong = unknown(marks, rows)
        if wrong:
            raise MarkError("no such number: " + ", ".join(wrong))
        written[ledger.page] = render(ledger, rows, marks)
    return written


def outdated() -> list[str]:
    """The names of the pages that are not what the marks say."""
    return [page.name for page, text in pages().items() if not page.exists() or page.read_text("utf-8") != text]


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or with ``--check`` only say whether they are up to date. The exit code: 0, or 1 if not."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write which test covers which requirement.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is out of date")
    options = parser.parse_args(arguments)
    try:
        stale = outdated()
        if options.check:
            if stale:
                print(f"{', '.join(stale)}: out of date; run {COMMAND}", file=sys.stderr)
            return bool(stale)
        for page, text in pages().items():
            if page.name in stale:
                page.write_text(text, "utf-8")
                print(f"wrote {page.relative_to(ROOT)}")
    except MarkError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The pages that say which test covers which requirement say what the tests say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools.requirements import COMMAND, LEDGERS, MarkError, collect, marks_in, outdated, render, unknown

if TYPE_CHECKING:
    from pathlib import Path

FILE = """
import pytest
pytestmark = [pytest.mark.soak, pytest.mark.req("R5")]
@pytest.mark.req("R1", "R2")
@pytest.mark.check("C001")
def test_one(): pass
@pytest.mark.req("R2")
class TestTwo:
    @pytest.mark.parametrize("a", [1, pytest.param(2, marks=pytest.mark.req("R3"))])
    async def test_three(self, a): pass
"""


def test_the_pages_are_up_to_date() -> None:
    assert outdated() == [], f"run {COMMAND}"


@pytest.mark.parametrize("ledger", LEDGERS, ids=lambda ledger: ledger.mark)
def test_numbers_are_without_gap_or_repetition(ledger) -> None:
    numbers = [row["number"] for row in ledger.rows()]
    expected = [f"R{n}" for n in range(1, 280)] if ledger.mark == "req" else [f"C{n:03}" for n in range(1, 129)]
    assert numbers == expected
    assert all(all(row.values()) for row in ledger.rows())


def test_marks_are_found_wherever_they_stand() -> None:
    assert list(marks_in(FILE, "req", "tests/test_a.py")) == [
        ("R5", "tests/test_a.py"),
        ("R1", "tests/test_a.py::test_one"),
        ("R2", "tests/test_a.py::test_one"),
        ("R2", "tests/test_a.py::TestTwo"),
        ("R3", "tests/test_a.py::TestTwo::test_three"),
    ]
    assert list(marks_in(FILE, "check", "tests/test_a.py")) == [("C001", "tests/test_a.py::test_one")]


def test_a_number_that_does_not_exist_is_named(tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_a.py").write_text('import pytest\n@pytest.mark.req("R280", "R279")\ndef test_a(): pass\n')
    marks = collect("req", tests)
    assert unknown(marks, LEDGERS[0].rows()) == ["R280: tests/test_a.py::test_a"]


@pytest.mark.parametrize("mark", [f"pytest.mark.req{rest}" for rest in ("(R1)", "()", "", "('R1', x=1)")])
def test_a_mark_that_cannot_be_read_is_refused(mark: str) -> None:
    with pytest.raises(MarkError, match=r"test_a\.py::test_a"):
        list(marks_in(f"@{mark}\ndef test_a(): pass", "req", "test_a.py"))


def test_a_page_tells_covered_from_open() -> None:
    rows = [{"number": f"R{n}", "class": "MUST", "document": "D", "section": "S", "requirement": "a|b"} for n in (1, 2)]
    page = render(LEDGERS[0], rows, {"R2": ["tests/test_a.py::test_a"]})
    assert "Covered: 1 of 2." in page
    assert "| R1 | MUST | S | a&#124;b | open |" in page
    assert "| R2 | MUST | S | a&#124;b | `tests/test_a.py::test_a` |" in page

"""SQL is written in ``limen.db`` and in each subject's ``_rows``, and nowhere else."""

from __future__ import annotations

import pytest

from tests.architecture.tree import Source, imported, sources, within

DATABASE = ("sqlalchemy", "alembic", "sqlite3", "psycopg")


def may_hold_sql(path: str) -> bool:
    """Whether the file at *path* is one in which SQL is written."""
    parts = path.split("/")
    rows = parts[:3] == ["src", "limen", "control"] and len(parts) == 5 and parts[4] == "_rows.py"
    hand = path == "src/limen/cli/demo/ground.py"  # plays the hand at the database that the triggers refuse
    return rows or hand or parts[:3] == ["src", "limen", "db"]


def sql_elsewhere(source: Source) -> list[str]:
    """The imports of a database's library, types included, in a file that may not hold SQL."""
    if may_hold_sql(source.path):
        return []
    return [f"{source.where(node)} imports {name}" for name, node in imported(source) if within(name, *DATABASE)]


def test_sql_has_its_rooms() -> None:
    assert [line for source in sources() for line in sql_elsewhere(source)] == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("src/limen/control/keys/actions.py", "from sqlalchemy import select"),
        ("src/limen/control/keys/_rows_too.py", "import sqlalchemy as sa"),
        ("src/limen/control/_rows.py", "import sqlalchemy"),
        ("src/limen/app.py", "def f():\n    import sqlalchemy.engine"),
        ("src/limen/cli/doctor.py", "import sqlite3"),
        ("src/limen/guard/asgi.py", "if TYPE_CHECKING:\n    from sqlalchemy import Connection"),
    ],
)
def test_a_breach_is_found(path: str, text: str) -> None:
    assert len(sql_elsewhere(Source(path, text))) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("src/limen/control/keys/_rows.py", "from sqlalchemy import select"),
        ("src/limen/db/tables.py", "from sqlalchemy import Table"),
        ("src/limen/db/migrations/env.py", "from alembic import context"),
        ("src/limen/control/keys/actions.py", "from limen.db.transaction import Transaction"),
    ],
)
def test_what_is_allowed_is_not(path: str, text: str) -> None:
    assert sql_elsewhere(Source(path, text)) == []

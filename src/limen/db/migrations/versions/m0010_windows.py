"""A window that was opened by whoever was not sure of the time lasts no longer than it should once another has asked.

The function of revision 0003, which never changes, with what is otherwise from here on.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"

_CHANGES = (
    ("create function limen_count(", "create or replace function limen_count("),
    (
        """            rest := claim_count[at];
""",
        """            rest := claim_count[at];
            if held_ends[place] > latest + claim_length[at] then
                held_ends[place] := latest + claim_length[at];
                changed := changed || place;
            end if;
""",
    ),
    (
        "ends_in[at] := held_ends[place] - earliest;",
        "ends_in[at] := least(claim_length[at], held_ends[place] - earliest);",
    ),
)


def counting() -> str:
    """The function that counts, as this revision makes it."""
    counted = Path(__file__).with_name("m0003_windows.sql").read_text("utf-8")
    for before, after in _CHANGES:
        counted = counted.replace(before, after)
    return counted


def upgrade() -> None:
    """The function that counts is another one; processes of older releases ask it as before."""
    if op.get_bind().dialect.name == "postgresql":
        op.get_bind().exec_driver_sql(counting())

"""The part of the schema by which processes of several hosts share limits. On SQLite nothing is in it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, LargeBinary, Table

from limen.db.columns import Text, metadata

windows = Table(  # what has been used of limits
    "windows",
    metadata,
    Column("api", Text, primary_key=True),
    Column("windows", Text, primary_key=True),
    Column("whose", LargeBinary, primary_key=True),
    Column("ends_at", Double, nullable=False),  # on the scale of window_clock; in the past: none is open
    Column("used", BigInteger, nullable=False),
    Column("opened", BigInteger, nullable=False),
    postgresql_with={"fillfactor": 70},  # what is counted stays in its page
)

window_clock = Table(  # one row: the scale of time by which windows end (cluster.timescale)
    "window_clock",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("base", BigInteger, nullable=False),
    Column("shift", Double, nullable=False),
    Column("seen", Double, nullable=False),
)

window_eras = Table(  # which windows of an API Valkey held when it was first used; others count as emptied
    "window_eras",
    metadata,
    Column("api", Text, primary_key=True),
    Column("era", Text, nullable=False),
)

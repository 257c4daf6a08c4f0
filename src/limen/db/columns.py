"""What all tables are made of: one schema, and the types that mean the same in both databases."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, MetaData
from sqlalchemy import Text as AnyText

metadata = MetaData()

Text = AnyText().with_variant(AnyText(collation="C"), "postgresql")
"""Text that is ordered by its bytes, as SQLite orders it and as positions in lists are compared."""

Serial = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database gives: SQLite gives one to an INTEGER alone, which has 64 bits there."""

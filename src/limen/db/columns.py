"""What all tables are made of: one schema, and the types that mean the same in both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Integer, MetaData, text
from sqlalchemy import Text as AnyText
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

metadata = MetaData()

Text = AnyText().with_variant(AnyText(collation="C"), "postgresql")
"""Text that is ordered by its bytes, as SQLite orders it and as positions in lists are compared."""

Serial = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database gives: SQLite gives one to an INTEGER alone, which has 64 bits there."""


def only(condition: str) -> dict[str, Any]:
    """What says to an index that it is of the rows of this *condition* alone, in both databases."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class AsStored(FunctionElement[Any]):
    """JSON as the text that is stored, whatever a hand has put there: so that what is none can be read too."""

    type = AnyText()
    name = "as_stored"
    inherit_cache = True


@compiles(AsStored)
def _cast(element: AsStored, compiler: SQLCompiler, **how: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **how)} AS TEXT)"


@compiles(AsStored, "sqlite")
def _as_it_is(element: AsStored, compiler: SQLCompiler, **how: Any) -> str:
    return compiler.process(element.clauses, **how)

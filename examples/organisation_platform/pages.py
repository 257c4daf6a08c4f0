"""Lists, a page at a time, as Relay has it: ``first`` and ``after``, ``last`` and ``before``, ``pageInfo``.

A cursor names a place in an order, the sort key of a record and its id, and not a number of records to skip. So a page
costs the same wherever it lies, and neither repeats nor loses a record when others come and go in between.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from pydantic import Field, model_validator
from sqlalchemy import BigInteger, Column, ColumnElement, RowMapping, Table, Text, literal, select, tuple_, type_coerce

from examples.organisation_platform.errors import Invalid
from examples.organisation_platform.store import Tenant
from examples.organisation_platform.tables import Instant, Words
from examples.organisation_platform.wire import Query, Shape

DEFAULT_SIZE, MAX_SIZE = 20, 100
_MAX_CURSOR_CHARS = 1_000
_MAX_WHOLE = 2**63
_KEY = "cursor_key"

T = TypeVar("T")


class Paging(Query):
    """Which part of a list is asked for. A list adds in which orders it can be had, as ``sort_by``."""

    first: int | None = Field(default=None, ge=1, le=MAX_SIZE, description=f"So many from the start; {DEFAULT_SIZE}")
    after: str | None = Field(default=None, max_length=_MAX_CURSOR_CHARS, description="Start behind this cursor")
    last: int | None = Field(default=None, ge=1, le=MAX_SIZE, description="So many from the end")
    before: str | None = Field(default=None, max_length=_MAX_CURSOR_CHARS, description="End in front of this cursor")
    sort_by: str
    sort_dir: Literal["asc", "desc"] = "desc"

    @model_validator(mode="after")
    def _one_end(self) -> "Paging":
        if self.first is not None and self.last is not None:
            raise ValueError("Give first or last, not both")
        return self

    @property
    def backwards(self) -> bool:
        """Whether the page is counted from its end."""
        return self.last is not None or (self.before is not None and self.first is None)

    @property
    def size(self) -> int:
        """How many records the page holds at most."""
        return self.first or self.last or DEFAULT_SIZE


class PageInfo(Shape):
    """Where a page stands in its list. An empty page has no cursors."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


class Page(Shape, Generic[T]):
    """One page of a list."""

    data: list[T]
    page_info: PageInfo


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a page, in the order asked for, and where they stand."""

    rows: list[RowMapping]
    info: PageInfo


def turn_to(tenant: Tenant, table: Table, query: Paging, orders: Mapping[str, Column[Any]], *only: Any) -> Found:
    """The page of *table* that *query* asks for, of the tenant's rows that meet all conditions of *only*.

    *orders*: what ``sort_by`` may be, and the column that it means. None of these columns is ever null, and each has an
    index with the organisation before it and the id behind it: a page is a stretch of that index. Raises Invalid.
    """
    column = orders[query.sort_by]
    key = type_coerce(column, BigInteger) if isinstance(column.type, Instant) else column
    statement = select(table, key.label(_KEY)).where(tenant.owns(table), *only)
    for name, text in (("after", query.after), ("before", query.before)):
        if text is not None:
            here, there = tuple_(key, table.c.id), tuple_(*_read(text, query.sort_by, column, name))
            rises = (name == "after") == (query.sort_dir == "asc")
            statement = statement.where(here > there if rises else here < there)
    falling = (query.sort_dir == "desc") != query.backwards
    order = [each.desc() if falling else each.asc() for each in (column, table.c.id)]
    rows = list(tenant.conn.execute(statement.order_by(*order).limit(query.size + 1)).mappings())
    more, rows = len(rows) > query.size, rows[: query.size]
    if query.backwards:
        rows.reverse()
    # A cursor stood on a record when it was given out: where one was used, something lies on its other side.
    info = PageInfo(
        has_next_page=query.before is not None if query.backwards else more,
        has_previous_page=more if query.backwards else query.after is not None,
        start_cursor=_cursor(query.sort_by, rows[0]) if rows else None,
        end_cursor=_cursor(query.sort_by, rows[-1]) if rows else None,
    )
    return Found(rows, info)


def _cursor(order: str, row: RowMapping) -> str:
    place = json.dumps([order, row[_KEY], row["id"]], separators=(",", ":")).encode()
    return urlsafe_b64encode(place).rstrip(b"=").decode()


def _read(text: str, order: str, column: Column[Any], field: str) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """The sort key and the id that the cursor *text* names. Raises Invalid where it is none of this list and order."""
    kind, stored = (str, Words) if isinstance(column.type, Text) else (int, BigInteger())
    try:
        asked, key, row_id = json.loads(urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
        if asked == order and type(key) is kind and isinstance(row_id, str) and _storable(key) and _storable(row_id):
            return literal(key, stored), literal(row_id, Words)
    except (ValueError, TypeError, RecursionError):
        pass
    raise Invalid("The cursor is not valid.", (field, f"Should be a cursor of this list, sorted by {order}"))


def _storable(value: int | str) -> bool:
    """Whether a database can be asked about *value*, which comes from outside. Raises ValueError: it is no Unicode."""
    if isinstance(value, int):
        return -_MAX_WHOLE <= value < _MAX_WHOLE
    return b"\0" not in value.encode()

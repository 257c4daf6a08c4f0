"""Lists that are walked by a cursor: an opaque place in an order, right also while rows come and go before it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema

from examples.creator_platform.wire import MAX_PAGE_SIZE, Shape

T = TypeVar("T")

_LAST_MS = 7_258_118_400_000  # the year 2200
_LAST_ROW = 2**31 - 1


def write_cursor(moment_ms: int, row: int) -> str:
    """The place of a row in a list that is ordered by a moment and then by *row*.

    It holds no secret and grants nothing: whoever forges one reads another part of the same list.
    """
    return urlsafe_b64encode(f"{moment_ms}.{row}".encode()).decode().rstrip("=")


def read_cursor(text: str) -> tuple[int, int]:
    """The place that ``write_cursor`` wrote. Raises ValueError for any other text."""
    try:
        plain = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode("ascii")
        moment, row = (int(part) for part in plain.split("."))
    except (Error, UnicodeError, ValueError):
        raise ValueError("is none that this list has given") from None
    if write_cursor(moment, row) != text or not (0 <= moment <= _LAST_MS and 0 <= row <= _LAST_ROW):
        raise ValueError("is none that this list has given")
    return moment, row


def _known(text: str) -> str:
    read_cursor(text)
    return text


Cursor = Annotated[
    str,
    Field(max_length=100, description="`nextCursor` of the part before; omit it for the first part"),
    AfterValidator(_known),
    WithJsonSchema({"type": "string", "maxLength": 100}),
]


class Walk(Shape):
    """Which part of a list is asked for. Unknown query parameters are refused, as in a body."""

    model_config = ConfigDict(extra="forbid")

    cursor: Cursor | None = None
    size: int = Field(default=20, ge=1, le=MAX_PAGE_SIZE)

    @property
    def place(self) -> tuple[int, int] | None:
        """Where the part before ended; None at the beginning."""
        return None if self.cursor is None else read_cursor(self.cursor)

    @property
    def limit(self) -> int:
        """How many rows to read: one more than are shown, which tells whether another part follows."""
        return self.size + 1


class Part(Shape, Generic[T]):
    """One part of a list. No *nextCursor*: it was the last."""

    data: list[T]
    next_cursor: str | None


def part_of(items: Sequence[T], places: Sequence[tuple[int, int]], walk: Walk) -> Part[T]:
    """The part made of *items*, which were read with ``walk.limit``; *places*: where each of them stands."""
    shown = list(items[: walk.size])
    return Part(data=shown, next_cursor=write_cursor(*places[walk.size - 1]) if len(items) > walk.size else None)

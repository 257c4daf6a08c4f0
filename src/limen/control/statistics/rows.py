"""Roll-ups as they are, key by key, for other programs: CSV, JSON lines, Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any, TypeVar

from limen.control.statistics import _rows
from limen.control.statistics.actions import require_kept
from limen.control.statistics.whose import Asked, time_of, whose_of
from limen.core import statistics
from limen.core.problems import ProblemError
from limen.core.rollup import GRAINS
from limen.core.versions import iso_instant
from limen.db.transaction import Reader

T = TypeVar("T")
FORMATS = ("csv", "jsonl", "parquet")
COLUMNS = (
    *("at", "api", "key", "owner", "operation", "version", "code"),
    *("calls", "answered_1xx", "answered_2xx", "answered_3xx", "answered_4xx", "answered_5xx"),
)
_TEXTS = 7
"""How many of them are text; the first is a moment."""

_STRETCH = 5_000
_STEERS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What a text begins with that a spreadsheet would calculate."""

Stretch = list[tuple[Any, ...]]


def export(
    ask: Callable[[Callable[[Reader], Any]], Any], asked: Asked, *, granularity: str = "hour", form: str = "csv"
) -> Iterator[bytes]:
    """The file, part by part: a line, or row, for each key, span, operation, version and code, in order of moments.

    *ask*: puts a question, in a read transaction of its own; none stays open for as long as somebody reads. Raises, at
    once, what ``series`` does, and ``format_unavailable`` for Parquet where ``pyarrow`` is not installed.
    """
    if granularity not in GRAINS:
        allowed = ", ".join(GRAINS)
        raise ProblemError("request_malformed", f"granularity: found {granularity[:16]!r}, allowed: {allowed}.")
    write = _writer(form)
    wanted = {name: getattr(asked, name) for name in ("operation", "version", "code") if getattr(asked, name)}
    span: list[_rows.Piece] = []

    def stretch(after: tuple[Any, ...] | None) -> tuple[Stretch, tuple[Any, ...] | None]:
        def found(reader: Reader) -> Any:
            whose = whose_of(reader, asked)
            if not span:  # the same end for all stretches
                since, until = time_of(reader, asked, whose, gone_too=True).asked
                begin = statistics.floor(since, granularity)
                require_kept(reader, whose, begin, granularity)
                span.append((granularity, begin, statistics.ceiling(until, granularity)))
            return _rows.stretch(reader.connection, whose, span[0], after=after, limit=_STRETCH)

        rows = ask(found)
        shown = [_shown(row) for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]
        return shown, _place(rows[-1]) if len(rows) == _STRETCH else None

    first, place = stretch(None)

    def stretches() -> Iterator[Stretch]:
        shown, onward = first, place
        yield shown
        while onward is not None:
            shown, onward = stretch(onward)
            yield shown

    return write(stretches())


def _place(row: Any) -> tuple[Any, ...]:
    return (row.at, row.api, row.locator, row.operation, row.version, row.code)


def _shown(row: Any) -> tuple[Any, ...]:
    texts = (row.api, row.key, row.owner, row.operation, row.version, row.code)
    return (row.at, *texts, row.calls, row.s1, row.s2, row.s3, row.s4, row.s5)


def _writer(form: str) -> Callable[[Iterable[Stretch]], Iterator[bytes]]:
    if form not in FORMATS:
        raise ProblemError("request_malformed", f"format: found {form[:16]!r}, allowed: {', '.join(FORMATS)}.")
    return _parquet() if form == "parquet" else _TEXT[form]


def unsteered(text: str) -> str:
    """*text* for a cell of a spreadsheet: one that would be calculated begins with an apostrophe (C121)."""
    return f"'{text}" if text.startswith(_STEERS) else text


def _csv(stretches: Iterable[Stretch]) -> Iterator[bytes]:
    held = io.StringIO()
    to = csv.writer(held)
    to.writerow(COLUMNS)
    for rows in stretches:
        for at, *cells in rows:
            texts = (unsteered(cell) for cell in cells[: _TEXTS - 1])
            to.writerow((iso_instant(float(at)), *texts, *cells[_TEXTS - 1 :]))
        yield held.getvalue().encode()
        held.seek(0)
        held.truncate()


def _jsonl(stretches: Iterable[Stretch]) -> Iterator[bytes]:
    for rows in stretches:
        lines = (dict(zip(COLUMNS, (iso_instant(float(at)), *cells), strict=True)) for at, *cells in rows)
        if text := "".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines):
            yield text.encode()


_TEXT = {"csv": _csv, "jsonl": _jsonl}


def _parquet() -> Callable[[Iterable[Stretch]], Iterator[bytes]]:
    try:
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise ProblemError("format_unavailable", "Parquet needs pyarrow: install limen[parquet].") from None
    kinds = [pyarrow.timestamp("s", "UTC"), *[pyarrow.string()] * (_TEXTS - 1)]
    kinds += [pyarrow.int64()] * (len(COLUMNS) - _TEXTS)
    schema = pyarrow.schema(list(zip(COLUMNS, kinds, strict=True)))

    def write(stretches: Iterable[Stretch]) -> Iterator[bytes]:
        held = _Held()
        with parquet.ParquetWriter(held, schema) as to:
            for rows in stretches:
                columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in COLUMNS]
                arrays = [pyarrow.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
                to.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
                yield held.taken()
        yield held.taken()

    return write


class _Held(io.RawIOBase):
    """A file that is written once, from front to back, and handed on part by part."""

    def __init__(self) -> None:
        super().__init__()
        self._parts, self._at = bytearray(), 0

    def writable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """How much was written."""
        return self._at

    def write(self, part: Any) -> int:
        """Keep *part* until it is taken."""
        self._parts += part
        self._at += len(part)
        return len(part)

    def taken(self) -> bytes:
        """What was written since it was taken last."""
        part = bytes(self._parts)
        self._parts.clear()
        return part

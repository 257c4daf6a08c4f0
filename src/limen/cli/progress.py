"""A bar for what takes long, on standard error, where somebody looks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Tell it how much is done, and of how much: the bar appears with the first word, and goes when the block ends.

    Where standard error is no terminal, nothing is drawn.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    drawn = Progress(*columns, console=Console(stderr=True), transient=True)
    task = drawn.add_task(what, total=None)

    def tell(done: int, total: int) -> None:
        drawn.start()
        drawn.update(task, completed=done, total=total)

    try:
        yield tell
    finally:
        drawn.stop()

"""One line of a check-up, and how a check that fails on its own becomes one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from limen.core.problems import ProblemError
from limen.db.engine import store_errors

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, and what to do about it; nothing to do: empty."""

    check: str
    state: str
    """``ok``, ``warn`` (it works, but look at it) or ``fail``."""
    found: str
    advice: str = ""


def settled(check: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What *look* finds. Where it cannot look, that is what was found."""
    try:
        with store_errors():
            yield from look()
    except ProblemError as error:
        yield Finding(check, FAIL, error.detail)
    except OSError as error:
        yield Finding(
            check, FAIL, f"{error.filename or ''}: {error.strerror}.".removeprefix(": "), "Run it as the server's user."
        )

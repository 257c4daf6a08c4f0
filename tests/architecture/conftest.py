"""What is reported of the source without failing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.architecture.test_sizes import functions, parameters
from tests.architecture.tree import sources

if TYPE_CHECKING:
    import pytest

BY_POSITION = 2
FREE = 3


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Count the functions of more than three parameters that take more than two by position; name them with ``-v``.

    Reported only: the decision's own functions are called by position on purpose, because a keyword costs time there.
    """
    found = []
    for source in sources():
        for function in functions(source):
            positional, by_keyword = parameters(function)
            if len(positional) + len(by_keyword) > FREE and len(positional) > BY_POSITION:
                found.append(f"  {source.where(function)} {function.name}({', '.join(positional)})")
    terminalreporter.write_line(f"{len(found)} functions take more than {BY_POSITION} of their parameters by position")
    if config.get_verbosity() > 0:
        for line in found:
            terminalreporter.write_line(line)

"""A hand at the database: somebody who opens the file and writes SQL."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from limen.app import App


@pytest.fixture
def hand(installation: App) -> Iterator[sqlite3.Connection]:
    """A connection as the ``sqlite3`` shell has it: each statement its own transaction, foreign keys not enforced."""
    connection = sqlite3.connect(installation.settings.database_path, isolation_level=None)
    yield connection
    connection.close()

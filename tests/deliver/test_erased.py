"""What was told of an owner's keys is gone with the owner, wherever it lies."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from limen.control import alerts, owners, recording
from limen.core.usage import Decided
from limen.db.tables import metadata
from tests.deliver.conftest import Office


@pytest.mark.req("R73")
def test_no_row_says_where_an_erased_owner_called_from(office: Office) -> None:
    owner = office.owner("organisation")
    office.hook(owner, "https://127.0.0.1:9/x")
    office.hook("", "https://127.0.0.1:9/staff")
    office.key(owner, "organisation")
    locator = office.rows("select locator from keys")[0][0]
    hour = int(office.now) // 3600 * 3600
    calls = [(hour - day * 86_400, "198.51.100.7") for day in range(20, 1, -1)] + [(hour - 1_800, "203.0.113.9")]
    entries = [
        Decided(number, at, locator, "ok", "GET", "x", "", "/u", address)
        for number, (at, address) in enumerate(calls, 1)
    ]
    office.act(recording.record, "a.seg", 64, api="organisation", incarnation=7, entries=entries)
    office.now = hour + 300
    while (looked := office.ask(alerts.look, "hour")) is not None:
        office.act(alerts.settle, looked)
    assert _said(office, "203.0.113")["outbox"] > 0  # else what follows says nothing
    office.hand_on()
    assert _said(office, "203.0.113")["deliveries"] > 0
    office.act(owners.erase, owner)
    while office.act(recording.purge):
        pass
    assert not any(_said(office, "203.0.113").values())


def _said(office: Office, words: str) -> dict[str, int]:
    """In how many rows of each table *words* stand."""
    with office.app.store.read() as connection:
        return {
            table.name: sum(words in json.dumps([*row], default=str) for row in connection.execute(select(table)))
            for table in metadata.sorted_tables
        }

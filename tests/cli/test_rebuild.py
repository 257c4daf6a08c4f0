"""``limen usage rebuild``."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

from limen.core.verdict import Ask, Code
from limen.gate.journal import Journal


def test_what_is_wrong_is_found_and_made_right(limen) -> None:
    journal = Journal(limen.state / "journal" / "creator", "creator", 1, segment_bytes=65_536, segments=8)
    now = time.time()
    for number in range(3):
        ask = Ask(None, b"GET", b"/users/me", None, b"live", now, 0.0)
        journal.outcome(journal.decision(Code.OK, ask, b"0123456789ab", None, None), 200, now + number)
    journal.close()
    limen("worker", "--once")
    today = time.strftime("%Y-%m-%d", time.gmtime(now))
    assert limen.json("usage", "rebuild", "--check", "--since", today) == [
        {"day": today, "wrong": 0},
        *(
            []
            if time.gmtime().tm_mday == time.gmtime(now).tm_mday
            else [{"day": time.strftime("%Y-%m-%d"), "wrong": 0}]
        ),
    ]
    with closing(sqlite3.connect(limen.database)) as hand, hand:
        hand.execute("update usage_days set calls = 7")
    assert limen.json("usage", "rebuild", "--check", "--since", today, expect=1)[0]["wrong"] == 4
    limen("usage", "rebuild", "--since", today, expect=2)
    assert limen.json("usage", "rebuild", "--since", today, "--yes")[0]["wrong"] == 4
    assert limen.json("usage", "rebuild", "--check", "--since", today)[0]["wrong"] == 0


def test_a_day_whose_readings_have_gone_is_not_made_anew(limen) -> None:
    said = limen("usage", "rebuild", "--since", "2020-01-01", "--yes", expect=2).stderr
    assert "readings have gone" in said
    assert "is after" in limen("usage", "rebuild", "--until", "2020-01-01", "--yes", expect=2).stderr

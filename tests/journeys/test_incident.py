"""An incident: staff close what they must, at once; while all of it holds they still come in, and open it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limen.core.profile import Profile
from tests.journeys.stage import Stage

SEGMENT_BYTES, SEGMENTS = 65_536, 2
LONG = f"/{'a' * 1_023}"
"""A path that takes a kilobyte of the journal, and is no operation."""

ENOUGH, REST = SEGMENT_BYTES * SEGMENTS // len(LONG), 40
"""So many of these fill a journal, and so many of the shortest what is left then."""

SCOPES = ("read:chat", "write:chat", "read:self")
MESSAGES = "GET /chats/4fQ0wZr81kTb/messages"
NEAR, FAR = "198.51.100.7", "203.0.113.9"


@pytest.fixture
def tight(tmp_path: Path, altered: Callable[..., Profile]) -> Iterator[Stage]:
    """A server whose journals are soon full, because nobody drains them."""
    small = {"segment_bytes": str(SEGMENT_BYTES), "segments": str(SEGMENTS)}
    with Stage(tmp_path, {"creator": altered("creator", {})}, **small) as made:
        yield made.open("--no-worker")
        made.shut()


@pytest.mark.timeout(240)
@pytest.mark.req("R28", "R124", "R162", "R163", "R165", "R169", "R170")
@pytest.mark.check("C027", "C032", "C062")
def test_everything_is_closed_at_once_and_opened_again_while_all_of_it_holds(tight: Stage) -> None:
    staff, ask = tight.colleague(), tight.ask
    bad, good, other = (tight.issue(tight.user(), *SCOPES) for _ in range(3))
    each = {
        "suspended": lambda: ask(bad["text"]),
        "read only": lambda: ask(good["text"], "POST /chats"),
        "blocked": lambda: ask(good["text"], address=NEAR),
        "throttled": lambda: ask(good["text"], MESSAGES),
        "neither": lambda: ask(good["text"]),
        "emergency": lambda: ask(other["text"], "GET /users/me"),
    }

    def seen() -> dict[str, str]:
        return {name: ask_it() for name, ask_it in each.items()}

    assert set(seen().values()) == {"ok"}

    # An account; with a reason, which whoever looks at it is told.
    assert staff.refused("POST", f"/owners/{bad['owner']}/suspend", {"reason": ""})[0] == 400
    told = staff.do("POST", f"/owners/{bad['owner']}/suspend", {"reason": "shares its key"})
    assert (told["state"], each["suspended"]()) == ("suspended", "owner_suspended")

    # All writing.
    staff.do("PATCH", "/apis/creator", {"read_only": True})
    assert (each["read only"](), each["neither"]()) == ("writes_disabled", "ok")

    # Whoever comes from a range of addresses.
    block = {"kind": "block", "target": "address", "subject": "198.51.100.0/24", "reason": "scans us"}
    measures = [staff.do("POST", "/measures", block)]
    assert (each["blocked"](), each["neither"]()) == ("access_blocked", "ok")

    # An operation, to one call an hour over all callers.
    throttle = {"kind": "throttle", "target": "operation", "subject": "listMessages", "api": "creator"}
    measures.append(staff.do("POST", "/measures", throttle | {"limits": "1 per 1 h", "reason": "slow queries"}))
    codes = [ask(each["text"], MESSAGES) for each in (good, other, good)]
    assert codes == ["ok", "limit_exceeded", "limit_exceeded"]
    assert each["neither"]() == "ok"

    # The API, to one call an hour over all callers.
    staff.do("PATCH", "/apis/creator", {"emergency": "1 per 1 h"})
    assert [each["neither"](), each["neither"](), each["emergency"]()] == ["ok", "limit_exceeded", "limit_exceeded"]
    closed = {
        "suspended": "owner_suspended",
        "read only": "writes_disabled",
        "blocked": "access_blocked",
        "throttled": "limit_exceeded",
        "neither": "limit_exceeded",
        "emergency": "limit_exceeded",
    }
    assert seen() == closed

    # And nobody drains: both journals are full. The gate admits nothing that it cannot record.
    _fill(tight, good["text"])
    assert set(seen().values()) == {"unavailable"}

    # Whoever makes room is let in all the same, and opens everything again.
    assert [each["measure"] for each in staff.get("/measures")["items"]] == [
        each["measure"] for each in reversed(measures)
    ]
    for measure in measures:
        assert staff.do("POST", f"/measures/{measure['measure']}/lift")["state"] == "lifted"
    opened = staff.do("PATCH", "/apis/creator", {"read_only": False, "emergency": ""})
    assert (opened["read_only"], opened["emergency"]) == (False, "")
    assert staff.do("POST", f"/owners/{bad['owner']}/restore")["state"] == "active"
    assert set(seen().values()) == {"unavailable"}
    tight.limen("worker", "--once")
    assert set(seen().values()) == {"ok"}

    # The audit has all of it, with who and why.
    entries = staff.get("/audit?limit=200")["items"]
    done = [(entry["verb"], entry["personal"].get("reason")) for entry in reversed(entries)]
    incident = [each for each in done if each[0].partition(".")[0] in ("measures", "apis") or "suspend" in each[0]]
    assert incident[incident.index(("owners.suspend", "shares its key")) :] == [
        ("owners.suspend", "shares its key"),
        ("apis.switch", None),
        ("measures.block", "scans us"),
        ("measures.throttle", "slow queries"),
        ("apis.switch", None),
        ("measures.lift", "scans us"),
        ("measures.lift", "slow queries"),
        ("apis.switch", None),
        ("apis.switch", None),
    ]


def _fill(tight: Stage, text: str) -> None:
    """The journals of both gates, that of *text*'s and that of the management API, have no room for an entry more."""
    for path in [LONG] * ENOUGH + ["/"] * REST:
        said = tight.ask(text, f"GET {path}")
        tight.staff("GET", path)
    assert said == "unavailable"
    for api in ("creator", "limen"):
        assert len(list(tight.settings.state_folder.glob(f"journal/{api}/*.seg"))) == SEGMENTS

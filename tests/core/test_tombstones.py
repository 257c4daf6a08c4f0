"""What a line of the tombstones says, and what all of them say to a database of an earlier day."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.core.tombstones import (
    KeyWords,
    LastWords,
    Line,
    OwnerWords,
    Place,
    Stone,
    divided,
    last_words,
    read_line,
    write_line,
)

STONE = Stone(1_795_369_344.9758909, "key", "4fQ0wZr81kTb", "revoked")
PLACE = Place("aaaaaaaaaaaa", 7)


def line(number: int, subject: str = "k1", what: str = "revoked", *, series: str = "a", until: float | None = None):
    kind = "owner" if what in ("suspended", "restored", "erased") else "key"
    return Line(Place(series, number), Stone(float(number), kind, subject, what, until))


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=30),
    st.sampled_from(("revoked", "expires", "suspended")),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
)
def test_a_line_is_read_as_it_was_written(at: float, subject: str, what: str, until: float | None) -> None:
    stone = Stone(at, "key", subject, what, until)
    written = write_line(PLACE, stone)
    assert written.count(b"\n") == 1
    assert read_line(written) == read_line(written.rstrip()) == Line(PLACE, stone)


def test_a_line_is_json_that_other_programs_can_read() -> None:
    told = json.loads(write_line(PLACE, replace(STONE, what="expires", expires_at=1.5)))
    assert list(told) == ["series", "number", "at", "kind", "id", "what", "expires_at", "crc"]
    assert (told["id"], told["what"], told["expires_at"]) == ("4fQ0wZr81kTb", "expires", 1.5)


def test_whatever_is_torn_off_or_changed_is_no_line() -> None:
    whole = write_line(PLACE, STONE).rstrip()
    for length in range(len(whole)):
        assert read_line(whole[:length]) is None, length
    for at in range(len(whole)):
        for bit in (1, 128):
            changed = bytearray(whole)
            changed[at] ^= bit
            assert read_line(bytes(changed)) is None, at
    assert read_line(b"\0" * 200) is None


KNOWN = Place("a", 2)


def words(*lines: Line, known: Place = KNOWN) -> LastWords:
    return last_words(lines, known)


def test_what_the_database_knows_is_left_out_and_the_rest_counts() -> None:
    found = words(line(1, "k1"), line(2, "k2"), line(3, "k3"), line(4, "k3", "deleted"))
    assert found.whole
    assert found.keys == {"k3": KeyWords(revoked_at=3.0, deleted=True)}


def test_a_file_whose_beginning_was_cut_off_is_whole_from_where_it_is_needed() -> None:
    assert words(line(2), line(3)).whole
    assert words(line(3), line(4)).whole
    assert not words(line(4), line(5)).whole


def test_nothing_new_is_whole_too() -> None:
    found = words(line(1), line(2))
    assert (found.whole, found.keys) == (True, {})


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (line(1),),
        (line(1), line(2), line(4)),
        (line(2), line(4), line(3)),
        (line(1), line(2), line(3), line(1, series="b")),
        (line(1), line(2), line(1, series="b"), line(3)),
        (line(1, series="b"), line(2, series="b"), line(3, series="b")),
        (line(1), line(2), line(3), line(3)),
    ],
    ids=["no lines", "cut off before", "a hole", "out of order", "another after", "another between", "other", "twice"],
)
def test_a_file_that_may_lack_something_is_not_whole_and_every_end_in_it_counts(lines: tuple[Line, ...]) -> None:
    found = words(*lines)
    assert not found.whole
    assert bool(found.keys) == bool(lines)


def test_a_series_before_ours_does_no_harm() -> None:
    assert words(line(1, series="b"), line(1), line(2), line(3)).whole


def test_a_database_that_has_written_none_has_no_file_that_is_whole() -> None:
    assert not words(line(1), line(2), known=Place()).whole


def test_an_end_is_final_and_what_can_be_taken_back_is_as_it_was_said_last() -> None:
    found = words(
        line(3, "k1", "inactive"),
        line(4, "k1", "active"),
        line(5, "k2", "active"),
        line(6, "k2", "inactive"),
        line(7, "k3", "revoked"),
        line(8, "k3", "active"),
        line(9, "k4", "expires", until=50.0),
        line(10, "k4", "expires", until=40.0),
        line(11, "k4", "expires", until=60.0),
        line(12, "o1", "suspended"),
        line(13, "o2", "suspended"),
        line(14, "o2", "restored"),
        line(15, "o3", "erased"),
        line(16, "o3", "restored"),
    )
    assert found.keys == {
        "k1": KeyWords(asleep=False),
        "k2": KeyWords(asleep=True),
        "k3": KeyWords(revoked_at=7.0, asleep=False),
        "k4": KeyWords(expires_at=40.0),
    }
    assert found.owners == {
        "o1": OwnerWords(12.0, suspended=True),
        "o2": OwnerWords(14.0, suspended=False),
        "o3": OwnerWords(16.0, suspended=True, erased=True),
    }


def test_what_takes_an_end_back_is_written_after_the_commit_unless_it_ended_again() -> None:
    whats = ("inactive", "active", "expires", "revoked", "suspended", "restored", "deleted", "erased")
    told = [Stone(0.0, "key", "k", what) for what in whats]
    ends, revivals = divided(told)
    assert [stone.what for stone in ends] == ["inactive", "expires", "revoked", "suspended", "deleted", "erased"]
    assert [stone.what for stone in revivals] == ["active", "restored"]
    again = [*told, Stone(0.0, "key", "k", "inactive"), Stone(0.0, "key", "other", "suspended")]
    assert [stone.what for stone in divided(again)[1]] == ["restored"]
    assert divided([]) == ([], [])

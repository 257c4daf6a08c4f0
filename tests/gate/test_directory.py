"""What a process knows of keys: found by the whole text alone, bounded, and never older than the changes it applied."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable

import pytest

from limen.core.keys import State, digester, mint
from limen.core.record import Owner, Record, Terms
from limen.gate.directory import STALE_BOUND, Directory

DIGEST = digester(bytes(range(32)))


def _new(bound: int = 100, unknown_bound: int = 100, kind: type[Directory] = Directory) -> Directory:
    return kind({1: DIGEST}, bound=bound, unknown_bound=unknown_bound)


def _key(owner: str = "ann", **changes: object) -> tuple[bytes, Record]:
    key_id, text = mint("sk_", os.urandom)
    record = Record(
        locator=key_id.encode(),
        key_id=key_id.encode(),
        digest=DIGEST(text.encode()),
        pepper=1,
        owner=Owner(owner, "user", suspended=False, allowed=True, plan="", limits=()),
        state=State.ACTIVE,
        expires_at=math.inf,
        window=key_id.encode(),
        lineage=key_id.encode(),
        terms=Terms("secret", b"live", frozenset(), ()),
    )
    for name, value in changes.items():
        setattr(record, name, value)
    return text.encode(), record


def _filled(directory: Directory, keys: Iterable[tuple[bytes, Record]]) -> list[bytes]:
    texts = []
    for text, record in keys:
        directory.put(record.locator, record, directory.applied)
        texts.append(text)
    return texts


def test_a_record_is_found_by_its_whole_text_alone() -> None:
    directory, (text, record) = _new(), _key()
    assert directory.find(text) is None
    assert directory.settled(text) == ""
    directory.put(record.locator, record, 0)
    assert directory.find(text) is record
    for place in range(len(text)):
        other = text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :]
        assert directory.find(other) is None
    assert directory.settled(text[:20] + b"x" * (len(text) - 20)) == "wrong_secret"


def test_a_place_that_names_nothing_is_remembered_until_something_is_put_there() -> None:
    directory, (text, record) = _new(), _key()
    directory.put(record.locator, None, 0)
    assert (directory.find(text), directory.settled(text)) == (None, "unknown_id")
    directory.forget(places=[record.locator], owners=[], head=1)
    assert directory.settled(text) == ""
    directory.put(record.locator, record, 1)
    assert directory.find(text) is record


@pytest.mark.parametrize("bound", [1, 2, 3, 10, 100])
def test_it_holds_no_more_than_its_bound_and_no_less_than_half(bound: int) -> None:
    directory = _new(bound)
    for count, (text, record) in enumerate((_key() for _ in range(5 * bound)), 1):
        directory.put(record.locator, record, 0)
        assert directory.find(text) is record
        assert min(count, max(1, bound // 2)) <= len(directory) <= max(2, bound)


def test_what_is_asked_for_stays_and_what_is_not_goes() -> None:
    directory = _new(10)
    hot, *cold = _filled(directory, (_key() for _ in range(5)))
    for key in (_key() for _ in range(50)):
        _filled(directory, [key])
        assert directory.find(hot) is not None
    assert [directory.find(text) for text in cold] == [None] * 4


def test_unknown_places_are_bounded_apart_and_push_no_record_out() -> None:
    directory = _new(bound=10, unknown_bound=20)
    texts = _filled(directory, (_key() for _ in range(5)))
    places = [mint("sk_", os.urandom)[0].encode() for _ in range(1_000)]
    for place in places:
        directory.put(place, None, 0)
    remembered = sum(directory.settled(b"sk_" + place + bytes(38)) == "unknown_id" for place in places)
    assert 10 <= remembered <= 20
    assert all(directory.find(text) for text in texts)


def _put_what_was_read_before_a_revocation(directory: Directory) -> tuple[Record | None, Directory]:
    """A load reads an active key; the key is revoked and the change applied; only then does the load arrive."""
    text, record = _key()
    directory.forget(places=[], owners=[], head=6)
    snapshot = 6
    directory.forget(places=[record.locator], owners=[], head=7)
    directory.put(record.locator, record, snapshot)
    return directory.find(text), directory


@pytest.mark.req("R69", "R48")
def test_what_was_read_before_a_change_is_not_put_after_it() -> None:
    found, directory = _put_what_was_read_before_a_revocation(_new())
    assert found is None
    assert len(directory) == 0


class _Unguarded(Directory):
    """A build without the fill guard: whatever a load brings is held."""

    def put(self, place: bytes, record: Record | None, snapshot: int) -> None:
        super().put(place, record, max(snapshot, self.applied))


@pytest.mark.check("C028")
def test_a_build_without_the_fill_guard_would_admit_the_revoked_key() -> None:
    found, _ = _put_what_was_read_before_a_revocation(_new(kind=_Unguarded))
    assert found is not None


def test_that_a_place_names_nothing_is_not_put_after_a_change_either() -> None:
    directory, (text, _) = _new(), _key()
    directory.forget(places=[], owners=[], head=7)
    directory.put(text[3:15], None, 6)
    assert directory.settled(text) == ""


def test_all_records_of_a_changed_owner_are_unknown_at_once_in_whatever_generation_they_are() -> None:
    directory = _new(10)
    _filled(directory, (_key("bob") for _ in range(3)))
    anns = _filled(directory, [_key("ann")])
    _filled(directory, (_key("bob") for _ in range(4)))  # the generations turn: ann's key is among the old,
    assert directory.find(anns[0]) is not None  # and is young again,
    anns += _filled(directory, [_key("ann") for _ in range(2)])
    bobs = _filled(directory, (_key("bob") for _ in range(2)))
    directory.forget(places=[], owners=["ann"], head=1)
    assert [directory.find(text) for text in anns] == [None] * 3
    assert [directory.settled(text) for text in anns] == [""] * 3
    assert all(directory.find(text) for text in bobs)


def test_an_owner_is_forgotten_whenever_in_its_life_a_record_was_filled() -> None:
    """Whatever moved between fill and change: a directory of every size, a change after every number of fills."""
    for bound in range(1, 9):
        for fills in range(1, 20):
            directory = _new(bound)
            texts = []
            for number in range(fills):
                texts += _filled(directory, [_key("ann" if number % 3 == 0 else f"other-{number}")])
                directory.find(texts[0])
            directory.forget(places=[], owners=["ann"], head=1)
            assert [directory.find(text) for text in texts[::3]] == [None] * len(texts[::3])


def test_a_record_read_after_its_owner_changed_is_held() -> None:
    directory, (text, record) = _new(), _key()
    directory.forget(places=[], owners=["ann"], head=5)
    directory.put(record.locator, record, 5)
    assert directory.find(text) is record
    directory.forget(places=[], owners=["bob"], head=6)
    assert directory.find(text) is record
    directory.forget(places=[], owners=["ann"], head=7)
    assert directory.find(text) is None


def test_more_changed_owners_than_are_remembered_make_it_forget_everything_rather_than_one_of_them() -> None:
    directory = _new(1_000)
    texts = _filled(directory, (_key(f"owner-{number}") for number in range(100)))
    for head in range(1, STALE_BOUND + 2):
        directory.forget(places=[], owners=[f"owner-{head - 1}"], head=head)
    assert [directory.find(text) for text in texts] == [None] * 100
    assert len(directory._stale) <= STALE_BOUND


def test_clearing_forgets_everything_and_refuses_what_was_read_before() -> None:
    directory, (text, record), (other, nothing) = _new(), _key(), _key()
    directory.put(record.locator, record, 0)
    directory.put(nothing.locator, None, 0)
    directory.clear(9)
    assert (directory.find(text), directory.settled(text), directory.settled(other)) == (None, "", "")
    directory.put(record.locator, record, 8)
    assert directory.find(text) is None
    directory.put(record.locator, record, 9)
    assert directory.find(text) is record


def test_a_change_that_was_read_late_does_not_take_the_directory_back() -> None:
    directory = _new()
    directory.forget(places=[], owners=[], head=9)
    directory.forget(places=[], owners=[], head=3)
    assert directory.applied == 9

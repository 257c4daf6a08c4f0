"""A process learns of new peppers and secrets while it runs, of nothing else, and forgets none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from limen.control import peppers
from limen.core.keys import PEPPER_BYTES
from limen.db import pepper
from limen.db.ring import UNKNOWN, Ring

if TYPE_CHECKING:
    from limen.app import App

TEXT = b"fvak_0123456789Ab"


def answers(app: App) -> pepper.Answers:
    with app.reading() as reader:
        return pepper.answers(reader.connection)


@pytest.fixture
def ring(installation: App) -> Ring:
    """That of another process on the installation."""
    ring = Ring(installation.settings.pepper_path, lambda: answers(installation))
    ring.learn(answers(installation))
    return ring


def test_a_number_is_that_of_the_pepper_and_any_other_scheme_has_one_of_its_own(ring: Ring) -> None:
    numbers = [ring.number(1, scheme) for scheme in ("b2", "b2/sha256", "b2/sha512", "b2/sha256", "b2/b2.1")]
    assert numbers[0] == 1
    assert len(set(numbers)) == 4
    assert numbers[1] == numbers[3]
    for number, scheme in zip(numbers, ("b2", "b2/sha256", "b2/sha512"), strict=False):
        assert ring.digests[number](TEXT) == ring.keyring.digest(1, scheme)(TEXT)


@pytest.mark.parametrize(("version", "scheme"), [(2, "b2"), (1, "b2/b2.2"), (1, "b2/hmac-sha256:legacy"), (1, "b9")])
def test_what_cannot_be_made_has_no_digest(ring: Ring, version: int, scheme: str) -> None:
    assert ring.number(version, scheme) == UNKNOWN
    assert UNKNOWN not in ring.digests


@pytest.mark.check("C006")
def test_a_pepper_that_another_process_added_is_there_when_a_record_needs_it(installation: App, ring: Ring) -> None:
    before = ring.digests
    assert ring.number(2, "b2") == UNKNOWN
    installation.act(peppers.add, installation.settings.pepper_path)
    assert ring.number(2, "b2") == 2
    assert ring.digests is before, "gates hold it"
    assert ring.digests[2](TEXT) == pepper.read(installation.settings.pepper_path).digest(2)(TEXT)
    assert ring.current == 2


def test_a_secret_that_another_process_added_is_there_when_a_record_needs_it(installation: App, ring: Ring) -> None:
    assert ring.number(1, "b2/hmac-sha256:legacy") == UNKNOWN
    installation.act(peppers.add_secret, installation.settings.pepper_path, "legacy", bytes(16))
    assert ring.number(1, "b2/hmac-sha256:legacy") != UNKNOWN


def test_a_line_counts_once_the_database_knows_it(installation: App, ring: Ring) -> None:
    """Looked at between the two writings of 'pepper add': it is not used yet, and not missed later."""
    pepper.add(installation.settings.pepper_path, 2, bytes(PEPPER_BYTES))
    assert ring.number(2, "b2") == UNKNOWN
    ring.learn(answers(installation))
    assert ring.current == 1
    installation.act(peppers.add, installation.settings.pepper_path)
    assert ring.number(2, "b2") == 2


def test_a_line_that_is_not_what_the_database_knows_is_not_taken(installation: App, ring: Ring) -> None:
    path = installation.settings.pepper_path
    installation.act(peppers.add, path)
    right = path.read_text()
    pepper.drop(path, 2)
    pepper.add(path, 2, bytes(PEPPER_BYTES))
    assert ring.number(2, "b2") == UNKNOWN
    assert ring.current == 1
    path.write_text(right)
    assert ring.number(2, "b2") == 2


@pytest.mark.check("C006")
@pytest.mark.parametrize("content", ["", "what is this", None])
def test_a_file_that_is_spoilt_stops_no_process_that_runs(installation: App, ring: Ring, content: str | None) -> None:
    path = installation.settings.pepper_path
    installation.act(peppers.add, path)
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    assert ring.number(2, "b2") == UNKNOWN
    assert ring.number(1, "b2") == 1
    assert (ring.current, list(ring.keyring.peppers)) == (1, [1])


def test_what_has_been_retired_is_still_had(installation: App, ring: Ring) -> None:
    path = installation.settings.pepper_path
    installation.act(peppers.add, path)
    installation.act(peppers.retire, path, 1)
    installation.act(peppers.forget, path, 1)
    ring.learn(answers(installation))
    assert ring.current == 2
    assert ring.number(1, "b2") == 1


@pytest.mark.check("C006")
def test_each_process_stores_new_keys_under_the_newest_pepper_from_the_moment_it_is_there(installation: App) -> None:
    other = type(installation).open(installation.settings)
    assert other.act(lambda tx: tx.pepper) == 1
    installation.act(peppers.add, installation.settings.pepper_path)
    assert other.act(lambda tx: (tx.pepper, tx.digest(TEXT) == tx.keyring.digest(2)(TEXT))) == (2, True)
    other.close()

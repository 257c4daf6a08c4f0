"""Peppers are added, wrapped around what is stored, and retired; no key notices, and nothing is left half-done."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from limen.app import App
from limen.control import apis, keys, owners, peppers
from limen.core.keys import PEPPER_BYTES
from limen.core.problems import ProblemError
from limen.core.schemes import LOCATOR, Keyring
from limen.core.verdict import Ask
from limen.db import pepper
from limen.db.rehash import Proof

if TYPE_CHECKING:
    from limen.control.keys import Issued

Issue = Callable[..., "Issued"]


@pytest.fixture
def path(creator: App) -> Path:
    """The pepper file of ``creator``'s installation."""
    return creator.settings.pepper_path


@pytest.fixture
def several(creator: App, owner: str, issue: Issue) -> list[Issued]:
    """Five keys under the first pepper, of five owners."""
    for number in range(2, 6):
        creator.act(owners.create, owners.NewOwner("user", owner=f"u-{number}"))
    return [issue("creator", f"u-{number}") for number in range(1, 6)]


def stored(app: App) -> list[tuple[int, str]]:
    """How keys are stored, in the order of their ids."""
    with app.reading() as reader:
        found = reader.connection.exec_driver_sql("select pepper, scheme from keys order by key")
        return [(row[0], row[1]) for row in found]


def refused(app: App, code: str, verb: Callable[..., Any], *args: Any, **named: Any) -> str:
    """*verb* is refused; what is said."""
    with pytest.raises(ProblemError) as caught:
        app.act(verb, *args, **named)
    assert caught.value.problem.code == code
    return caught.value.detail


def still_match(app: App, issued: list[Issued]) -> bool:
    """Whether each key's text still gives what is stored of it, by a process that starts now."""
    other = App.open(app.settings)
    with other.reading() as reader:
        rows = reader.connection.exec_driver_sql("select key, pepper, scheme, digest from keys").all()
    held = {row.key: other.ring.keyring.digest(row.pepper, row.scheme) for row in rows}
    digests = {row.key: row.digest for row in rows}
    other.close()
    return all(held[each.key.key](each.text.encode()) == digests[each.key.key] for each in issued)


# -- add -------------------------------------------------------------------------------------------------------------


@pytest.mark.check("C006")
def test_new_keys_are_under_the_new_pepper_and_old_ones_where_they_were(
    creator: App, path: Path, several: list[Issued], issue: Issue
) -> None:
    assert creator.act(peppers.add, path) == 2
    creator.act(owners.create, owners.NewOwner("user", owner="u-9"))
    several.append(issue("creator", "u-9"))
    assert sorted(stored(creator)) == [(1, "b2")] * 5 + [(2, "b2")]
    assert still_match(creator, several)
    with creator.reading() as reader:
        first, second = peppers.listed(reader)
    assert (first.version, first.newest, first.keys, first.wrapped) == (1, False, 5, 0)
    assert (second.version, second.newest, second.keys, second.wrapped) == (2, True, 1, 0)


def test_it_is_audited_and_told_without_a_word_of_what_it_is(creator: App, path: Path) -> None:
    creator.act(peppers.add, path)
    creator.act(peppers.add_secret, path, "legacy", b"a secret that is told nowhere")
    held = pepper.read(path)
    with creator.reading() as reader:
        told = [tuple(row) for row in reader.connection.exec_driver_sql(
            "select verb, event, subject, detail, payload from audit join outbox on audit.at = outbox.at"
            " and payload->>'subject' = subject where substr(verb, 1, 7) = 'peppers'"
        )]  # fmt: skip
    assert [row[:3] for row in told] == [
        ("peppers.add", "pepper.added", "2"),
        ("peppers.add_secret", "secret.added", "legacy"),
    ]
    secret = [value.hex() for value in (*held.peppers.values(), *held.secrets.values())]
    assert not any(each in str(told) for each in secret)


def test_what_the_file_has_already_is_taken_up(creator: App, path: Path) -> None:
    """By hand, or by a command that was killed between its two writings."""
    pepper.add(path, 2, bytes(PEPPER_BYTES))
    before = path.read_text()
    assert creator.act(peppers.add, path) == 2
    assert path.read_text() == before
    assert creator.act(lambda tx: tx.pepper) == 2


def test_a_transaction_that_fails_leaves_a_line_that_does_no_harm(creator: App, path: Path) -> None:
    def dies(tx: Any) -> None:
        peppers.add(tx, path)
        raise KeyError("killed")

    with pytest.raises(KeyError):
        creator.act(dies)
    assert list(pepper.read(path).peppers) == [1, 2]
    App.open(creator.settings).close()
    assert creator.act(lambda tx: tx.pepper) == 1
    assert creator.act(peppers.add, path) == 2


def test_a_file_of_another_installation_is_not_added_to(creator: App, path: Path, tmp_path: Path) -> None:
    path.write_text(f"1:{'ab' * PEPPER_BYTES}\n")
    said = refused(creator, "pepper_wrong", peppers.add, path)
    assert "is not the one the keys were stored under" in said


# -- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_is_added_once(creator: App, path: Path) -> None:
    for _ in range(2):
        creator.act(peppers.add_secret, path, "legacy", b"sixteen bytes ..")
    assert pepper.read(path).secrets["legacy"] == b"sixteen bytes .."
    refused(creator, "secret_exists", peppers.add_secret, path, "legacy", b"other 16 bytes..")
    assert pepper.read(path).secrets["legacy"] == b"sixteen bytes .."
    with creator.reading() as reader:
        assert [each.name for each in peppers.secrets(reader)] == ["legacy", LOCATOR]


def test_a_long_secret_is_kept_as_hmac_uses_it(creator: App, path: Path) -> None:
    long = bytes(range(200))
    creator.act(peppers.add_secret, path, "long", long)
    held = pepper.read(path)
    unchanged = Keyring({}, {"long": long})
    assert held.hasher("hmac-sha256:long")(b"text") == unchanged.hasher("hmac-sha256:long")(b"text")


@pytest.mark.parametrize(
    ("name", "value"), [("legacy", bytes(15)), ("Legacy", bytes(16)), ("", bytes(16)), ("7", bytes(16))]
)
def test_what_can_be_no_secret_is_refused(creator: App, path: Path, name: str, value: bytes) -> None:
    before = path.read_text()
    refused(creator, "secret_wrong", peppers.add_secret, path, name, value)
    assert path.read_text() == before


def test_an_installation_without_the_locators_secret_gets_it_first(creator: App, path: Path) -> None:
    with creator.store.engine.begin() as hand:
        hand.exec_driver_sql("delete from pepper_secrets")
    pepper.drop(path, LOCATOR)
    assert LOCATOR in refused(creator, "secret_wrong", peppers.add_secret, path, "legacy", bytes(16))
    creator.act(peppers.add_secret, path, LOCATOR)
    creator.act(peppers.add_secret, path, "legacy", bytes(16))
    assert set(pepper.read(path).secrets) == {LOCATOR, "legacy"}
    App.open(creator.settings).close()


# -- wrap ------------------------------------------------------------------------------------------------------------


@pytest.mark.req("R66")
@pytest.mark.check("C004", "C006")
def test_wrapping_brings_all_keys_under_the_newest_pepper_batch_by_batch(
    creator: App, path: Path, several: list[Issued]
) -> None:
    creator.act(peppers.add, path)
    first = creator.act(peppers.wrap, limit=2)
    assert (first.count, first.last) == (2, sorted(each.key.key for each in several)[1])
    assert stored(creator) == [(2, "b2/b2.1")] * 2 + [(1, "b2")] * 3
    assert still_match(creator, several)
    assert creator.act(peppers.wrap, after=first.last).count == 3
    assert creator.act(peppers.wrap).count == 0
    assert still_match(creator, several)
    creator.act(peppers.add, path)
    assert creator.act(peppers.wrap).count == 5
    assert stored(creator) == [(3, "b2/b2.2/b2.1")] * 5
    assert still_match(creator, several)


def test_keys_that_have_ended_are_wrapped_too(creator: App, path: Path, several: list[Issued]) -> None:
    creator.act(keys.revoke, several[0].key.key)
    creator.act(keys.delete, several[1].key.key)
    creator.act(peppers.add, path)
    assert creator.act(peppers.wrap).count == 5


def test_each_key_that_was_wrapped_is_told_to_gates_and_each_batch_audited(
    creator: App, path: Path, several: list[Issued]
) -> None:
    creator.act(peppers.add, path)
    with creator.reading() as reader:
        before = reader.connection.exec_driver_sql("select seq from change_head").scalar()
    creator.act(peppers.wrap)
    with creator.reading() as reader:
        rows = reader.connection.execute(
            text("select seq, kind, api, subject from changes where seq > :before order by seq"), {"before": before}
        ).all()
        audited = reader.connection.exec_driver_sql("select count(*) from audit where verb = 'peppers.wrap'").scalar()
    assert [row.seq for row in rows] == list(range(before + 1, before + 6))
    assert {(row.kind, row.api) for row in rows} == {("key", "creator")}
    assert {row.subject.decode() for row in rows} == {each.key.key for each in several}
    assert audited == 1
    assert creator.act(peppers.wrap).count == 0


# -- store anew ------------------------------------------------------------------------------------------------------


def proof(app: App, issued: Issued, **other: Any) -> Proof:
    """That the text of a key was seen."""
    with app.reading() as reader:
        asked = text("select digest from keys where key = :key")
        digest = reader.connection.execute(asked, {"key": issued.key.key}).scalar()
    keyring = app.act(lambda tx: tx.keyring)
    current = max(keyring.peppers)
    made = Proof(issued.key.key.encode(), digest, keyring.digest(current)(issued.text.encode()), current, None)
    return made._replace(**other)


@pytest.mark.check("C006")
def test_a_key_whose_text_was_seen_is_stored_as_new_ones_are(creator: App, path: Path, several: list[Issued]) -> None:
    creator.act(peppers.add, path)
    creator.act(peppers.wrap)
    creator.act(peppers.add, path)
    assert creator.act(peppers.store_anew, [proof(creator, each) for each in several[:2]]) == 2
    assert sorted(stored(creator)) == [(2, "b2/b2.1")] * 3 + [(3, "b2")] * 2
    assert still_match(creator, several)


def test_it_stays_as_it_is_where_somebody_was_quicker(creator: App, path: Path, several: list[Issued]) -> None:
    creator.act(peppers.add, path)
    late = proof(creator, several[0])
    creator.act(peppers.wrap)
    assert creator.act(peppers.store_anew, [late]) == 0
    assert set(stored(creator)) == {(2, "b2/b2.1")}
    assert creator.act(peppers.store_anew, [proof(creator, several[0], pepper=9)]) == 0, "there is no such pepper"
    assert creator.act(peppers.store_anew, [proof(creator, several[0], place=b"another-one!")]) == 0
    assert still_match(creator, several)


# -- retire ----------------------------------------------------------------------------------------------------------


def test_a_pepper_is_retired_once_no_key_needs_it(creator: App, path: Path, several: list[Issued]) -> None:
    assert "newest" in refused(creator, "pepper_needed", peppers.retire, path, 1)
    creator.act(peppers.add, path)
    assert "5 keys are stored under it" in refused(creator, "pepper_needed", peppers.retire, path, 1)
    refused(creator, "pepper_needed", peppers.forget, path, 1)
    creator.act(peppers.wrap)
    assert "5 keys are wrapped around it" in refused(creator, "pepper_needed", peppers.retire, path, 1)
    creator.act(peppers.store_anew, [proof(creator, each) for each in several])
    creator.act(peppers.retire, path, 1)
    App.open(creator.settings).close()
    creator.act(peppers.forget, path, 1)
    assert list(pepper.read(path).peppers) == [2]
    assert still_match(creator, several)
    refused(creator, "pepper_unknown", peppers.retire, path, 1)


def test_retiring_that_was_killed_before_the_file_goes_on(creator: App, path: Path) -> None:
    creator.act(peppers.add, path)
    creator.act(peppers.retire, path, 1)
    for _ in range(2):
        creator.act(peppers.retire, path, 1)
    App.open(creator.settings).close()
    assert creator.act(peppers.add, path) == 3, "what is left in the file is not taken for new"
    creator.act(peppers.forget, path, 1)
    assert list(pepper.read(path).peppers) == [2, 3]


def test_ended_keys_are_forgotten_where_that_is_asked(creator: App, path: Path, several: list[Issued]) -> None:
    creator.act(peppers.add, path)
    creator.act(peppers.wrap)
    creator.act(keys.revoke, several[0].key.key)
    creator.act(keys.set_expiry, several[1].key.key, expires_at=creator.clock.read()[0] + 0.05)
    for each in several[2:]:
        creator.act(peppers.store_anew, [proof(creator, each)])
    assert "2 keys" in refused(creator, "pepper_needed", peppers.retire, path, 1)
    gate = creator.gate("creator").cold

    def code(issued: Issued) -> str:
        now, at = creator.clock.read()
        ask = Ask(issued.text.encode(), b"GET", b"/users/me", b"2025-06-26", b"live", now + 1, at)
        return gate.decide_now(ask).code.slug

    assert [code(each) for each in several[:2]] == ["key_revoked", "key_expired"]
    time.sleep(0.1)
    creator.act(peppers.retire, path, 1, forget_ended=True)
    assert [code(each) for each in several[:2]] == ["credential_invalid"] * 2
    assert still_match(creator, several[2:])


def test_forgetting_the_ended_forgets_nobody_where_others_need_it(
    creator: App, path: Path, several: list[Issued]
) -> None:
    creator.act(keys.revoke, several[0].key.key)
    creator.act(peppers.add, path)
    before = stored(creator)
    assert "4 keys" in refused(creator, "pepper_needed", peppers.retire, path, 1, forget_ended=True)
    assert stored(creator) == before
    assert still_match(creator, several)


def test_a_secret_is_retired_once_no_profile_names_it(creator: App, path: Path, altered: Callable[..., Any]) -> None:
    foreign = {"prefix": "old_", "length": "40", "hash": "hmac-sha256", "secret": "legacy"}
    foreign |= {"class": "secret", "environment": "live"}
    creator.act(peppers.add_secret, path, "legacy", bytes(16))
    creator.act(apis.apply_profile, "creator", altered("creator", {"keys.foreign": [foreign]}))
    assert "creator" in refused(creator, "pepper_needed", peppers.retire, path, "legacy")
    creator.act(apis.apply_profile, "creator", altered("creator", {}))
    creator.act(peppers.retire, path, "legacy")
    creator.act(peppers.forget, path, "legacy")
    assert set(pepper.read(path).secrets) == {LOCATOR}
    assert "kept for as long as the database" in refused(creator, "pepper_needed", peppers.retire, path, LOCATOR)
    refused(creator, "pepper_unknown", peppers.retire, path, "legacy")

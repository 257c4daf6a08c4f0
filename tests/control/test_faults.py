"""Whatever fails in the middle of a verb, and whenever: either all of it has happened, or nothing."""

from __future__ import annotations

import itertools
import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError, OperationalError

from limen.app import App
from limen.control import apis, audit, batches, expiry, keys, leaks, measures, owners, recording, terms, versions
from limen.core.limits import Limit
from limen.core.problems import StoreDown
from limen.core.usage import Decided, Outcome, Tally
from limen.db import changes
from limen.db.epoch import Epoch
from tests.control.desk import Desk
from tests.control.people_scenes import PEOPLE
from tests.control.stored_scenes import STORED
from tests.db.children import in_child
from tests.db.dump import dump, place_of, rows
from tests.db.hand import missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from limen.core.profile import Profile
    from limen.db.transaction import Tx

    Altered = Callable[..., Profile]
    Done = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

OLD, NEW = "2025-06-26", "2026-06-26"


def _do(verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Done:
    return verb, args, kwargs


def _key(desk: Desk, **more: Any) -> str:
    new = keys.NewKey("creator", "u-1", "a key", scopes=("read:self",), **more)
    key: str = desk.act(keys.issue, new).key.key
    return key


def _asleep(desk: Desk) -> str:
    key = _key(desk)
    desk.act(keys.deactivate, key)
    return key


def _past(desk: Desk) -> str:
    """A key that ended by its date without its row saying so."""
    key = _key(desk, expires_at=desk.now + 60)
    desk.now += 60
    return key


def _issue(desk: Desk) -> Done:
    return _do(keys.issue, keys.NewKey("creator", "u-1", "another", scopes=("read:self",)))


def _overlap(desk: Desk, altered: Altered) -> Done:
    desk.act(apis.apply_profile, "creator", altered("creator", {"keys.max_active_per_owner": "unlimited",
                                                                "keys.overlap": "60 s"}))  # fmt: skip
    return _do(keys.regenerate, _key(desk))


def _to_one(desk: Desk, altered: Altered) -> Done:
    """A profile that ends keys by date, gives slots and dates versions."""
    desk.act(apis.apply_profile, "creator", altered("creator", {"keys.max_active_per_owner": "unlimited"}))
    _past(desk)
    _key(desk)
    versions = {OLD: {"deprecated": "2031-01-01", "successor": NEW}, NEW: {}}
    return _do(apis.apply_profile, "creator", altered("creator", {"versioning.versions": versions}))


def _disregarding(desk: Desk) -> Done:
    """Decisions by which a key has called inside its Retry-After as often as is told."""
    place = _key(desk).encode()
    refused = [
        Decided(n, desk.now, place, "limit_exceeded", "GET", "getCurrentUser", OLD, "/users/me") for n in range(1, 25)
    ]
    return _do(recording.record, "segment", 100, api="creator", incarnation=7, entries=refused)


def _sunset(desk: Desk) -> Done:
    desk.act(versions.register, "creator", NEW)
    return _do(versions.sunset, "creator", OLD, at=desk.now + 60, successor=NEW)


def _deprecated(desk: Desk) -> None:
    desk.act(versions.deprecate, "creator", OLD, at=desk.now)


def _brownout(desk: Desk) -> Done:
    _deprecated(desk)
    return _do(versions.announce_brownout, "creator", OLD, starts_at=desk.now, ends_at=desk.now + 60)


def _cancel(desk: Desk) -> Done:
    verb, args, kwargs = _brownout(desk)
    (found,) = desk.act(verb, *args, **kwargs).brownouts
    return _do(versions.cancel_brownout, "creator", found.brownout)


def _pin(desk: Desk, altered: Altered) -> Done:
    desk.act(apis.apply_profile, "creator", altered("creator", {"versioning.missing": "pin"}))
    desk.act(versions.register, "creator", NEW)
    return _do(terms.pin, _key(desk), version=OLD)


def _lift(desk: Desk) -> Done:
    return _do(measures.lift, desk.act(measures.block, measures.Target("owner", "u-1"), reason="a test").measure)


def _block(desk: Desk) -> Done:
    """One that ends another that is past its date in passing."""
    desk.act(measures.block, measures.Target("api"), reason="a test", ends_at=desk.now + 60)
    desk.now += 60
    return _do(measures.block, measures.Target("address", "192.0.2.0/24"), reason="a test")


def _standing(desk: Desk) -> Done:
    desk.act(owners.create, owners.NewOwner("user", owner="u-2"))
    return _do(owners.set_plan, "u-2", "creator", plan="", limits=(Limit("allowance", 5, 60),))


def _suspended(desk: Desk) -> Done:
    desk.act(owners.suspend, "u-1", reason="a test")
    return _do(owners.restore, "u-1")


def _batch(desk: Desk, action: str) -> Done:
    """Something for two keys of two owners; to be reactivated, the first of them is refused."""
    desk.act(owners.create, owners.NewOwner("user", owner="u-2"))
    other = desk.act(keys.issue, keys.NewKey("creator", "u-2", "a key", scopes=("read:self",))).key.key
    if action == "regenerate":
        _key(desk)
    else:
        desk.act(keys.deactivate, other)
        _asleep(desk)
        _key(desk)
    return _do(batches.run, batches.Task(action, {"api": "creator"}))


def _record(desk: Desk) -> Done:
    place = _key(desk).encode()
    entries = (
        Decided(1, desk.now, place, "ok", "GET", "getCurrentUser", OLD, "/users/me"),
        Outcome(7, 1, 200, desk.now),
        Tally(int(desk.now // 60), "credential_malformed", "", "192.0.2.0/24", 3),
    )
    return _do(recording.record, "segment", 100, api="creator", incarnation=7, entries=entries)


def _much_later(desk: Desk) -> Done:
    desk.now += changes.KEPT_S + 3600
    return _do(changes.trim)


SCENES: dict[str, Callable[[Desk, Altered], Done]] = {
    "owners.create": lambda desk, _: _do(owners.create, owners.NewOwner("user", owner="u-2")),
    "owners.suspend": lambda desk, _: _do(owners.suspend, "u-1", reason="a test"),
    "owners.restore": lambda desk, _: _suspended(desk),
    "owners.set_plan": lambda desk, _: _standing(desk),
    "owners.set_plan of one on the list": lambda desk, _: _do(
        owners.set_plan, "u-1", "creator", plan="", limits=(Limit("allowance", 5, 60),)
    ),
    "owners.disallow": lambda desk, _: _do(owners.disallow, "u-1", "creator"),
    "apis.create": lambda desk, altered: _do(apis.create, "another", altered("creator", {})),
    "apis.switch": lambda desk, _: _do(apis.switch, "creator", "read_only", True),
    "apis.apply_profile": lambda desk, altered: _do(
        apis.apply_profile, "creator", altered("creator", {"title": "Another"})
    ),
    "apis.apply_profile with keys and versions": _to_one,
    "versions.register": lambda desk, _: _do(versions.register, "creator", NEW),
    "versions.deprecate": lambda desk, _: _do(versions.deprecate, "creator", OLD, at=desk.now),
    "versions.sunset": lambda desk, _: _sunset(desk),
    "keys.issue": lambda desk, _: _issue(desk),
    "keys.issue in place of another": lambda desk, _: (_key(desk), _issue(desk))[1],
    "keys.issue in place of one past its date": lambda desk, _: (_past(desk), _issue(desk))[1],
    "keys.regenerate": lambda desk, _: _do(keys.regenerate, _key(desk)),
    "keys.regenerate with an overlap": _overlap,
    "keys.deactivate": lambda desk, _: _do(keys.deactivate, _key(desk)),
    "keys.reactivate": lambda desk, _: _do(keys.reactivate, _asleep(desk)),
    "keys.revoke": lambda desk, _: _do(keys.revoke, _key(desk), reason="a test"),
    "keys.delete": lambda desk, _: _do(keys.delete, _key(desk)),
    "keys.set_expiry": lambda desk, _: _do(keys.set_expiry, _key(desk), expires_at=desk.now + 60),
    "versions.announce_brownout": lambda desk, _: _brownout(desk),
    "versions.cancel_brownout": lambda desk, _: _cancel(desk),
    "terms.set_limits": lambda desk, _: _do(terms.set_limits, _key(desk), limits=(Limit("allowance", 5, 60),)),
    "terms.pin": _pin,
    "measures.throttle": lambda desk, _: _do(
        measures.throttle, measures.Target("key", _key(desk)), limits=(Limit("measure", 5, 60),), reason="a test"
    ),
    "measures.block": lambda desk, _: _block(desk),
    "measures.lift": lambda desk, _: _lift(desk),
    "batches.run to regenerate": lambda desk, _: _batch(desk, "regenerate"),
    "batches.run to reactivate, and one is refused": lambda desk, _: _batch(desk, "reactivate"),
    "usage.record": lambda desk, _: _record(desk),
    "usage.record of disregards": lambda desk, _: _disregarding(desk),
    "leaks.report": lambda desk, _: _do(
        leaks.report, [leaks.Leak(_key(desk), "https://example.com/a")], source="a test"
    ),
    "audit.lay": lambda desk, _: _do(audit.lay),
    "audit.erase": lambda desk, _: _do(audit.erase, {"subject": "u-1"}),
    "expiry.mark": lambda desk, _: (_past(desk), _do(expiry.mark))[1],
    "changes.trim": lambda desk, _: _much_later(desk),
    **PEOPLE,
    **STORED,
}
"""A state of things, and the verb to be done in it."""

UNTOLD = {"usage.record", "audit.lay", "changes.trim", "peppers.store_anew"}
"""What the worker writes down is neither audited nor told: it is the record itself, and what only gates read. Nor is
that a key is stored anew, which nobody decides."""


class Broken(Exception):
    """Something that nobody thought of."""


FAILURES: tuple[Callable[[], BaseException], ...] = (
    lambda: OperationalError("", {}, sqlite3.OperationalError("disk I/O error")),
    lambda: Broken("a bug"),
    KeyboardInterrupt,  # in an even place: before a statement, as most of the time is
    lambda: OperationalError("", {}, sqlite3.OperationalError("database or disk is full")),
)


@contextmanager
def _failing(app: App, at: int, failure: BaseException) -> Iterator[None]:
    """The *at*-th thing fails; counted from 0: even ones are statements, odd ones the answers to them."""
    count = itertools.count()

    def fail(connection, cursor, statement, parameters, context, executemany) -> None:
        if next(count) == at:
            raise failure

    for name in ("before_cursor_execute", "after_cursor_execute"):
        event.listen(app.store.engine, name, fail)
    try:
        yield
    finally:
        for name in ("before_cursor_execute", "after_cursor_execute"):
            event.remove(app.store.engine, name, fail)


def _raised(desk: Desk, at: int, done: Done) -> BaseException | None:
    """What the verb raises when the *at*-th thing fails; None where there are not so many."""
    verb, args, kwargs = done
    failure = FAILURES[at % len(FAILURES)]()
    wanted = StoreDown if isinstance(failure, OperationalError) else type(failure)
    try:
        with _failing(desk.app, at, failure):
            desk.act(verb, *args, **kwargs)
    except wanted as raised:
        return raised
    return None


@pytest.mark.check("C030")
@pytest.mark.parametrize("name", SCENES)
def test_whichever_statement_fails_nothing_has_happened(desk: Desk, owner: str, altered: Altered, name: str) -> None:
    verb, args, kwargs = SCENES[name](desk, altered)
    before, said = desk.dump(), len(desk.said())
    for at in itertools.count():
        raised = _raised(desk, at, (verb, args, kwargs))
        if raised is None:
            break
        assert desk.dump() == before, f"at {at}"
        assert desk.epoch % 2 == 0
    assert at >= 4, "the sweep met no statement"
    assert desk.dump() != before
    assert (len(desk.said()) > said) == (name not in UNTOLD)
    assert desk.epoch % 2 == 0


@pytest.mark.check("C030")
@pytest.mark.parametrize("name", SCENES)
def test_when_the_commit_fails_nothing_has_happened(desk: Desk, owner: str, altered: Altered, name: str) -> None:
    verb, args, kwargs = SCENES[name](desk, altered)
    before = desk.dump()

    def fail(connection) -> None:
        raise OperationalError("", {}, sqlite3.OperationalError("disk I/O error"))

    event.listen(desk.app.store.engine, "commit", fail)
    with pytest.raises(StoreDown):
        desk.act(verb, *args, **kwargs)
    event.remove(desk.app.store.engine, "commit", fail)
    assert desk.dump() == before
    assert desk.epoch % 2 == 0
    desk.act(verb, *args, **kwargs)
    assert desk.dump() != before


@pytest.mark.sqlite  # PostgreSQL has no constraint that is looked at only in the end
def test_a_commit_that_the_database_itself_refuses(desk: Desk, owner: str) -> None:
    """A key without its API, which SQLite is told to look for only at the end."""
    before = desk.dump()

    def verb(tx: Tx) -> None:
        tx.connection.execute(text("pragma defer_foreign_keys = on"))
        keys.issue(tx, keys.NewKey("creator", owner, "a key", scopes=("read:self",)))
        tx.connection.execute(text("insert into standings values (:owner, 'nowhere', '', 0, null)"), {"owner": owner})

    with pytest.raises(IntegrityError):
        desk.act(verb)
    assert desk.dump() == before
    assert desk.epoch % 2 == 0
    _key(desk)


def test_when_the_audit_cannot_be_written_the_change_does_not_happen(desk: Desk, owner: str) -> None:
    key = _key(desk)
    for table in ("audit", "outbox"):
        said = f'no such table: {table}|relation "{table}" does not exist'
        with missing(desk.path, table), pytest.raises(StoreDown, match=said):
            desk.act(keys.revoke, key)
        assert desk.ask(keys.require, key).state == "active"


def test_a_verb_that_fails_in_the_middle_of_another_undoes_both(desk: Desk, owner: str) -> None:
    before = desk.dump()

    def both(tx: Tx) -> None:
        owners.suspend(tx, owner, reason="a test")
        keys.revoke(tx, "nothing")

    desk.refused("key_unknown", both)
    assert desk.dump() == before


@pytest.mark.req("R10")
@pytest.mark.check("C030")
def test_a_process_killed_while_it_replaces_a_key_leaves_one_that_works(creator: App, owner: str) -> None:
    """Killed before each statement in turn, and in the commit; what is left is opened anew each time."""
    first = _key(Desk(creator))
    creator.close()
    settings = creator.settings
    place = place_of(settings)
    before = dump(place)

    def work(at: int) -> None:
        app = App.open(settings)
        count = itertools.count()
        event.listen(
            app.store.engine, "before_cursor_execute", lambda *_: next(count) == at and os._exit(9), named=False
        )
        if at < 0:
            event.listen(app.store.engine, "commit", lambda connection: os._exit(9))
        verb, args, kwargs = _issue(Desk(app))
        app.act(verb, *args, **kwargs)
        app.close()

    for at in itertools.count(-1):
        status = in_child(lambda at=at: work(at))
        if status == 0:
            break
        assert status == 9
        assert dump(place) == before
        if settings.on_one_host:
            assert Epoch(settings.state_folder).cell[0] % 2 == (at < 0)
    assert at > 10
    found = rows(place, "select key = ?, state, slot from keys order by state", first)
    assert found == [(0, "active", f"creator:{owner}"), (1, "revoked", None)]
    if settings.on_one_host:
        assert Epoch(settings.state_folder).cell[0] % 2 == 0

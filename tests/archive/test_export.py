"""All that an installation holds goes out as an archive and comes in as the same; and what has ended stays ended."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
import zipfile
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, select

from limen.app import App
from limen.archive import How, export
from limen.control import alerts, apis, audit, channels, delivery, keys, members, notices, owners, versions
from limen.control.channels import NewChannel
from limen.core.delivering import Outcome, Room
from limen.core.people import Actor, Role
from limen.core.problems import ProblemError
from limen.db import place, schema, tables, transfer
from limen.drain import drain
from limen.drain.chores import raise_alerts
from limen.profiles import load as profile
from tests.archive.conftest import House
from tests.db.children import in_child
from tests.db.dump import dump, rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Another = Callable[[str], House]


def tables_of(house: House) -> dict[str, list[dict[str, Any]]]:
    """Everything that is exported, as it is in the database now."""
    with house.app.reading() as reader:
        return {
            table.name: [
                dict(row)
                for row in reader.connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()
            ]
            for table in tables.metadata.sorted_tables
            if table.name not in transfer.STAY
        }


def fill(house: House) -> dict[str, keys.Issued]:
    """Something in as many tables as can be: what verbs make, and the rest by hand, of every type."""
    act = house.app.act
    house.owner("acme")
    act(apis.create, "creator", profile("creator"))
    act(versions.register, "creator", "2026-06-26")
    act(owners.create, owners.NewOwner("user", "Ünï ☃ \" ' \\ \u2028", "u-1"))
    act(owners.allow, "u-1", "creator")
    staff = Actor("staff", "s", "192.0.2.1")
    for email in ("first@example.com", "second@example.com"):
        invited = act(members.invite, "acme", email=email, role=Role.OWNER, actor=staff)
    act(members.accept, invited.token, member="u-1")
    issued = {"lives": house.key("acme"), "revoked": house.key("acme"), "sleeps": house.key("acme")}
    act(keys.revoke, issued["revoked"].key.key, reason="leaked")
    act(keys.deactivate, issued["sleeps"].key.key)
    old = house.key("acme")
    for _ in range(3):
        old = act(keys.regenerate, old.key.key)
    issued["chain"] = old
    for name in ("lives", "revoked"):
        house.verdict(issued[name])
    drain(house.app)
    _tell(house.app)
    act(audit.lay)

    def more(tx: Any) -> None:
        for table, values in {
            "outcomes": {"incarnation": 2**47, "number": 2**62, "status": 200, "at": 0.1},
            "refusals": {"minute": 1, "api": "creator", "code": "x", "prefix": "p", "block": "b", "count": 2},
            "usage_addresses": {"locator": b"\x00", "at": 3_600, "address": "192.0.2.1", "calls": 2},
            "usage_times": {"api": "x", "locator": b"\x00", "at": 0, "operation": "x", "bucket": 3, "calls": 2},
            "disregards": {"locator": b"\x00\xff", "hour": 1, "count": 2},
            "key_requests": {
                **{"request": "r", "api": "creator", "owner": "u-1", "wish": {"scopes": {"read:self": "why"}}},
                **{"use_case": "x", "state": "open", "asked_by": "u-1", "asked_at": 1.0, "granted": None},
            },
            "measures": {
                **{"measure": "m", "api": "", "kind": "block", "target": "owner", "subject": "u-1"},
                **{"reason": "r", "set_at": 1.0, "set_by": "s", "ends_at": None},
            },
            "brownouts": {
                **{"brownout": "b", "api": "creator", "version": "2025-06-26", "starts_at": 1.0, "ends_at": 2.0},
                **{"status": 410, "announced_at": 1.0},
            },
            "run_settings": {"name": "n", "value": None, "set_at": 1e-9, "set_by": "s"},
            "replies": {
                "caller": "c",
                "name": "n",
                "fingerprint": b"\x80",
                "status": 200,
                "body": {"b": 1, "a": [None, True, 1.5, "☃"]},
                "at": 1.0,
            },
        }.items():
            tx.connection.execute(insert(tables.metadata.tables[table]).values(**values))

    act(more)
    return issued


def _tell(app: App) -> None:
    """Somebody wants to be told, is, and could not be reached once."""
    app.act(channels.add, NewChannel("acme", "webhook", "https://example.com/hooks"))
    app.act(owners.suspend, "u-1", reason="x")
    app.act(owners.restore, "u-1")
    channel = app.act(channels.add, NewChannel("u-1", "webhook", "https://example.com/")).channel.channel
    app.act(delivery.test, channel)
    app.act(delivery.hand_on)
    (job, *_) = app.act(delivery.claim, lease_s=60.0, room=Room())
    app.act(delivery.settle, [Outcome(job.delivery, job.number, job.at, "http", 500)])
    app.act(notices.send, notices.NoticeWanted("policy", title="New terms", text="They hold from now on."))
    app.act(alerts.set_rule, "expiring", owner="acme", numbers={"days": 20})
    ends_at = app.clock.read()[0] + 86_400
    app.act(keys.issue, keys.NewKey("organisation", "acme", "ends soon", expires_at=ends_at))
    raise_alerts(app)


NOW = {"audit", "outbox"}
"""Where an import says that it was one."""


def same_but_for_what_is_new(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> bool:
    told = {name: rows[: len(before[name])] if name in NOW else rows for name, rows in after.items()}
    return told == before and all(len(after[name]) == len(before[name]) + 1 for name in NOW)


def test_what_goes_out_comes_in(house: House, another: Another) -> None:
    issued = fill(house)
    before, verdicts = tables_of(house), house.verdicts(issued)
    assert [name for name, found in before.items() if not found] == []  # else put something into it, in fill
    before = tables_of(house)
    archive = house.export()
    there = another("there")
    there.settings.tombstones_path.write_bytes(house.settings.tombstones_path.read_bytes())
    done = there.load(archive, How())
    assert (done.missing, done.aside) == ("", None)
    assert done.rows == sum(map(len, before.values()))
    after = tables_of(there)
    assert same_but_for_what_is_new(before, after)
    assert (
        there.verdicts(issued)
        == verdicts
        == {
            "lives": "ok",
            "revoked": "key_revoked",
            "sleeps": "key_inactive",
            "chain": "ok",
        }
    )
    with there.app.reading() as reader:
        assert schema.revision(reader.connection) == schema.HEAD
        chain = audit.verify(reader)
    assert (chain.whole, chain.checked > 10) == (True, True)
    there.app.act(keys.revoke, issued["lives"].key.key)
    again = house.folder / "again.zip"
    again.write_bytes(there.export().read_bytes())
    assert there.load(again, How(replaces=True)).missing == ""


def test_the_same_rows_are_the_same_bytes(house: House) -> None:
    fill(house)
    first, second = (zipfile.ZipFile(house.export(f"{name}.zip")) for name in "ab")
    assert first.namelist() == second.namelist()
    for name in first.namelist():
        assert first.getinfo(name).date_time == (1980, 1, 1, 0, 0, 0)
        if name != "manifest.json":
            assert first.read(name) == second.read(name)


def test_an_archive_is_what_the_reference_says(house: House) -> None:
    issued = fill(house)
    file = house.export()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with zipfile.ZipFile(file) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert list(manifest) == [
            *("format", "version", "exported_at", "release", "schema"),
            *("installation", "series", "number", "usage", "tables"),
        ]
        assert (manifest["format"], manifest["version"]) == ("limen-archive", 1)
        assert {f"tables/{part['name']}.jsonl" for part in manifest["tables"]} | {"manifest.json"} == set(
            archive.namelist()
        )
        for part in manifest["tables"]:
            content = archive.read(f"tables/{part['name']}.jsonl")
            assert hashlib.sha256(content).hexdigest() == part["sha256"]
            assert len([json.loads(line) for line in content.splitlines()]) == part["rows"]
        first = json.loads(archive.read("tables/keys.jsonl").splitlines()[0])
        everything = b"".join(archive.read(name) for name in archive.namelist())
    assert bytes.fromhex(first["locator"]).decode() == first["key"]
    for each in issued.values():
        assert each.text[-38:].encode() not in everything
    pepper = house.settings.pepper_path.read_bytes().split()[0].partition(b":")[2]
    assert pepper not in everything


def test_usage_can_be_left_out(house: House, another: Another) -> None:
    fill(house)
    archive = house.export(usage=False)
    there = another("there")
    there.load(archive, How(trusted=True))
    found = tables_of(there)
    assert [name for name in sorted(transfer.USAGE) if found[name]] == []
    assert len(found["keys"]) == len(tables_of(house)["keys"])


@pytest.mark.check("C038")
def test_what_ended_after_the_export_has_ended_or_nothing_is_admitted(house: House, another: Another) -> None:
    house.owner("acme")
    issued = {name: house.key("acme") for name in ("lives", "revoked")}
    archive = house.export()
    house.app.act(keys.revoke, issued["revoked"].key.key)
    wanted = house.verdicts(issued)
    with_stones, without, trusted = (another(name) for name in ("with", "without", "trusted"))
    with_stones.settings.tombstones_path.write_bytes(house.settings.tombstones_path.read_bytes())
    assert with_stones.load(archive, How()).missing == ""
    assert with_stones.verdicts(issued) == wanted == {"lives": "ok", "revoked": "key_revoked"}
    assert without.load(archive, How()).revived.unconfirmed == 2
    assert without.verdicts(issued) == dict.fromkeys(issued, "key_inactive")
    assert trusted.load(archive, How(trusted=True)).revived.unconfirmed == 0
    assert trusted.verdicts(issued) == dict.fromkeys(issued, "ok")


def test_what_has_keys_is_not_replaced_unless_it_is_said(house: House, another: Another) -> None:
    archive = house.export()
    there = another("there")
    App.initialise(there.settings).close()
    there.settings.tombstones_path.write_bytes(house.settings.tombstones_path.read_bytes())
    assert there.load(archive, How()).aside is not None  # init made it, and nothing was in it
    there.owner("acme")
    there.close()
    before = dump(there.settings.database_path)
    with pytest.raises(ProblemError, match="--replace") as caught:
        there.load(archive, How())
    assert caught.value.problem.code == "not_empty"
    assert dump(there.settings.database_path) == before
    aside = there.load(archive, How(replaces=True)).aside
    assert aside is not None
    assert dump(aside) == before


def rewritten(archive: Path, to: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return to


def _manifest(**changes: Any) -> Callable[[str, bytes], bytes]:
    return lambda name, content: (
        json.dumps(json.loads(content) | changes).encode() if name == "manifest.json" else content
    )


def _sealed(change: Callable[[list[dict[str, Any]]], None], table: str) -> Callable[[Path, Path], Path]:
    """An archive whose manifest agrees with what was changed in it."""

    def make(archive: Path, to: Path) -> Path:
        with zipfile.ZipFile(archive) as old:
            told = [json.loads(line) for line in old.read(f"tables/{table}.jsonl").splitlines()]
            manifest = json.loads(old.read("manifest.json"))
        change(told)
        content = b"".join(json.dumps(row).encode() + b"\n" for row in told)
        for part in manifest["tables"]:
            if part["name"] == table:
                part |= {"rows": len(told), "sha256": hashlib.sha256(content).hexdigest()}
        new = {"manifest.json": json.dumps(manifest).encode(), f"tables/{table}.jsonl": content}
        return rewritten(archive, to, new.get)

    return make


def _by(change: Callable[[str, bytes], bytes | None]) -> Callable[[Path, Path], Path]:
    return lambda archive, to: rewritten(archive, to, change)


WRONG: dict[str, tuple[Callable[[Path, Path], Path], str]] = {
    "no archive": (lambda _, to: (to.write_bytes(b"PK no archive"), to)[1], "no archive"),
    "another form": (_by(_manifest(version=2)), "not of the form"),
    "no manifest": (_by(lambda name, content: None if name == "manifest.json" else content), "manifest cannot be read"),
    "a manifest of nothing": (_by(lambda name, content: b"{}" if name == "manifest.json" else content), "manifest"),
    "another schema": (_by(_manifest(schema="0001")), "schema 0001"),
    "a table less": (_by(_manifest(tables=[])), "not those of schema"),
    "a file less": (_by(lambda name, content: None if "owners" in name else content), "owners.jsonl cannot be read"),
    "a changed file": (_by(lambda name, content: content.replace(b"acme", b"acne")), "not what the manifest says"),
    "a row less": (
        _by(lambda name, content: b"".join(content.splitlines(True)[1:]) if "standings" in name else content),
        "not what the manifest says",
    ),
    "no JSON": (_by(lambda name, content: b"{\n" if "owners" in name else content), "owners.jsonl cannot be read"),
    "an owner less": (_sealed(lambda rows: rows.clear(), "owners"), "that is not there"),
    "a column more": (_sealed(lambda rows: rows[0].update(x=1), "owners"), "too much: x"),
    "a column less": (_sealed(lambda rows: rows[0].pop("kind"), "owners"), "too much: kind"),
    "no hex": (_sealed(lambda rows: rows[0].update(digest="xyz"), "keys"), "written as hex"),
    "a kind that is none": (_sealed(lambda rows: rows[0].update(kind="x"), "owners"), "owners: CHECK"),
    "a number as an object": (_sealed(lambda rows: rows[0].update(kind={}), "owners"), "Rows 1 and on of owners"),
    "a key twice": (_sealed(lambda rows: rows.append(rows[0]), "keys"), "Rows 1 and on of keys"),
}


@pytest.mark.parametrize("how", WRONG)
def test_an_archive_that_is_wrong_changes_nothing(house: House, another: Another, how: str) -> None:
    house.owner("acme")
    house.key("acme")
    make, words = WRONG[how]
    archive = make(house.export(), house.folder / "wrong.zip")
    before = dump(house.settings.database_path)
    there = another("there")
    for each, existing in ((house, True), (there, False)):
        each.close()
        with pytest.raises(ProblemError) as caught:
            each.load(archive, How(replaces=True))
        assert caught.value.problem.code == "archive_wrong"
        assert words in caught.value.detail
        assert each.settings.database_path.exists() == existing
        assert not (each.folder / "limen.db.restoring").exists()
    assert dump(house.settings.database_path) == before


@pytest.mark.parametrize("name", ["peppers", "keys", "audit", "put"])
def test_an_import_that_is_killed_changes_nothing(house: House, another: Another, name: str) -> None:
    house.owner("acme")
    archive = house.export()
    house.close()
    before = dump(house.settings.database_path)

    def work() -> None:
        real = transfer.put_rows

        def dying(connection: Any, table: str, rows: Any) -> int:
            return os._exit(9) if table == name else real(connection, table, rows)

        transfer.put_rows = dying
        place.put = (lambda *_, **__: os._exit(9)) if name == "put" else place.put
        house.load(archive, How(replaces=True))

    assert in_child(work) == 9
    assert dump(house.settings.database_path) == before
    assert house.load(archive, How(replaces=True)).missing == ""
    assert [path.name for path in house.folder.glob("limen.db.restoring")] == []


def test_another_pepper_is_found_before_anything_is_read(house: House, another: Another) -> None:
    archive = house.export()
    there = another("there")
    pepper = there.settings.pepper_path
    pepper.write_bytes(b"1:" + b"00" * 32 + b"\n" + pepper.read_bytes().splitlines()[1] + b"\n")
    with pytest.raises(ProblemError) as caught:
        there.load(archive, How())
    assert caught.value.problem.code == "pepper_wrong"
    assert not there.settings.database_path.exists()


def test_an_archive_is_of_one_moment(house: House) -> None:
    house.owner("acme")
    told: list[int] = []

    def meanwhile(done: int, _total: int) -> None:
        told.append(done)
        house.key("acme")

    made = export(house.app, house.folder / "a.zip", release="test", usage=True, replace=False, progress=meanwhile)
    assert told
    with zipfile.ZipFile(made.file) as archive:
        assert archive.read("tables/keys.jsonl") == b""
    assert rows(house.settings.database_path, "select count(*) > 0 from keys") == [(1,)]


def many(house: House, count: int) -> None:
    """*count* keys, by hand: verbs would take a minute."""
    house.owner("acme")
    house.key("acme")
    house.close()
    with closing(sqlite3.connect(house.settings.database_path, isolation_level=None)) as held:
        held.execute("begin")
        columns = [row[1] for row in held.execute("pragma table_info(keys)")]
        made = {
            "key": "printf('%012d', n.value)",
            "locator": "cast(printf('%012d', n.value) as blob)",
            "lineage": "cast(printf('%012d', n.value) as blob)",
        }
        values = ", ".join(made.get(name, f'k."{name}"') for name in columns)
        named = ", ".join(f'"{name}"' for name in columns)
        held.execute(
            f"with recursive n(value) as (select 1 union all select value + 1 from n where value < {count}) "
            f"insert into keys ({named}) select {values} from n, (select * from keys limit 1) k"
        )
        held.execute("commit")


def test_twenty_thousand_keys(house: House, another: Another) -> None:
    many(house, 20_000)
    told: list[tuple[int, int]] = []
    made = export(
        house.app,
        house.folder / "a.zip",
        release="test",
        usage=True,
        replace=False,
        progress=lambda *how: told.append(how),
    )
    assert made.rows > 20_000
    assert len(told) >= 20
    assert told[-1] == (made.rows, made.rows)
    assert told == sorted(told)
    there = another("there")
    there.settings.tombstones_path.write_bytes(house.settings.tombstones_path.read_bytes())
    assert there.load(made.file, How()).rows == made.rows
    assert same_but_for_what_is_new(tables_of(house), tables_of(there))

"""``init``, ``migrate`` and ``doctor`` on PostgreSQL, and moving up to it, from the terminal of each host."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from limen.app import App
from limen.db import schema
from limen.settings import read_settings
from tests.cli.conftest import Terminal
from tests.cli.test_doctor import found
from tests.db.dump import dump, rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.servers.postgres import Postgres

CHECKS = [
    *("settings", "database", "schema", "pepper", "state", "tombstones"),
    *("nodes", "counters", "journal", "worker", "audit", "delivery", "disk", "clock"),
]


@dataclass
class Sites:
    """Hosts of one installation, each with files of its own: ``at("a")`` is a terminal there."""

    folder: Path
    url: str
    monkeypatch: pytest.MonkeyPatch

    def at(self, host: str) -> Terminal:
        """From now on commands are run there."""
        there = self.folder / host
        there.mkdir(exist_ok=True)
        self.monkeypatch.chdir(there)
        for name, value in {"DATABASE_URL": self.url, "STATE": "state", "PEPPER_FILE": "pepper"}.items():
            self.monkeypatch.setenv(f"LIMEN_{name}", value if name == "DATABASE_URL" else str(there / value))
        found = Terminal(there)
        found.state, found.pepper = there / "state", there / "pepper"
        return found

    def carry(self, name: str, *, to: str) -> None:
        """A file of the host ``a`` is on another."""
        (self.folder / to).mkdir(exist_ok=True)
        shutil.copy(self.folder / "a" / name, self.folder / to / name)


@pytest.fixture
def sites(bare: Terminal, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sites]:
    """Hosts beside an empty database."""
    name = postgres.create()
    yield Sites(bare.folder, postgres.url(name), monkeypatch)
    postgres.drop(name)


def test_init_makes_everything_and_a_second_host_joins(sites: Sites) -> None:
    first = sites.at("a")
    *rows_, staff = first.json("init", "--profile", "creator")
    assert {row["what"]: row["made"] for row in rows_} == dict.fromkeys(("database", "pepper", "state", "api"), True)
    assert rows_[0]["where"] == sites.url.replace("limen@", "…@")
    assert staff["what"] == "staff key"
    assert "copy the pepper there" not in first("init").stderr
    key = first.issue()
    sites.carry("pepper", to="b")
    before = dump(sites.url)
    second = sites.at("b")
    result = second("init", "--no-staff-key", "--json")
    assert {row["what"]: row["made"] for row in json.loads(result.stdout)} == {
        "database": False,
        "pepper": False,
        "state": True,
    }
    assert "This host works on the installation that was there." in result.stderr
    assert dump(sites.url) == before
    assert (second.state / "installation").read_text() == (first.state / "installation").read_text()
    second("keys", "revoke", key["key"], "--reason", "left", "--yes")
    assert sites.at("a").json("keys", "show", key["key"])["state"] == "revoked"


def test_a_second_host_without_the_pepper_is_told_what_it_lacks(sites: Sites) -> None:
    sites.at("a")("init")
    second = sites.at("b")
    problem = second.problem("init", expect=3)
    assert problem["code"] == "pepper_wrong"
    assert "every host needs the same" in problem["detail"]
    second.pepper.write_text("1:" + "00" * 32 + "\n")
    second.pepper.chmod(0o600)
    assert second.problem("init", expect=3)["code"] == "pepper_wrong"
    assert not second.state.exists() or not (second.state / "installation").exists()


def test_the_first_host_is_told_what_the_others_need(sites: Sites) -> None:
    assert "On every other host: copy the pepper there" in sites.at("a")("init").stderr


def test_migrate(sites: Sites) -> None:
    limen = sites.at("a")
    limen("init")
    assert limen.json("migrate") == {"before": schema.HEAD, "now": schema.HEAD, "went_through": []}
    rows_of_version = "update alembic_version set version_num = '{}' returning 1"
    rows(sites.url, rows_of_version.format(9999))
    assert "later release" in limen("migrate", expect=3).stderr
    rows(sites.url, "delete from alembic_version returning 1")
    assert "limen init" in limen("migrate", expect=3).stderr


def test_migrate_refuses_a_host_that_has_not_joined(sites: Sites) -> None:
    sites.at("a")("init")
    sites.carry("pepper", to="b")
    assert "limen init" in sites.at("b")("migrate", expect=3).stderr


def test_a_healthy_installation_seen_from_two_hosts(sites: Sites) -> None:
    limen = sites.at("a")
    limen("init", "--profile", "creator")
    app = App.open(read_settings())
    app.gate("creator")
    try:
        sites.carry("pepper", to="b")
        sites.at("b")("init", "--no-staff-key")
        for host in ("a", "b"):
            answer = sites.at(host).json("doctor")
            assert answer["ok"] is True
            assert list(dict.fromkeys(row["check"] for row in answer["checks"])) == CHECKS
            (node,) = [row for row in answer["checks"] if row["check"] == "nodes"]
            assert node["state"] == "ok"
            assert "for creator: a lease of 2000 ms" in node["found"]
            assert "0 are not" in node["found"]
    finally:
        app.close()
    assert "No process decides" in found(sites.at("b"), "nodes")["found"]


def test_nothing_is_changed_by_looking(sites: Sites) -> None:
    limen = sites.at("a")
    limen("init")
    before = dump(sites.url)
    limen("doctor")
    assert dump(sites.url) == before


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("delete from alembic_version returning 1", "limen init"),
        ("update alembic_version set version_num = '0000' returning 1", "limen migrate"),
    ],
)
def test_a_schema_that_is_not_this_releases(sites: Sites, change: str, word: str) -> None:
    limen = sites.at("a")
    limen("init")
    rows(sites.url, change)
    assert word in found(limen, "schema", expect=1)["advice"]


def test_a_wrong_pepper_and_a_state_folder_of_another_installation(sites: Sites) -> None:
    limen = sites.at("a")
    limen("init")
    (limen.state / "installation").write_text("AnotherOne12")
    assert found(limen, "state", expect=1)["state"] == "fail"
    limen.pepper.write_text("1:" + "00" * 32 + "\n")
    assert "not the one" in found(limen, "pepper", expect=1)["found"]


def test_a_server_that_cannot_be_reached(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    limen = sites.at("a")
    limen("init")
    away = "postgresql://limen:hunter2@127.0.0.1:1/limen"
    monkeypatch.setenv("LIMEN_DATABASE_URL", away)
    row = found(limen, "database", expect=1)
    assert row["state"] == "fail"
    assert "onnection refused" in row["found"]
    for command in (("init",), ("migrate",)):
        assert limen.problem(*command, expect=3)["code"] == "store_down"
    assert "hunter2" not in "".join(limen.said)


def test_backup_and_restore_say_what_to_do_instead(sites: Sites) -> None:
    limen = sites.at("a")
    limen("init")
    problem = limen.problem("backup", "b.db")
    assert problem["code"] == "on_server"
    assert "pg_dump" in problem["detail"]
    assert "limen export" in problem["detail"]
    (limen.folder / "b.db").write_bytes(b"")
    problem = limen.problem("restore", "b.db", "--yes")
    assert problem["code"] == "on_server"
    assert "limen import" in problem["detail"]


def test_an_installation_moves_up_from_a_file(limen: Terminal, sites: Sites) -> None:
    key = limen.issue()
    limen("export", "a.zip")
    staff = [each["key"] for each in limen.json("keys", "list", "--api", "limen")]
    (sites.folder / "up").mkdir()
    shutil.copy(limen.pepper, sites.folder / "up" / "pepper")
    archive = str(limen.folder / "a.zip")
    up = sites.at("up")
    up("init")
    problem = up.problem("import", archive, "--as-exported", expect=2)
    assert "what 'limen init' made in" in problem["detail"]
    assert "goes, its staff key with it" in problem["detail"]
    done = up.json("import", archive, "--as-exported", "--yes")
    assert (done["aside"], done["unconfirmed"]) == (None, 0)
    assert up.json("keys", "show", key["key"])["state"] == "active"
    assert [each["key"] for each in up.json("keys", "list", "--api", "limen")] == staff
    up.issue(owner="u9")
    assert up.problem("import", archive, "--as-exported", "--yes")["code"] == "not_empty"
    assert up.problem("import", archive, "--replace", "--as-exported", "--yes")["code"] == "on_server"
    assert found(up, "audit")["state"] == "ok"

"""``limen init`` and ``limen migrate``."""

from __future__ import annotations

import sqlite3
import stat

import pytest


def test_init_makes_everything_and_says_where(bare) -> None:
    *rows, staff = bare.json("init", "--profile", "creator", "--api", "fans")
    assert (staff["what"], staff["where"], staff["made"]) == ("staff key", "staff", True)
    assert rows == [
        {"what": "database", "where": str(bare.database), "made": True},
        {"what": "pepper", "where": str(bare.pepper), "made": True},
        {"what": "state", "where": str(bare.state), "made": True},
        {"what": "api", "where": "fans", "made": True},
    ]
    assert [api["profile"] for api in bare.json("apis", "list")] == ["creator"]


def test_init_warns_to_back_up_the_pepper_which_it_does_not_show(bare) -> None:
    result = bare("init")
    assert "Back up the pepper" in result.stderr
    assert str(bare.pepper) in result.stderr
    assert bare.pepper.read_text().strip().partition(":")[2] not in result.output


def test_init_makes_the_first_staff_key_and_shows_it_once(bare) -> None:
    result = bare("init")
    text = result.stdout.splitlines()[-1]
    assert text.startswith("limen_sk_")
    assert "only time" in result.stderr
    assert text not in result.stderr
    (key,) = bare.json("keys", "list", "--api", "limen")
    assert (key["key"], key["owner"], key["key_class"], key["scopes"]) == (text[9:21], "staff", "staff", ["admin"])
    for again in (bare("init"), bare("init", "--json"), bare("init", "--staff", "u-1024")):
        assert "limen_sk_" not in again.output
        assert "staff key" not in again.output
    bare("keys", "delete", key["key"], "--yes")
    assert "limen_sk_" not in bare("init").output


def test_init_makes_the_staff_key_for_whom_it_is_told_or_not_at_all(bare) -> None:
    bare("init", "--no-staff-key")
    assert bare.json("keys", "list", "--api", "limen") == []
    bare("owners", "create", "--type", "user", "--id", "u-1024")
    (*_, staff) = bare.json("init", "--staff", "u-1024")
    assert (staff["where"], staff["text"][:9]) == ("u-1024", "limen_sk_")
    assert "staff" not in [owner["owner"] for owner in bare.json("owners", "list")]


def test_limens_own_api_is_made_and_not_listed(bare) -> None:
    bare("init")
    assert bare.json("apis", "list") == []
    assert bare.json("apis", "show", "limen")["profile"] == "limen"
    assert bare.problem("apis", "read-only", "limen", "on")["code"] == "api_built_in"
    assert bare.problem("apis", "create", "limen", "--profile", "creator")["code"] == "api_built_in"
    assert bare.problem("profile", "apply", "limen", "creator", "--yes")["code"] == "api_built_in"


def test_migrate_brings_the_management_api_to_its_profile(limen) -> None:
    with sqlite3.connect(limen.database) as connection:
        connection.execute(
            "update profiles set document = json_set(document, '$.title', 'An older one') where api = 'limen'"
        )
    connection.close()
    limen("migrate")
    assert limen.json("apis", "show", "limen")["revision"] == 2
    assert limen.json("apis", "show", "limen")["title"] == "Limen management API"


def test_what_init_makes_is_for_its_owner_alone(bare) -> None:
    bare("init")
    for path in (bare.database, bare.pepper, bare.state, bare.state / "epoch"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_second_init_changes_nothing(limen) -> None:
    before = limen.pepper.read_bytes()
    key = limen.issue()
    result = limen("init", "--profile", "creator")
    assert "Back up" not in result.stderr
    assert [row["made"] for row in limen.json("init", "--profile", "creator")] == [False] * 4
    assert limen.pepper.read_bytes() == before
    assert limen.json("keys", "show", key["key"])["state"] == "active"


def test_init_makes_nothing_for_a_profile_that_is_wrong(bare) -> None:
    (bare.folder / "shop.yaml").write_text("profile: shop\nsurprise: 1\n")
    problem = bare.problem("init", "--profile", "shop.yaml")
    assert problem["code"] == "profile_wrong"
    assert any("surprise" in line and "shop.yaml:2" in line for line in problem["mistakes"])
    assert not bare.database.exists()


def test_an_api_needs_a_profile(bare) -> None:
    assert "--profile" in bare("init", "--api", "creator", expect=2).stderr


def test_init_does_not_make_a_new_pepper_for_an_old_database(limen) -> None:
    limen.pepper.unlink()
    assert limen.problem("init", expect=3)["code"] == "pepper_wrong"
    assert not limen.pepper.exists()


def test_init_says_what_the_system_refused(bare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMEN_DATABASE_URL", f"sqlite:///{bare.folder}/nowhere/limen.db")
    result = bare("init", expect=3)
    assert "nowhere/limen.db.pepper" in result.stderr
    assert "No such file or directory" in result.stderr


def test_migrate_has_nothing_to_do_on_a_new_database(limen) -> None:
    found = limen.json("migrate")
    assert found["went_through"] == []
    assert found["before"] == found["now"]
    assert "already" in limen("migrate").stdout


def test_migrate_brings_an_older_database_forward_and_says_how(limen, monkeypatch: pytest.MonkeyPatch) -> None:
    from limen.db import schema

    monkeypatch.setattr(schema, "upgrade", lambda store: ["0002", "0003"])
    assert "through 0002, 0003" in limen("migrate").stdout


def test_migrate_refuses_an_empty_database_and_one_of_a_later_release(limen) -> None:
    with sqlite3.connect(limen.database) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    connection.close()
    assert "later release" in limen("migrate", expect=3).stderr
    with sqlite3.connect(limen.database) as connection:
        connection.execute("delete from alembic_version")
    connection.close()
    assert "limen init" in limen("migrate", expect=3).stderr

"""``limen profile``."""

from __future__ import annotations

import pytest
import yaml


@pytest.fixture
def shop(limen):
    """The profile in force, written to a file: a function from changes of its text to the file's name."""

    def write(*changes: tuple[str, str]) -> str:
        text = limen("profile", "show", "creator").stdout
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        (limen.folder / "new.yaml").write_text(text)
        return "new.yaml"

    return write


def test_a_good_profile(limen) -> None:
    assert "no mistakes" in limen("profile", "check", "creator").stdout
    assert limen.json("profile", "check", "organisation") == {
        "file": "organisation",
        "profile": "organisation",
        "mistakes": [],
        "warnings": [],
    }


def test_every_mistake_is_named_with_its_line(limen, shop) -> None:
    file = shop(("issuance: approval", "issuance: whenever"), ("owners:\n", "surprise: 1\nowners:\n"))
    lines = (limen.folder / file).read_text().splitlines()
    places = {name: number for number, line in enumerate(lines, 1) for name in ("surprise", "issuance") if name in line}
    result = limen("profile", "check", file, expect=1)
    for name, line in places.items():
        assert f"new.yaml:{line}: " in result.stderr
        assert name in result.stderr
    assert "found 'whenever', allowed: self_service, approval" in result.stderr
    found = limen.json("profile", "check", file, expect=1)
    assert found["profile"] is None
    assert {mistake["line"] for mistake in found["mistakes"]} == set(places.values())
    assert set(found["mistakes"][0]) == {"path", "line", "found", "allowed", "source"}


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a: [", b"- 1", b"&a [*a, *a]", b"\x00"])
def test_a_file_that_is_no_profile(limen, content: bytes) -> None:
    (limen.folder / "new.yaml").write_bytes(content)
    assert "new.yaml" in limen("profile", "check", "new.yaml", expect=1).stderr
    assert limen.problem("apis", "create", "shop", "--profile", "new.yaml")["code"] == "profile_wrong"
    assert limen.problem("profile", "apply", "creator", "new.yaml", "--yes")["code"] == "profile_wrong"


def test_a_file_that_is_not_there(limen) -> None:
    assert "nowhere.yaml" in limen("profile", "check", "nowhere.yaml", expect=1).stderr


def test_what_is_shown_can_be_applied_again_and_changes_nothing(limen, shop) -> None:
    result = limen("profile", "apply", "creator", shop())
    assert "Nothing changes" in result.stdout
    found = limen.json("profile", "apply", "creator", "new.yaml")
    expected = {"api": "creator", "revision": 1, "applied": False, "differences": [], "overwritten": [], "warnings": []}
    assert found == expected
    assert yaml.safe_load(limen("profile", "show", "creator").stdout) == limen.json("profile", "show", "creator")


def test_applying_shows_the_difference_and_makes_the_next_revision(limen, shop) -> None:
    file = shop(("default: 100 per 60 s", "default: 200 per 60 s"), ("support: support@", "support: help@"))
    out = limen("profile", "apply", "creator", file, "--yes").stdout
    assert "limits.default" in out
    assert "'100 per 60 s'" in out
    assert "'200 per 60 s'" in out
    assert "revision 2" in out
    assert limen.json("profile", "show", "creator")["limits"]["default"] == "200 per 60 s"
    assert limen.json("profile", "show", "creator", "--revision", "1")["limits"]["default"] == "100 per 60 s"
    assert "1 to 2" in limen("profile", "show", "creator", "--revision", "9", expect=1).stderr


def test_the_difference_as_json(limen, shop) -> None:
    file = shop(("default: 100 per 60 s", "default: 200 per 60 s"), ("documentation: ", "# documentation: "))
    found = limen.json("profile", "apply", "creator", file, "--yes")
    assert found["revision"] == 2
    assert found["applied"] is True
    assert {"path": "limits.default", "old": "100 per 60 s", "new": "200 per 60 s"} in found["differences"]
    (gone,) = [each for each in found["differences"] if each["path"] == "documentation"]
    assert set(gone) == {"path", "old"}


def test_what_staff_set_is_not_overwritten_unless_asked_to(limen, shop) -> None:
    limen("versions", "register", "creator", "2026-06-26")
    limen("versions", "deprecate", "creator", "2025-06-26", "--at", "2031-01-01")
    file = shop(("default: 100 per 60 s", "default: 200 per 60 s"))
    result = limen("profile", "apply", "creator", file, "--yes", expect=1)
    assert "2031-01-01T00:00:00.000Z by staff" in result.stderr
    assert "--overwrite" in result.stderr
    assert limen.json("apis", "show", "creator")["revision"] == 1
    found = limen.json("profile", "apply", "creator", file, "--yes", "--overwrite")
    assert len(found["overwritten"]) == 1
    assert limen.json("versions", "list", "creator")[0]["deprecated_at"] is None


def test_what_was_shown_is_what_is_applied(limen, shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from limen.cli import profile
    from limen.profiles import load

    other = load(limen.folder / shop(("default: 100 per 60 s", "default: 300 per 60 s")))
    file = shop(("default: 100 per 60 s", "default: 200 per 60 s"))

    def meanwhile(question: str, *, yes: bool) -> None:
        from limen.app import App
        from limen.control import apis

        app = App.open()
        app.act(apis.apply_profile, "creator", other)
        app.close()

    monkeypatch.setattr(profile, "confirm", meanwhile)
    assert "meanwhile" in limen("profile", "apply", "creator", file, expect=1).stderr
    assert limen.json("profile", "show", "creator")["limits"]["default"] == "300 per 60 s"


def test_a_profile_that_does_not_fit_what_is_there_is_refused(limen) -> None:
    assert limen.problem("profile", "apply", "creator", "organisation", "--yes")["code"] == "profile_conflict"


def test_the_shipped_profiles(bare) -> None:
    assert [each["profile"] for each in bare.json("profile", "list-shipped")] == ["creator", "organisation"]
    assert "organisation" in bare("profile", "list-shipped").stdout

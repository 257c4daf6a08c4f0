"""``limen pepper``: the round of a rotation at the terminal, and that no secret is ever printed."""

from __future__ import annotations

import pytest

SECRET = "the secret of the other one"


@pytest.mark.check("C006")
def test_the_round_of_a_rotation(limen) -> None:
    limen.issue()
    assert limen.json("pepper", "add")["version"] == 2
    limen.issue(owner="u2")
    first, second = limen.json("pepper", "list")["peppers"]
    assert (first["version"], first["newest"], first["wrapped"]) == (1, False, 0)
    assert (second["version"], second["newest"], second["wrapped"]) == (2, True, 0)
    assert first["keys"] + second["keys"] == 3, "and the staff's own"
    assert limen.problem("pepper", "retire", "1", "--yes")["code"] == "pepper_needed"
    assert limen.json("pepper", "wrap") == {"wrapped": first["keys"]}
    assert limen.json("pepper", "wrap") == {"wrapped": 0}
    assert [each["wrapped"] for each in limen.json("pepper", "list")["peppers"]] == [first["keys"], 0]
    for key in limen.json("keys", "list"):
        limen("keys", "revoke", key["key"], "--reason", "over", "--yes")
    result = limen("pepper", "retire", "1", expect=2)
    assert "A backup of before needs it" in result.stderr
    held = limen.pepper.read_text().split()
    assert limen.problem("pepper", "retire", "1", "--yes")["code"] == "pepper_needed"
    assert limen.pepper.read_text().split() == held


def test_a_pepper_that_nothing_needs_is_gone_from_the_file(limen) -> None:
    limen("pepper", "add")
    limen("pepper", "wrap")
    for key in _all_keys(limen):
        limen("keys", "revoke", key, "--reason", "over", "--yes")
    assert limen.json("pepper", "retire", "1", "--forget-ended", "--yes") == {"retired": 1}
    assert [line.partition(":")[0] for line in limen.pepper.read_text().split()] == ["locator", "2"]
    assert limen.json("doctor")["ok"]
    assert limen.problem("pepper", "retire", "1", "--yes")["code"] == "pepper_unknown"


def _all_keys(limen) -> list[str]:
    found = limen.json("keys", "list") + limen.json("keys", "list", "--api", "limen")
    return sorted({each["key"] for each in found})


@pytest.mark.check("C004", "C020")
@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("raw", SECRET.encode()),
        ("raw", SECRET.encode() + b"\n"),
        ("hex", SECRET.encode().hex().encode() + b"\n"),
        ("base64", b"dGhlIHNlY3JldCBvZiB0aGUgb3RoZXIgb25l\n"),
    ],
)
def test_a_secret_is_read_from_a_file_or_standard_input_and_printed_nowhere(limen, form: str, content: bytes) -> None:
    (limen.folder / "given").write_bytes(content)
    limen("pepper", "add-secret", "one", "--from", "given", "--form", form)
    limen("pepper", "add-secret", "two", "--from", "-", "--form", form, input=content)
    limen("pepper", "list")
    lines = dict(line.split(":") for line in limen.pepper.read_text().split())
    assert lines["one"] == lines["two"] == SECRET.encode().hex()
    said = "".join(limen.said)
    assert not any(value in said for value in (*lines.values(), SECRET))


@pytest.mark.parametrize(("form", "content"), [("hex", b"no hex at all!"), ("base64", b"***"), ("hex", b"\xff\xfe")])
def test_what_is_not_in_the_form_that_is_said_is_not_added(limen, form: str, content: bytes) -> None:
    result = limen("pepper", "add-secret", "legacy", "--from", "-", "--form", form, input=content, expect=2)
    assert f"is not {form}" in result.stderr
    assert limen.problem("pepper", "add-secret", "legacy", "--from", "nowhere", expect=3)["code"] == "store_down"
    assert "legacy" not in limen.pepper.read_text()


def test_each_command_says_what_to_back_up(limen) -> None:
    for words in (("add",), ("add-secret", "legacy")):
        assert str(limen.pepper) in limen("pepper", *words).stderr

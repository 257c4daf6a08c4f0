"""What cannot be undone is asked for: at a terminal by a question, without one by refusing until ``--yes`` is given."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "src"


@pytest.mark.parametrize(
    "words",
    [
        ("revoke", "KEY", "--reason", "leaked"),
        ("delete", "KEY"),
        ("regenerate", "KEY"),
        ("expire", "KEY", "--at", "now"),
        ("issue", "creator", "u1", "--name", "another", "--scope", "read:self"),
    ],
    ids=lambda words: words[0],
)
def test_a_key_does_not_end_unasked(limen, words: tuple[str, ...]) -> None:
    key = limen.issue()["key"]
    command = ["keys", *(key if word == "KEY" else word for word in words)]
    result = limen(*command, expect=2)
    assert result.stdout == ""
    assert "no terminal" in result.stderr
    assert "--yes" in result.stderr
    assert "cannot be undone" in result.stderr
    assert limen.problem(*command, expect=2)["code"] == "usage"
    (held,) = limen.json("keys", "list")
    assert (held["key"], held["state"], held["expires_at"]) == (key, "active", None)
    limen(*command, "--yes")
    assert limen.json("keys", "list", "--hidden")[-1]["state"] in ("revoked", "expired")


def test_a_key_that_takes_nobodys_place_is_issued_unasked(limen) -> None:
    limen.issue()
    limen.issue(owner="u2")


def test_a_profile_is_not_applied_unasked(limen) -> None:
    text = limen("profile", "show", "creator").stdout.replace("100 per 60 s", "200 per 60 s")
    (limen.folder / "new.yaml").write_text(text)
    result = limen("profile", "apply", "creator", "new.yaml", expect=2)
    assert "'200 per 60 s'" in result.stdout
    assert "--yes" in result.stderr
    assert limen.json("apis", "show", "creator")["revision"] == 1


@pytest.mark.parametrize(("answer", "code", "state"), [("y", 0, "revoked"), ("n", 1, "active"), ("", 1, "active")])
def test_at_a_terminal_the_answer_decides(limen, answer: str, code: int, state: str) -> None:
    key = limen.issue()["key"]
    keyboard, terminal = pty.openpty()
    os.write(keyboard, f"{answer}\n".encode())
    command = [sys.executable, "-m", "limen", "keys", "revoke", key, "--reason", "leaked", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    ended = subprocess.run(
        command, stdin=terminal, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    os.close(keyboard)
    os.close(terminal)
    assert ended.returncode == code, ended.stderr
    assert "cannot be undone" in ended.stderr
    assert f"fvak_{key[:4]}" in ended.stderr
    assert ("revoked" in ended.stdout) is (code == 0)
    assert limen.json("keys", "show", key)["state"] == state

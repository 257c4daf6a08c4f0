"""The shell is told how a command line goes on, and which release this is."""

from __future__ import annotations

import os
import subprocess
import sys

from limen import __version__


def _limen(*arguments: str, **environment: str) -> str:
    line = [sys.executable, "-m", "limen", *arguments]
    done = subprocess.run(line, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_command_is_completed() -> None:
    said = _limen(_LIMEN_COMPLETE="complete_bash", COMP_WORDS="limen keys rea", COMP_CWORD="2")
    assert said.split() == ["reactivate", "reactivate-all"]


def test_an_option_is_completed() -> None:
    said = _limen(_LIMEN_COMPLETE="complete_bash", COMP_WORDS="limen keys revoke --rea", COMP_CWORD="3")
    assert said.split() == ["--reason"]


def test_the_release_is_printed() -> None:
    assert _limen("--version") == f"limen {__version__}\n"

"""What the examples say of themselves is what their profiles say of them, and nothing is added to one alone (R50)."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from fastapi import Depends, FastAPI
from typer.testing import CliRunner, Result

from limen.cli.main import app as terminal
from limen.guard.fastapi import requires

ROOT = Path(__file__).resolve().parents[2]
OWN = {name: ROOT / "examples" / f"{name}_platform" / "profile.yaml" for name in ("creator", "organisation")}
PROFILES = [
    (name, profile) for name, own in OWN.items() for profile in (name, str(own)) if Path(profile) != own or own.exists()
]

Check = Callable[[FastAPI, str], Result]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """``limen profile import-openapi --check`` of an application's document against a profile."""

    def run(application: FastAPI, profile: str) -> Result:
        (tmp_path / "openapi.json").write_text(json.dumps(application.openapi()))
        words = ["profile", "import-openapi", str(tmp_path / "openapi.json"), "--into", profile, "--check"]
        return CliRunner().invoke(terminal, words)

    return run


def built(name: str, folder: Path) -> FastAPI:
    """The example's application, behind a guard that is not opened."""
    application: FastAPI = import_module(f"examples.{name}_platform.app").create_app(f"sqlite:///{folder / name}.db")
    return application


@pytest.mark.req("R50")
@pytest.mark.parametrize(("name", "profile"), PROFILES)
def test_document_and_profile_say_the_same(name: str, profile: str, tmp_path: Path, check: Check) -> None:
    result = check(built(name, tmp_path), profile)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "has the operations of the document" in result.stdout


@pytest.mark.req("R50")
@pytest.mark.parametrize("name", OWN)
def test_an_operation_without_a_scope_fails_the_build(name: str, tmp_path: Path, check: Check) -> None:
    application = built(name, tmp_path)
    application.add_api_route("/forgotten", lambda: None, operation_id="forgotten")
    result = check(application, name)
    assert result.exit_code == 1
    assert "/paths/~1forgotten/get/security: found nothing, allowed: security with" in result.stderr


@pytest.mark.req("R50")
@pytest.mark.parametrize("name", OWN)
def test_an_operation_that_is_not_in_the_profile_fails_the_build(name: str, tmp_path: Path, check: Check) -> None:
    application, scope = built(name, tmp_path), {"creator": "read:self", "organisation": "read:consumers"}[name]
    application.add_api_route("/new", lambda: None, operation_id="new", dependencies=[Depends(requires(scope))])
    result = check(application, name)
    assert result.exit_code == 1
    assert "GET /new (new): in the document, and not in the profile" in result.stderr

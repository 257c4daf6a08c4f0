"""What is shipped for deployment, linted, and held to the program: its commands, settings and addresses are there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from limen.cli.main import app
from limen.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SETTINGS = {f"LIMEN_{spec.name.upper()}" for spec in fields(Settings)}
KUBERNETES = ("1.30", "1.37")


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def command_is_known(words: list[str]) -> bool:
    """Whether the command line, without its program, is one that Limen takes."""
    return CliRunner().invoke(app, [*words, "--help"]).exit_code == 0


@pytest.fixture(scope="module")
def pods() -> list[dict[str, Any]]:
    """The pods of every workload."""
    found = [each["spec"] for each in documents(DEPLOY / "kubernetes" / "limen.yaml") if "template" in each["spec"]]
    assert len(found) == 2
    return [each["template"]["spec"] for each in found]


@pytest.mark.parametrize("version", KUBERNETES)
def test_manifests_are_what_kubernetes_takes(version: str) -> None:
    for document in documents(DEPLOY / "kubernetes" / "limen.yaml"):
        kubernetes_validate.validate(document, version, strict=True)


def test_a_manifest_that_is_wrong_is_seen() -> None:
    (budget, *_) = documents(DEPLOY / "kubernetes" / "limen.yaml")
    budget["spec"]["minAvialable"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(budget, KUBERNETES[-1], strict=True)


def test_pods_run_commands_and_settings_that_there_are(pods: list[dict[str, Any]]) -> None:
    ours = [one for pod in pods for one in (*pod.get("initContainers", ()), *pod["containers"]) if "args" in one]
    assert len(ours) == 3
    for container in ours:
        assert command_is_known(container["args"])
        assert {each["name"] for each in container["env"]} <= SETTINGS
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"]
        assert not security["allowPrivilegeEscalation"]


def test_the_serving_pod_has_its_probes_a_budget_and_a_journal_that_lasts(pods: list[dict[str, Any]]) -> None:
    everything = documents(DEPLOY / "kubernetes" / "limen.yaml")
    budget = next(each for each in everything if each["kind"] == "PodDisruptionBudget")
    state = next(each for each in everything if each["kind"] == "StatefulSet")
    serving = state["spec"]["template"]["spec"]["containers"][0]
    assert {name for name in serving if name.endswith("Probe")} == {"startupProbe", "livenessProbe", "readinessProbe"}
    assert serving["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert serving["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert budget["spec"]["minAvailable"] < state["spec"]["replicas"]
    labels = state["spec"]["template"]["metadata"]["labels"]
    assert labels == state["spec"]["selector"]["matchLabels"] == budget["spec"]["selector"]["matchLabels"]
    held = {each["metadata"]["name"] for each in state["spec"]["volumeClaimTemplates"]}
    mounted = {each["name"]: each["mountPath"] for each in serving["volumeMounts"]}
    places = {each["name"]: each.get("value", "") for each in serving["env"]}
    assert any(places["LIMEN_STATE"].startswith(mounted[name] + "/") for name in held)


def test_the_image_is_built_as_it_should_be() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    found = subprocess.run([linter, DEPLOY / "Dockerfile"], capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stdout) == (0, "")
    said = (DEPLOY / "Dockerfile").read_text()
    command = re.search(r"^CMD \[(.*)\]$", said, re.MULTILINE)
    assert command is not None
    assert command_is_known(re.findall(r'"([^"]+)"', command[1]))
    assert re.search(r"^USER \d+$", said, re.MULTILINE)  # not root, and by a number that Kubernetes can check


def test_the_image_takes_nothing_along_but_the_program() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = re.search(r"^COPY (.*) \./\nCOPY src src$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert copied is not None
    assert kept == [*copied[1].split(), "src"]
    assert all((ROOT / name).exists() for name in kept)


def test_composed_services_run_commands_and_settings_that_there_are() -> None:
    (composed,) = documents(DEPLOY / "compose" / "compose.yaml")
    ours = {name: each for name, each in composed["services"].items() if each["image"] == "limen:latest"}
    assert set(ours) == {"limen", "migrate"}
    for each in ours.values():
        assert command_is_known(each["command"])
        assert set(each["environment"]) <= SETTINGS
        assert each["read_only"]
    for each in composed["services"].values():
        for mount in each.get("volumes", ()):
            assert mount.partition(":")[0] in composed["volumes"]
        for needed, how in each.get("depends_on", {}).items():
            assert how["condition"] in ("service_healthy", "service_completed_successfully")
            assert how["condition"] != "service_healthy" or "healthcheck" in composed["services"][needed]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_units_are_what_systemd_takes(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd on this machine: the unit is started by test_run.py all the same")
    said = unit.read_text().replace("/opt/limen/venv/bin/limen", "/bin/true")
    (tmp_path / unit.name).write_text(said)
    line = ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)]
    found = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert [line for line in found.stderr.splitlines() if unit.name in line] == []
    assert found.returncode == 0


def test_the_settings_of_the_units_are_settings() -> None:
    lines = (DEPLOY / "systemd" / "limen.env").read_text().splitlines()
    names = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
    assert names
    assert names <= SETTINGS

"""schemathesis against an API behind Limen: a real listener, real keys, and the checks that a report must pass.

``make fuzz`` runs it; the continuous integration runs a short one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from tests.faults.processes import Child, free_port, wait_until

LEFT_OUT = (
    # A request may be right in form and still ask for what is not there, or not theirs: 404, 409, 422 are the answers.
    "positive_data_acceptance",
)
REFUSED = ["400", "401", "403", "404", "405", "409", "412", "413", "415", "422", "428", "429", "503"]
"""What a request that is wrong may be answered: 413 too, where a list is too long for a body."""

ALL_PHASES = ("examples", "coverage", "fuzzing", "stateful")
LIKELY = 0.6
"""How often something that is there is asked for, where it is known what is."""
UNLIMITED = "1000000 per 60 s"


@dataclass(frozen=True, slots=True)
class Somebody:
    """Somebody who calls, and the header that carries their key; none: they have no key."""

    name: str
    header: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Run:
    """One run: who calls. Several are one another's peers: none may see what is another's."""

    title: str
    callers: Sequence[Somebody]
    phases: tuple[str, ...] = ALL_PHASES
    part: int = 1
    """By what the number of requests for each operation is divided: there are many runs that are alike."""
    whole: bool = False
    """Whether the callers may do everything: then half of the operations, at least, must have been done."""


@dataclass(frozen=True, slots=True)
class Target:
    """An API that is ready to be served: its folder, its settings, and what is to be run against it."""

    name: str
    """Also the factory's, in ``tests.fuzz.served``."""
    folder: Path
    settings: Mapping[str, str]
    document: str
    runs: Sequence[Run]
    headers: Mapping[str, str] = field(default_factory=dict)
    """What every request has."""
    left_out: tuple[str, ...] = ()
    """Checks that do not hold of this API, and are not to."""
    there: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By parameter (``path.id``): what is there, of all callers, so that not all that is asked for is nothing."""


def serve(target: Target) -> tuple[Child, str]:
    """The API, served and ready, and its address."""
    port = free_port()
    line = [sys.executable, "-m", "granian", "--interface", "asgi", "--workers", "1", "--runtime-mode", "st"]
    line += ["--loop", "uvloop", "--no-ws", "--log-level", "warning", "--host", "127.0.0.1", "--port", str(port)]
    line += ["--factory", f"tests.fuzz.served:{target.name}"]
    child = Child(line, target.settings, target.folder / f"{target.name}.log")
    try:
        wait_until(lambda: _answers(port, target.document), f"{target.name}: {child.said()[-1000:]}", 60)
    except BaseException:
        child.kill()
        raise
    return child, f"http://127.0.0.1:{port}"


def _answers(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def run(target: Target, address: str, wanted: Run, *, examples: int, seed: int) -> str:
    """What schemathesis reports of the API at *address*, asked as *wanted* says; empty where it found nothing."""
    folder = target.folder
    config = folder / "schemathesis.toml"
    refused = f"[checks.negative_data_rejection]\nexpected-statuses = {REFUSED}\n"
    config.write_text(_there(target) + _auth(folder, wanted.callers) + refused)
    told = folder / "report.json"
    line = [
        *[sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"],
        *[f"{address}{target.document}", "--checks", "all", "--exclude-checks", ",".join(LEFT_OUT + target.left_out)],
        *[
            "--max-examples",
            str(max(1, examples // wanted.part)),
            "--seed",
            str(seed),
            "--phases",
            ",".join(wanted.phases),
        ],
        *["--continue-on-failure", "--no-color", "--suppress-health-check", "all"],
        *["--request-timeout", "20", "--warnings", "off", "--report", "json", "--report-json-path", str(told)],
        *[word for name, value in target.headers.items() for word in ("--header", f"{name}: {value}")],
    ]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=3_000, check=False)
    return done.stdout + done.stderr if done.returncode != 0 else _idle(json.loads(told.read_text()), wanted)


def _idle(report: Mapping[str, Any], wanted: Run) -> str:
    """What speaks against a run that found nothing: that it asked nothing, or that nothing came of it."""
    count = report["operations"]
    if not count["total"] == count["selected"] == count["tested"]:
        return f"not every operation was asked for: {count}"
    rates = report["valid_rates"].values()
    done = sum(any(phase["accepted"] for phase in phases.values()) for phases in rates)
    if wanted.whole and done < count["total"] / 2:
        return f"{done} of {count['total']} operations were ever done: the others were not reached"
    return ""


def _there(target: Target) -> str:
    """The part of the configuration that says what there is to ask for."""
    names = {parameter: f"of{number}" for number, parameter in enumerate(target.there)}
    lines = [
        f"[dictionaries.{names[each]}]\nvalues = {json.dumps(list(values))}\n" for each, values in target.there.items()
    ]
    bound = [f'"{each}" = {{ dictionary = "{name}", probability = {LIKELY} }}\n' for each, name in names.items()]
    return "".join([*lines, "[parameters]\n" if bound else "", *bound])


def _auth(folder: Path, callers: Sequence[Somebody]) -> str:
    """The part of the configuration that says who calls."""
    held = [each for each in callers if each.header[0]]
    if not held:
        return ""
    wfc = folder / "callers.json"
    said = [
        {"name": each.name, "fixedHeaders": [dict(zip(("name", "value"), each.header, strict=True))]} for each in held
    ]
    wfc.write_text(json.dumps({"auth": said}))
    peers = ", ".join(f'"{each.name}"' for each in held)
    return f'[auth.wfc]\npath = "{wfc}"\n' + (f"peers = [{peers}]\n" if len(held) > 1 else "")

"""The npm package ``standardwebhooks``, in the version and with the hashes of ``npm/package-lock.json``."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest

STATED = Path(__file__).parent / "npm"
NEEDED = ("package.json", "package-lock.json")
AWAY = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT", "E403")
"""What npm says where it reaches no registry. All else is a failure, a hash that is not the stated one above all."""

PATIENCE = ("--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-timeout=10000")


def standard_webhooks() -> Path:
    """The folder of the package: installed once a machine and lock file. Skips where there is no node or registry."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no node and npm to verify with")
    stated = sha256(b"".join((STATED / name).read_bytes() for name in NEEDED)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"limen-npm-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    assert folder.stat().st_uid == os.getuid(), f"{folder} is somebody else's"
    installed = folder / stated
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several sessions of tests at once install it once
        if not installed.exists():
            _install(folder, installed)
    return installed / "node_modules" / "standardwebhooks"


def _install(folder: Path, installed: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as making:
        for name in NEEDED:
            shutil.copy(STATED / name, making)
        line = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", *PATIENCE]
        done = subprocess.run(line, cwd=making, capture_output=True, text=True, timeout=90, check=False)
        if done.returncode and "EINTEGRITY" not in done.stderr and any(code in done.stderr for code in AWAY):
            pytest.skip("npm reaches no registry")
        assert done.returncode == 0, done.stderr
        shutil.copytree(making, f"{making}.whole", symlinks=True)
        Path(f"{making}.whole").rename(installed)  # whole, or not there

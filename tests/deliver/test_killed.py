"""Whoever sends is killed between sending and writing it down: everything comes, at least once, by the same id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import pytest

from limen.control import apis, channels, delivery, keys, owners
from limen.control.channels import NewChannel
from limen.profiles import load
from tests.deliver.conftest import LOOPBACK
from tests.deliver.receiver import Came, Receiver

if TYPE_CHECKING:
    from limen.app import App

ROOT = Path(__file__).resolve().parents[2]
SENDER = """
import sys, time
from limen.app import App
from limen.deliver.sender import Post, Sender
from limen.drain import Drainer
app = App.open()
Drainer(app)
Sender(app, Post(app, Post.of(app).dialler, None, lease_s=0.5))
print("begun", flush=True)
time.sleep(60)
"""


@pytest.mark.check("C104")
def test_a_worker_that_is_killed_again_and_again_loses_nothing(installation: App) -> None:
    app, owned = installation, 12
    app.act(apis.create, "organisation", load("organisation"))
    app.act(owners.create, owners.NewOwner("organisation", "A firm", "o-1"))
    children: list[subprocess.Popen[str]] = []
    sent, counting = Counter[int](), Lock()

    def answer(came: Came) -> int:
        time.sleep(0.05)
        with counting:
            child = children[-1]
            sent[child.pid] += 1
            if sent[child.pid] == 3 and len(children) <= 3:  # it has sent, and is not let write down what came of it
                child.send_signal(signal.SIGKILL)
        return 204

    with Receiver(answer=answer) as receiver:
        new = NewChannel("o-1", "webhook", receiver.url)
        app.act(channels.add, new, allowed=LOOPBACK)
        for number in range(owned):
            app.act(keys.issue, keys.NewKey("organisation", "o-1", name=f"key {number}"))
        environment = os.environ | {
            "LIMEN_DATABASE_URL": app.settings.database_url,
            "LIMEN_STATE": str(app.settings.state_folder),
            "LIMEN_PEPPER_FILE": str(app.settings.pepper_path),
            "LIMEN_TOMBSTONES": str(app.settings.tombstones_path),
            "LIMEN_WEBHOOK_ALLOW": "127.0.0.1",
            "LIMEN_DRAIN_MS": "20",
            "PYTHONPATH": str(ROOT / "src"),
        }
        try:
            deadline = time.monotonic() + 60
            while not _all_done(app, owned):
                assert time.monotonic() < deadline
                if not children or children[-1].poll() is not None:
                    command = [sys.executable, "-c", SENDER]
                    children.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
                time.sleep(0.05)
        finally:
            for child in children:
                child.kill()
                child.communicate()
        with app.reading() as reader:
            ids = {f"msg_{each.delivery}" for each in delivery.listed(reader, limit=1_000)}
        assert len(children) == 4, "it was killed three times"
        assert set(receiver.ids()) == ids, "none is lost, and none is made up"
        assert len(receiver.came) > owned, "some came twice, by the same id"


def _all_done(app: App, count: int) -> bool:
    with app.reading() as reader:
        return [each.state for each in delivery.listed(reader, limit=1_000)].count("done") == count

"""Who sends: takes on what is due, has it sent by a few threads, and writes down what came of it.

Several may run, on one host or on many: what one has taken on the others pass over, until its lease ends.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Thread

from limen.app import App
from limen.control import apis, delivery
from limen.core.delivering import Job, Outcome, Room
from limen.core.people import Actor
from limen.core.problems import ProblemError, StoreDown
from limen.core.webhooks import Dialect
from limen.deliver import webhook
from limen.deliver.dial import Dialler
from limen.deliver.mail import Mailer

SENDER = Actor("worker", "sender")
LEASE_S = 60.0
"""How long a delivery belongs to who took it on: four times as long as an attempt may take."""

THREADS, A_HOST, AN_OWNER = 16, 2, 4
"""How many attempts are made at once; of webhooks to one host, and to those of one owner."""

_LOOK_S = 0.5
_log = logging.getLogger("limen.deliver")


@dataclass(slots=True)
class Post:
    """The deliveries of one process that are under way."""

    app: App
    dialler: Dialler
    mailer: Mailer | None
    lease_s: float = LEASE_S
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "limen-send"))
    _under_way: dict[Future[Outcome], Job] = field(default_factory=dict)
    _dialects: dict[str, Dialect | None] = field(default_factory=dict)

    @classmethod
    def of(cls, app: App) -> Post:
        """As the settings say."""
        return cls(app, Dialler(allowed=app.settings.webhook_allow), Mailer.of(app.settings))

    def step(self, wait_s: float) -> int:
        """Take on what there is room for, and wait so long at most for something to come back; how many did.

        Raises StoreDown. What came back is then told later, or is sent again once its lease has ended.
        """
        if len(self._under_way) < THREADS:
            room = self._room()
            with self.app.reading() as reader:  # so that an installation at rest is not written to
                due = delivery.waiting(reader, room.kinds).deliveries
            for job in self.app.note(delivery.claim, lease_s=self.lease_s, room=room, actor=SENDER) if due else ():
                self._under_way[self._pool.submit(self._deliver, job)] = job
        if not self._under_way:
            return 0
        done, _ = wait(self._under_way, timeout=wait_s, return_when=FIRST_COMPLETED)
        self._settle(done)
        return len(done)

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return bool(self._under_way)

    def _room(self) -> Room:
        hooks = [job for job in self._under_way.values() if job.kind == "webhook"]
        hosts, owners = Counter(job.host for job in hooks), Counter(job.owner for job in hooks)
        return Room(
            most=THREADS - len(self._under_way),
            a_host=1 if hosts else A_HOST,  # no host has more than it may, whatever else of it is under way
            an_owner=1 if owners else AN_OWNER,
            full_hosts=tuple(host for host, count in hosts.items() if count >= A_HOST),
            full_owners=tuple(owner for owner, count in owners.items() if count >= AN_OWNER),
            kinds=("webhook",) if self.mailer is None else ("email", "webhook"),
        )

    def _deliver(self, job: Job) -> Outcome:
        now = self.app.clock.read()[0]
        try:
            if job.kind == "webhook":
                return webhook.deliver(job, self._dialect(job), self.dialler, now)
            if self.mailer is not None:
                return self.mailer.deliver(job, self.app.ring.keyring, now)
        except StoreDown:
            raise
        except Exception:
            _log.exception("an attempt at delivery %s failed by a fault of our own", job.delivery)
        return Outcome(job.delivery, job.number, now, "blocked")

    def _dialect(self, job: Job) -> Dialect | None:
        """As the API's profile has it now; None: the standard one, or the API is no more."""
        if job.dialect != "profile":
            return None
        try:
            with self.app.reading() as reader:
                return apis.profile_of(reader, job.api).webhooks
        except StoreDown:  # what cannot be looked up is not guessed: it is sent again once its lease has ended
            raise
        except ProblemError:
            return None

    def close(self) -> None:
        """Wait for what is under way, and write down what came of it."""
        with suppress(StoreDown):
            self._settle(wait(self._under_way)[0])
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _settle(self, done: Collection[Future[Outcome]]) -> None:
        """Write down what came of *done*, and none of it is under way any more. Raises what one of them raised."""
        outcomes: list[Outcome] = []
        failure: Exception | None = None
        for future in done:
            del self._under_way[future]
            try:
                outcomes.append(future.result())
            except Exception as error:  # whatever it is: what came of the others is written down first
                failure = error
        if outcomes:
            self.app.note(delivery.settle, outcomes, actor=SENDER)
        if failure is not None:
            raise failure


def send_due(app: App) -> int:
    """Send what is due by now, each once; how many attempts that was. Raises StoreDown."""
    post, sent = Post.of(app), 0
    try:
        while True:
            came = post.step(1.0)
            sent += came
            if not came and not post.busy:
                return sent
    finally:
        post.close()


class Sender:
    """Sends in a thread of its own, until it is stopped."""

    def __init__(self, app: App, post: Post | None = None) -> None:
        self._post, self._stop = post or Post.of(app), Event()
        self.failure: str = ""
        """Why the last step failed; empty when it did not."""
        self._thread = Thread(target=self._run, name="limen-deliver", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                came = self._post.step(_LOOK_S)
                self.failure = ""
            except Exception as error:
                came = 0
                if str(error) != self.failure and not isinstance(error, StoreDown | OSError):
                    _log.exception("sending failed; it is tried again")
                self.failure = str(error)
            if (not came and not self._post.busy) or self.failure:
                self._stop.wait(_LOOK_S)
        self._post.close()

    def stop(self) -> None:
        """Stop, once what is under way is over: 15 s at most."""
        self._stop.set()
        self._thread.join()

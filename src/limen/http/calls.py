"""One call of the management API: it is asked, or done in one transaction, and answered as all others are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial, reduce
from threading import Lock
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from fastapi.responses import Response

from limen.app import App
from limen.control import members, replies
from limen.control.replies import Reply
from limen.core.people import Actor, Right
from limen.core.plain import plain
from limen.core.problems import ProblemError
from limen.db.transaction import Reader, Tx
from limen.guard.caller import Caller
from limen.guard.fastapi import requires
from limen.http.arrival import ACT_FOR, ARRIVAL, Arrival
from limen.http.callers import Member, Staff, who_calls
from limen.http.cursors import read_cursor, write_cursor
from limen.http.etags import etag_of, is_current, is_known
from limen.http.seals import seal

_DOERS = frozenset({"created_by", "asked_by", "decided_by", "invited_by"})
_STAFFS = "staff"
"""What members are told of whoever did something for the platform."""

EFFECTIVE, EFFECTIVE_MS = "Limen-Effective", "Limen-Effective-Ms"
"""Headers of what answers a write: whether it holds in every process, and how long that took once it was durable."""

T = TypeVar("T")
Question = Callable[[Reader], object]


class Flights:
    """The writes with an ``Idempotency-Key`` that this process is doing now."""

    def __init__(self) -> None:
        self._lock, self._doing = Lock(), set[tuple[str, str]]()

    @contextmanager
    def alone(self, caller: str, key: str) -> Iterator[None]:
        """For as long as the block runs nobody else does the same write. Raises ``idempotency_in_flight``."""
        with self._lock:
            if (caller, key) in self._doing:
                raise ProblemError("idempotency_in_flight")
            self._doing.add((caller, key))
        try:
            yield
        finally:
            with self._lock:
                self._doing.remove((caller, key))


class Call:
    """What a route is handed. Rights are asked for inside of what it does, in the same transaction."""

    def __init__(self, app: App, flights: Flights, arrival: Arrival, who: Staff | Member | None) -> None:
        self.app, self.arrival, self._flights, self._who = app, arrival, flights, who

    @property
    def who(self) -> Staff | Member:
        """Who calls. Only of operations that need a key."""
        if self._who is None:
            raise RuntimeError("nobody is known of a public operation")
        return self._who

    def require_staff(self) -> Staff:
        """Who calls, where it is staff. Raises ``staff_only``."""
        if not isinstance(self.who, Staff):
            raise ProblemError("staff_only")
        return self.who

    def require_scope(self, scope: str) -> None:
        """The calling key holds this *scope* too, which only some ways of asking take. Raises ``scope_missing``."""
        if scope not in self.who.scopes:
            raise ProblemError("scope_missing", f"Asked like this, it takes the scope {scope} too.")

    @property
    def user(self) -> str | None:
        """The member that calls; None: staff do."""
        return self.who.user if isinstance(self.who, Member) else None

    def require_right(self, reader: Reader, owner: str, right: Right) -> None:
        """Staff may; a member by its role. Raises ``owner_unknown`` for what is not theirs, and ``role_too_low``."""
        if self.user is not None:
            members.require_right(reader, self.user, owner, right)

    def require_right_to(self, thing: ProblemError, reader: Reader, owner: str, right: Right) -> None:
        """As ``require_right``, of a thing of *owner*. To a stranger there is none, and *thing* is raised."""
        try:
            self.require_right(reader, owner, right)
        except ProblemError as error:
            raise thing if error.problem.code == "owner_unknown" else error from None

    def ask(self, question: Question) -> Response:
        """Answer with what *question* finds, and its ETag; 304 where the caller has that already."""
        with self.app.reading() as reader:
            self.require_good(reader)
            shown = self._shown(question(reader))
        etag = etag_of(shown)
        if self.arrival.if_none_match and is_known(self.arrival.if_none_match, etag):
            return Response(status_code=304, headers={"ETag": etag})
        return answered(200, shown, {"ETag": etag})

    def tell(self, question: Question) -> Response:
        """Answer with what *question* finds, which is nothing that has an address: it has no ETag."""
        with self.app.reading() as reader:
            self.require_good(reader)
            return answered(200, self._shown(question(reader)))

    def place(self, of: str, after: str) -> Any:
        """Where the list *of* goes on, by the cursor *after*; empty: at its beginning. Raises ``request_malformed``."""
        return read_cursor(self.app, of, after) if after else ""

    def page(
        self, of: str, limit: int, question: Callable[[Reader, int], Sequence[T]], place: Callable[[T], Any]
    ) -> Response:
        """Answer with at most *limit* of what *question* finds, and the cursor behind the last of them, at its *place*.

        *question* is told how many are wanted: one more than are shown, so that the last page says that it is.
        """

        def found(reader: Reader) -> tuple[Sequence[T], Any]:
            items = question(reader, limit + 1)
            return items[:limit], place(items[limit - 1]) if len(items) > limit else None

        return self.part(of, found)

    def part(self, of: str, question: Callable[[Reader], tuple[Sequence[Any], Any]]) -> Response:
        """Answer with the part of the list *of* that *question* finds, and the cursor to where it goes on.

        *question* answers that place as the next question is to be told it; empty or None: the list ends.
        """
        with self.app.reading() as reader:
            self.require_good(reader)
            items, place = question(reader)
        return answered(200, {"items": self._shown(list(items)), "next": self.cursor(of, place)})

    def cursor(self, of: str, place: str | int | None) -> str | None:
        """The cursor to *place* in the list *of*; None at its end."""
        return write_cursor(self.app, of, place) if place else None

    def write(
        self,
        work: Callable[[Tx], object],
        *,
        may: Question | None = None,
        status: int = 200,
        of: Question | None = None,
        once: Sequence[str] = (),
    ) -> Response:
        """Do *work* in one transaction, together with keeping its reply, and answer with what it made.

        *may*: raises for who may not do this: before anything is compared or answered again, which would tell them of
        what is there. It is to hold after the work too, or there is no replay.
        *of*: what finds the thing that is changed, as its own address shows it: ``If-Match`` is compared with that, in
        the same transaction. *once*: members of the answer, dotted, that are shown now and kept nowhere.
        """
        key = self.arrival.idempotency_key
        with self._flights.alone(self.who.name, key) if key else nullcontext():
            do = partial(self._do, work, may=may, status=status, of=of, once=once)
            actor, waits = self.who.actor(self.arrival.address), not self.arrival.respond_async
            done = self.app.change(do, actor=actor, waits=waits)
        reply, headers = done.result
        if done.effective:
            return answered(reply.status, reply.body, headers | {EFFECTIVE: "true", EFFECTIVE_MS: str(done.ms)})
        return answered(202, reply.body, headers | {EFFECTIVE: "false", "Preference-Applied": "respond-async"})

    def _do(
        self,
        work: Callable[[Tx], object],
        tx: Tx,
        *,
        may: Question | None,
        status: int,
        of: Question | None,
        once: Sequence[str],
    ) -> tuple[Reply, dict[str, str]]:
        self.require_good(tx)
        if may is not None:
            may(tx)
        key, given = self.arrival.idempotency_key, self.arrival.if_match
        fingerprint = seal(self.app, b"reply", self.arrival.fingerprint, 32) if key else b""  # a body may hold a key
        if key and (found := replies.find(tx, self.who.name, key, fingerprint=fingerprint)):
            return found, {"Idempotency-Replayed": "true"}
        if given and (of is None or not is_current(given, self._shown(of(tx)))):
            raise ProblemError("precondition_failed", "" if of is not None else "What is written here has no ETag.")
        body = self._shown(work(tx))
        if key:
            kept = Reply(status, reduce(_without, once, body))
            replies.keep(tx, self.who.name, key, fingerprint=fingerprint, reply=kept)
        there = of is not None and status != 204 and not once
        return Reply(status, body), {"ETag": etag_of(self._shown(of(tx)))} if of is not None and there else {}

    def require_good(self, reader: Reader) -> None:
        """Whoever calls may still: the gate admitted them before, and what ended since has ended.

        Raises what the gate would (``key_revoked``…), and what is wrong with a user that is acted for.
        """
        if self._who is not None:
            self._who.require_good(reader)

    def _shown(self, value: object) -> Any:
        """*value* as JSON has it, and as the caller may see it: to members, staff are staff, whoever it was."""
        return plain(value) if self.user is None else _unnamed(plain(value))


def _unnamed(shown: Any) -> Any:
    """*shown*, without the names of staff who did something."""
    if isinstance(shown, list):
        return [_unnamed(each) for each in shown]
    if not isinstance(shown, dict):
        return shown
    return {name: _STAFFS if name in _DOERS and _is_staff(value) else _unnamed(value) for name, value in shown.items()}


def _is_staff(doer: Any) -> bool:
    return isinstance(doer, str) and Actor(doer.partition(":")[0], "").is_staff


def _without(shown: Any, path: str) -> Any:
    """*shown*, with null in place of what stands at the dotted *path*, in each item of a list."""
    if isinstance(shown, list):
        return [_without(each, path) for each in shown]
    name, _, rest = path.partition(".")
    return shown | {name: _without(shown[name], rest) if rest else None}


def answered(status: int, shown: Any, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON; without a body where *shown* is None."""
    if shown is None:
        return Response(status_code=status, headers=headers)
    written = json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(written, status, headers, "application/json")


def _called(request: Request) -> Call:
    """The call that *request* is. Raises ``request_malformed`` for what its route does not take."""
    route, arrival = request.scope["route"], request.scope[ARRIVAL]
    takes = route.dependant
    if request.scope["query_string"] and not takes.query_params:
        raise ProblemError("request_malformed", "This address takes no query.")
    if arrival.body and not takes.body_params and "requestBody" not in (route.openapi_extra or {}):
        raise ProblemError("request_malformed", "This address takes no body.")
    state = request.app.state
    return Call(state.limen, state.flights, arrival, who_calls(request.scope, request.scope.get(ACT_FOR, [])))


def needs(*scopes: str) -> Any:
    """A dependency: the call, by a key that holds all of *scopes*."""
    required = requires(*scopes)

    async def call(request: Request, _caller: Caller = Depends(required)) -> Call:
        return _called(request)

    return Depends(call)


async def _open(request: Request) -> Call:
    return _called(request)


Open = Annotated[Call, Depends(_open)]
"""The call of a public operation, by nobody in particular."""

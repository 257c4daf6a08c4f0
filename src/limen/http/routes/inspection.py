"""The key inspector, and batches: one key looked into, many keys changed."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from limen.control import batches, inspection, members
from limen.control.batches import Preview, Skipped, Task
from limen.control.inspection import Inspection, Presented, Wish
from limen.control.keys import Issued
from limen.core.people import Right, may
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN
from limen.db.transaction import Reader, Tx
from limen.db.wanted import Wanted
from limen.http.beside import Route
from limen.http.calls import Call, needs
from limen.http.routes.keys import is_staffs
from limen.http.routes.owners import acted_for
from limen.http.shapes import Body, Line, Moment, shape

router = APIRouter(route_class=Route, prefix="/keys", tags=["keys"])
ReadKeys = Annotated[Call, needs("read:keys")]
ManageKeys = Annotated[Call, needs("manage:keys")]
Short = Annotated[str, Field(max_length=100)]


class Asked(Body):
    """What is looked into, and for which request. What is left out of the request is not looked at."""

    key: Annotated[Short, Field(description="A key's id; or else 'text'.")] = ""
    text: Annotated[str, Field(max_length=4_096, description="What was sent as a key. It is never shown again.")] = ""
    api: Short = ""
    operation: Annotated[str, Field(max_length=1_000, description="Its id, or a call as 'GET /chats'.")] = ""
    version: Short = ""
    environment: Annotated[Short, Field(description="live or test; left out: the key's own.")] = ""
    address: Short = ""
    origin: Annotated[str, Field(max_length=300)] = ""


class KeysNamed(Body):
    """The keys of a batch, by what they have in common: at least one thing."""

    api: Short = ""
    owner: Short = ""
    created_by: Annotated[str, Field(max_length=200)] = ""
    key_class: Short = ""
    environment: Short = ""
    prefix: Short = ""
    name: Annotated[Short, Field(description="How their names begin.")] = ""
    created_after: Moment | None = None
    created_before: Moment | None = None
    used_after: Moment | None = None
    used_before: Moment | None = None
    never_used: bool = False
    expiring_after: Moment | None = None
    expiring_before: Moment | None = None
    weak: bool = False
    leaked: bool = False


class ToDo(Body):
    """What is done to many keys."""

    action: Literal["revoke", "expire", "regenerate", "deactivate", "reactivate"]
    wanted: KeysNamed
    reason: Annotated[Line, Field(description="Of 'revoke': why.")] = ""
    expires_at: Annotated[Moment | None, Field(description="Of 'expire': when they end; left out: now.")] = None
    overlap_s: Annotated[int, Field(ge=0, description="Of 'regenerate': how long the old ones go on.")] | None = None


class ToDoNow(ToDo):
    """What is done to many keys, a part of them at a time."""

    limit: Annotated[int, Field(ge=1, le=1_000, description="To how many at most, in one transaction.")] = 1_000
    after: Annotated[str, Field(max_length=1_000, description="The 'next' of the part before.")] = ""


class Batched(BaseModel):
    """What a part of a batch did."""

    model_config = ConfigDict(extra="forbid")
    done: Annotated[list[str], Field(description="The ids of the keys that it was done to.")]
    skipped: Annotated[list[shape(Skipped)], Field(description="Those that were left as they were, and why.")]  # type: ignore[valid-type]
    issued: Annotated[list[shape(Issued, "text")], Field(description="Of 'regenerate': the new keys.")]  # type: ignore[valid-type]
    next: Annotated[str | None, Field(description="Where the batch goes on, as 'after' takes it; null: it ends.")]


@router.post("/inspect", response_model=shape(Inspection))
def inspect_key(call: ReadKeys, asked: Asked) -> Response:
    """Look into a key: which it is, and every reason for which a request with it is refused. Nothing is changed.

    A member learns of the keys of those alone whose developer settings it may see.
    """
    if bool(asked.key) == bool(asked.text):
        raise ProblemError("request_malformed", "Say 'key', or 'text', and not both.")
    recognised = call.app.recognise([asked.text])[0] if asked.text else None
    presented = Presented(asked.key, asked.text, recognised)
    wish = Wish(asked.api, asked.operation, asked.version, asked.environment, asked.address, asked.origin)

    def found(reader: Reader) -> Inspection:
        if call.user is None:
            return inspection.inspect(reader, presented, wish)
        seen = inspection.inspect(reader, presented, wish, of=_seen_by(reader, call.user))
        if seen.key is not None and is_staffs(seen.key):
            return inspection.inspect(reader, presented, wish, of=())
        return seen

    return call.tell(found)


@router.post("/batch/preview", response_model=shape(Preview))
def preview_batch(call: ManageKeys, to_do: ToDo) -> Response:
    """What a batch would be done to: how many keys, and the first of them. Nothing is changed."""
    call.require_staff()
    task = _task(to_do)
    return call.tell(lambda reader: batches.preview(reader, task))


@router.post("/batch", response_model=Batched)
def run_batch(call: ManageKeys, to_do: ToDoNow) -> Response:
    """Revoke, end, regenerate, deactivate or reactivate many keys, at most 1000 at a time; go on by `next`.

    A key that is refused is skipped, and says why. The texts of regenerated keys are shown in this answer alone; for
    them it takes the scope write:keys too.
    """
    call.require_staff()
    if to_do.action == "regenerate":
        call.require_scope("write:keys")
    task, after = _task(to_do), call.place("batch", to_do.after)

    def work(tx: Tx) -> dict[str, Any]:
        done = batches.run(tx, task, after=after, limit=to_do.limit)
        onward = call.cursor("batch", done.next)
        return {"done": done.done, "skipped": done.skipped, "issued": done.issued, "next": onward}

    return call.write(work, once=("issued.text",))


def _task(to_do: ToDo) -> Task:
    if to_do.wanted.api == BUILT_IN:
        raise ProblemError("api_built_in", f"Keys of {BUILT_IN!r} are changed one by one.")
    wanted = {name: getattr(to_do.wanted, name) for name in to_do.wanted.model_fields_set}
    return Task(to_do.action, cast("Wanted", wanted), to_do.reason, to_do.expires_at, to_do.overlap_s)


def _seen_by(reader: Reader, user: str) -> frozenset[str]:
    """Those whose developer settings the user may see."""
    return frozenset(owner for owner in acted_for(reader, user) if may(members.role_of(reader, user, owner), Right.SEE))

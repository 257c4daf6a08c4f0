"""Keys: issued once shown, regenerated, put to sleep and woken, ended for good; never edited."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi import Body as Sent
from fastapi.responses import Response
from pydantic import Field

from limen.control import apis, keys, members, terms
from limen.control.keys import Issued, Key, NewKey
from limen.core.people import Right
from limen.core.problems import ProblemError
from limen.core.profile import BUILT_IN
from limen.db.transaction import Reader, Tx
from limen.http.beside import Route
from limen.http.callers import MEMBER, STAFF, Staff
from limen.http.calls import Call, needs
from limen.http.shapes import Body, Line, Moment, Name, Paged, limits_of, page_of, shape

router = APIRouter(route_class=Route, prefix="/keys", tags=["keys"])
ReadKeys = Annotated[Call, needs("read:keys")]
WriteKeys = Annotated[Call, needs("write:keys")]
ManageKeys = Annotated[Call, needs("manage:keys")]
Scopes = Annotated[list[str], Field(max_length=200)]
Ranges = Annotated[list[str], Field(max_length=100)]


class KeysWanted(Paged):
    """Which keys are wanted. A member that names no owner is shown its own."""

    api: Annotated[str, Field(max_length=32, description="Of this API.")] = ""
    owner: Annotated[str, Field(max_length=100, description="Of this owner.")] = ""
    created_by: Annotated[str, Field(max_length=200, description="Made by them, as 'created_by' says.")] = ""
    state: Annotated[Literal["", "active", "inactive", "expired", "revoked"], Field(description="In this state.")] = ""
    key_class: Annotated[str, Field(max_length=32, description="Of this class.")] = ""
    environment: Annotated[str, Field(max_length=32, description="Of this environment.")] = ""
    prefix: Annotated[str, Field(max_length=100, description="What is shown of their texts begins so: sk_live_.")] = ""
    id: Annotated[str, Field(max_length=12, description="Their ids begin so.")] = ""
    name: Annotated[str, Field(max_length=100, description="Their names begin so, in upper or lower case.")] = ""
    created_after: Annotated[Moment | None, Field(description="Made at this moment or later.")] = None
    created_before: Annotated[Moment | None, Field(description="Made before this moment.")] = None
    used_after: Annotated[Moment | None, Field(description="Last used at this moment or later.")] = None
    used_before: Annotated[Moment | None, Field(description="Last used before this moment.")] = None
    never_used: Annotated[bool, Field(description="Never used.")] = False
    expiring_after: Annotated[Moment | None, Field(description="Not ended, and ending at this moment or later.")] = None
    expiring_before: Annotated[Moment | None, Field(description="Not ended, and ending before this moment.")] = None
    weak: Annotated[bool, Field(description="Imported, and easier to guess than Limen's own.")] = False
    leaked: Annotated[bool, Field(description="Reported as leaked.")] = False
    hidden: Annotated[bool, Field(description="Deleted ones too. For staff alone.")] = False


class KeyAsked(Body):
    """A key to be issued. What is left out is as the API's profile says."""

    api: Annotated[str, Field(max_length=32)]
    owner: Annotated[str, Field(max_length=100)]
    name: Name
    key_class: Annotated[str, Field(max_length=32, description="A class of the API's profile.")] = "secret"
    environment: Annotated[str, Field(max_length=32, description="live or test.")] = "live"
    scopes: Scopes | None = None
    expires_at: Moment | None = None
    origins: Annotated[list[str], Field(max_length=100, description="Web origins that may use it.")] | None = None
    addresses: Annotated[Ranges, Field(description="Address ranges that may use it.")] | None = None
    pinned: Annotated[str, Field(max_length=100, description="Where the profile pins keys: a version.")] | None = None


class Regeneration(Body):
    """How a key is regenerated."""

    overlap_s: Annotated[int, Field(ge=0, description="Seconds for which the old key goes on.")] | None = None


class Revocation(Body):
    """Why a key is revoked."""

    reason: Line = ""


class NewExpiry(Body):
    """When a key is to end."""

    expires_at: Moment


class NewLimits(Body):
    """A key's own limits."""

    limits: limits_of("allowance")  # type: ignore[valid-type]


class Pin(Body):
    """The version that a request without one is for."""

    version: Annotated[str, Field(max_length=100)]


@router.get("", response_model=page_of(Key))
def list_keys(call: ReadKeys, wanted: Annotated[KeysWanted, Query()]) -> Response:
    """Keys, the newest first. Never their text, which nobody has.

    Looked for by `name` or `prefix` they come in the order of these, by `id` of their ids; by `used_*` the last used
    first; by `expiring_*` the next to end first, `expired` ones the last first; those of one owner the newest first
    always. Keys of Limen's own API are listed where it is named. A page may be short, or empty, and have a `next`:
    where several things are wanted that few keys are at once.
    """
    after = call.place("keys", wanted.after)
    asked: dict[str, Any] = wanted.model_dump(exclude={"limit", "after"})
    asked["owner"] = wanted.owner or call.user or ""
    if wanted.hidden:
        call.require_staff()

    def found(reader: Reader) -> tuple[list[Key], str]:
        if call.user is not None:
            call.require_right(reader, asked["owner"], Right.SEE)
        page = keys.listed(reader, after=after, limit=wanted.limit, **asked)
        return [key for key in page.items if call.user is None or not is_staffs(key)], page.next

    return call.part("keys", found)


@router.post("", status_code=201, response_model=shape(Issued, "text"))
def issue_key(call: WriteKeys, asked: KeyAsked) -> Response:
    """Issue a key. Its `text` is shown in this answer alone; a replay of it says null.

    Where the API's profile asks for approval, staff issue, and members ask by a request. Keys of Limen's own API are
    issued by staff alone, and with no scope that the issuing key lacks.
    """
    new = NewKey(
        asked.api,
        asked.owner,
        asked.name,
        key_class=asked.key_class,
        environment=asked.environment,
        scopes=None if asked.scopes is None else tuple(asked.scopes),
        expires_at=asked.expires_at,
        origins=None if asked.origins is None else tuple(asked.origins),
        addresses=None if asked.addresses is None else tuple(asked.addresses),
        pinned=asked.pinned,
    )

    def may(reader: Reader) -> None:
        call.require_right(reader, asked.owner, Right.USE_KEYS)
        if asked.api == BUILT_IN:
            call.require_staff()

    def work(tx: Tx) -> Issued:
        issued = keys.issue(tx, new)
        _require_reach(call, tx, issued.key)
        return issued

    return call.write(work, may=may, status=201, once=("text",))


@router.get("/{key}", response_model=shape(Key))
def get_key(call: ReadKeys, key: str) -> Response:
    """A key. Of the two parts of its ETag, If-Match looks at the first: that a key was used is no edit."""
    return call.ask(lambda reader: theirs(call, reader, key, Right.SEE))


@router.delete("/{key}", status_code=204, response_class=Response)
def delete_key(call: WriteKeys, key: str) -> Response:
    """Revoke a key, and show it no more. Its row stays for the audit."""

    def may(reader: Reader) -> None:
        try:
            _changeable(call, reader, key, Right.REVOKE)
        except ProblemError as error:
            if error.problem.code != "key_unknown":  # who deleted it is answered again; the work asks in any case
                raise

    def work(tx: Tx) -> None:
        _changeable(call, tx, key, Right.REVOKE)
        keys.delete(tx, key)

    return call.write(work, may=may, status=204, of=lambda reader: theirs(call, reader, key, Right.REVOKE))


@router.post("/{key}/regenerate", status_code=201, response_model=shape(Issued, "text"))
def regenerate_key(
    call: WriteKeys,
    key: str,
    regeneration: Annotated[Regeneration, Sent()] = Regeneration(),  # noqa: B008
) -> Response:
    """Make a new key of the same name, class and scopes; the old one ends now, or after the overlap.

    The new key's `text` is shown in this answer alone; a replay of it says null.
    """

    def may(reader: Reader) -> None:
        if _changeable(call, reader, key, Right.USE_KEYS).api == BUILT_IN:
            call.require_staff()

    return call.write(
        lambda tx: keys.regenerate(tx, key, overlap_s=regeneration.overlap_s),
        may=may,
        status=201,
        once=("text",),
        of=lambda reader: theirs(call, reader, key, Right.USE_KEYS),
    )


@router.post("/{key}/deactivate", response_model=shape(Key))
def deactivate_key(call: WriteKeys, key: str) -> Response:
    """Refuse a key until it is reactivated. What staff deactivated, members do not reactivate."""
    return _change(call, key, Right.USE_KEYS, lambda tx: keys.deactivate(tx, key))


@router.post("/{key}/reactivate", response_model=shape(Key))
def reactivate_key(call: WriteKeys, key: str) -> Response:
    """Admit a deactivated key again."""
    return _change(call, key, Right.USE_KEYS, lambda tx: keys.reactivate(tx, key))


@router.post("/{key}/revoke", response_model=shape(Key))
def revoke_key(
    call: WriteKeys,
    key: str,
    revocation: Annotated[Revocation, Sent()] = Revocation(),  # noqa: B008
) -> Response:
    """End a key for good, at once in every process."""
    return _change(call, key, Right.REVOKE, lambda tx: keys.revoke(tx, key, reason=revocation.reason))


@router.put("/{key}/expiry", response_model=shape(Key))
def set_expiry(call: WriteKeys, key: str, expiry: NewExpiry) -> Response:
    """Set when a key ends, or bring it forward."""
    return _change(call, key, Right.USE_KEYS, lambda tx: keys.set_expiry(tx, key, expires_at=expiry.expires_at))


@router.put("/{key}/limits", response_model=shape(Key))
def set_limits(call: ManageKeys, key: str, limits: NewLimits) -> Response:
    """Set a key's own limits, which go before its owner's and the plan's; empty: it has none of its own."""
    call.require_staff()
    return _change(call, key, Right.USE_KEYS, lambda tx: terms.set_limits(tx, key, limits=limits.limits))


@router.put("/{key}/pin", response_model=shape(Key))
def pin_key(call: WriteKeys, key: str, pin: Pin) -> Response:
    """Pin a key to the version that a request without one is for, where the API's profile pins keys."""
    return _change(call, key, Right.USE_KEYS, lambda tx: terms.pin(tx, key, version=pin.version))


def _change(call: Call, key: str, right: Right, verb: Any) -> Response:
    """Do *verb* on the key, and answer with the key."""

    return call.write(
        verb,
        may=lambda reader: _changeable(call, reader, key, right),
        of=lambda reader: theirs(call, reader, key, right),
    )


def theirs(call: Call, reader: Reader, key: str, right: Right) -> Key:
    """The key, if the caller has this *right* to it. Raises ``key_unknown`` for another's, and ``role_too_low``."""
    found = keys.require(reader, key)
    if call.user is not None:
        if is_staffs(found) or members.role_of(reader, call.user, found.owner) is None:
            raise ProblemError("key_unknown", f"There is no key {key!r}.")
        call.require_right(reader, found.owner, right)
    return found


def _changeable(call: Call, reader: Reader, key: str, right: Right) -> Key:
    """The key, if the caller may change it."""
    found = theirs(call, reader, key, right)
    _require_reach(call, reader, found)
    return found


def is_staffs(key: Key) -> bool:
    """Whether it is a key with which staff call: to members it is not there, whoever owns it."""
    return key.api == BUILT_IN and key.key_class != MEMBER


def require_reach_over(call: Call, reader: Reader, owner: str) -> None:
    """Staff may do to an *owner* what stops its keys of staff, if none of these may do more than their own.

    Raises ``scope_not_grantable``. Keys that have ended are not asked.
    """
    after = None
    while after != "":
        page = keys.listed(
            reader, api=BUILT_IN, owner=owner, key_class=STAFF, states=("active", "inactive"), after=after or ""
        )
        for key in page.items:
            _require_reach(call, reader, key)
        after = page.next


def _require_reach(call: Call, reader: Reader, key: Key) -> None:
    """Of keys of Limen's own API, staff touch those alone that may do no more than their own: nobody climbs by them.

    Raises ``scope_not_grantable``.
    """
    if key.api != BUILT_IN or not isinstance(call.who, Staff):
        return
    catalogue = apis.profile_of(reader, BUILT_IN).catalogue
    if beyond := catalogue.expand(key.scopes) - call.who.scopes:
        names = ", ".join(catalogue.ordered(beyond))
        raise ProblemError("scope_not_grantable", f"The calling key lacks {names}, which this one has or would have.")

"""Bringing along the keys of another system."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field, WithJsonSchema

from limen.control import imports
from limen.control.imports import LONGEST_S, Entry, Import, Report, Wrong, read_entry
from limen.core.problems import ProblemError
from limen.http.beside import Route
from limen.http.calls import Call, needs
from limen.http.shapes import Body, shape

router = APIRouter(route_class=Route, prefix="/imports", tags=["imports"])
MayImport = Annotated[Call, needs("import")]
MOST = 10_000

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_ENTRY = {
    "type": "object",
    "description": "A key: its owner, its text or one hash of it, and more. What is left out is as the profile says.",
    "required": ["owner"],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("owner", "owner_name", "name", "class", "environment", "text"), _TEXT),
        **dict.fromkeys(("sha256", "sha512", "hmac-sha256"), _TEXT | {"description": "In hexadecimal or base64."}),
        **dict.fromkeys(("scopes", "origins", "addresses"), _TEXTS),
        **dict.fromkeys(("expires_at", "created_at"), _TEXT | {"format": "date-time"}),
    },
    "examples": [{"owner": "u-1024", "name": "old server", "sha256": "9f86d081…", "scopes": ["read:self"]}],
}
ImportEntry = Annotated[dict[str, Any], WithJsonSchema(_ENTRY)]


class Bringing(Body):
    """Keys to be brought along, and how."""

    api: Annotated[str, Field(max_length=32, description="Whose profile lists how the keys look: keys.foreign.")]
    entries: Annotated[list[ImportEntry], Field(min_length=1, max_length=MOST)]
    create_owners: Annotated[bool, Field(description="Make the owners that there are not.")] = False
    allow_owners: Annotated[bool, Field(description="Put the owners on the API's allow-list.")] = False
    skip_wrong: Annotated[bool, Field(description="Bring what can be; else nothing, if an entry is wrong.")] = False
    trusted: Annotated[bool, Field(description="What comes as a hash is as hard to guess as Limen's own keys.")] = False
    weak_life_s: Annotated[int, Field(ge=1, le=LONGEST_S, description="How long weak keys live at most.")] | None = None


@router.post("", status_code=201, response_model=shape(Report))
def import_keys(call: MayImport, bringing: Bringing) -> Response:
    """Bring keys along, at most 10,000 a call: they go on working as they are. What is there already stays as it is.

    Entries are counted from 1. Bodies of up to 8 MiB are read. `create_owners` and `allow_owners` take the scope
    manage:owners too.
    """
    call.require_staff()
    if bringing.create_owners or bringing.allow_owners:
        call.require_scope("manage:owners")
    entries, wrong = _read(bringing)
    if wrong and not bringing.skip_wrong:
        raise _refused(wrong, len(bringing.entries))
    return call.write(lambda tx: _with(imports.bring(tx, _wanted(bringing), entries), wrong), status=201)


@router.post("/check", response_model=shape(Report))
def check_import(call: MayImport, bringing: Bringing) -> Response:
    """What an import would do. Nothing is changed, and the keys have no ids yet."""
    call.require_staff()
    entries, wrong = _read(bringing)
    keyring = call.app.ring.keyring
    return call.tell(lambda reader: _with(imports.check(reader, _wanted(bringing), entries, keyring), wrong))


def _wanted(bringing: Bringing) -> Import:
    return Import(**bringing.model_dump(exclude={"entries"}))


def _read(bringing: Bringing) -> tuple[list[Entry], list[Wrong]]:
    """The entries that can be read, and what is wrong with the others."""
    entries, wrong = [], []
    for number, data in enumerate(bringing.entries, 1):
        try:
            entries.append(read_entry(data, number))
        except ProblemError as error:
            wrong.append(Wrong(number, error.problem.code, error.detail))
    return entries, wrong


def _with(report: Report, wrong: list[Wrong]) -> Report:
    found = sorted((*report.wrong, *wrong), key=lambda each: each.number)
    return Report(report.keys, report.present, tuple(found), report.owners)


def _refused(wrong: list[Wrong], count: int) -> ProblemError:
    said = [{"number": each.number, "code": each.code, "detail": each.detail} for each in wrong]
    first = wrong[0]
    detail = f"{len(wrong)} of {count} entries are wrong, and none was brought. Entry {first.number}: {first.detail}"
    return ProblemError("import_wrong", detail, wrong=said)

"""The operations on experiences."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, status
from sqlalchemy import RowMapping

from examples.organisation_platform.access import ExperienceReader, ExperienceWriter
from examples.organisation_platform.errors import WRITING, Conflict, Invalid, NotFound
from examples.organisation_platform.experiences import rows
from examples.organisation_platform.experiences.shapes import (
    Copy,
    Experience,
    ExperienceChange,
    ExperienceId,
    ExperienceListQuery,
    IncludeQuery,
    NewExperience,
    experience,
    status_of,
)
from examples.organisation_platform.pages import Page
from examples.organisation_platform.revalidation import REVALIDATED, RevalidatedRoute
from examples.organisation_platform.store import Database, Tenant
from examples.organisation_platform.wire import MAX_LINE, new_id
from limen.guard.fastapi import Caller

router = APIRouter(prefix="/experiences", tags=["Experiences"], route_class=RevalidatedRoute)


@router.get("", operation_id="listExperiences", responses=REVALIDATED, response_model_exclude_unset=True)
def list_experiences(
    caller: ExperienceReader, database: Database, query: Annotated[ExperienceListQuery, Query()]
) -> Page[Experience]:
    """The organisation's experiences. A public key, which anybody can read in a page's source, sees no drafts."""
    with database.read(caller) as tenant:
        found = rows.list_experiences(tenant, query, published=_is_public(caller))
        parts = rows.find_parts(tenant, [row["id"] for row in found.rows], query.include)
    now = datetime.now(UTC)
    return Page(data=[experience(row, now, parts[row["id"]]) for row in found.rows], page_info=found.info)


@router.get("/{id}", operation_id="getExperience", responses=REVALIDATED, response_model_exclude_unset=True)
def get_experience(
    caller: ExperienceReader, database: Database, experience_id: ExperienceId, query: Annotated[IncludeQuery, Query()]
) -> Experience:
    """One experience."""
    with database.read(caller) as tenant:
        row = _known(rows.find_experience(tenant, experience_id, published=_is_public(caller)))
        parts = rows.find_parts(tenant, [experience_id], query.include)
    return experience(row, datetime.now(UTC), parts[experience_id])


@router.post(
    "",
    operation_id="createExperience",
    status_code=status.HTTP_201_CREATED,
    responses=WRITING,
    response_model_exclude_unset=True,
)
def create_experience(caller: ExperienceWriter, database: Database, body: NewExperience) -> Experience:
    """Make an experience."""
    now = datetime.now(UTC)
    wanted = body.model_dump()
    _check_dates(wanted)
    with database.write(caller) as tenant:
        row = _add(tenant, wanted, by=caller, now=now)
    return experience(row, now, {})


@router.put("/{id}", operation_id="updateExperience", responses=WRITING, response_model_exclude_unset=True)
def update_experience(
    caller: ExperienceWriter, database: Database, experience_id: ExperienceId, body: ExperienceChange
) -> Experience:
    """Change an experience."""
    now = datetime.now(UTC)
    changes = body.model_dump(exclude_unset=True)
    with database.write(caller) as tenant:
        before = _known(rows.find_experience(tenant, experience_id))
        _check_dates({**before, **changes})
        if "slug" in changes and rows.slug_taken(tenant, changes["slug"], by_other_than=experience_id):
            raise _slug_conflict()
        if changes:
            written = changes | {"updated_at": now, "updated_by": _author(caller)}
            rows.change_experience(tenant, experience_id, written)
        row = _known(rows.find_experience(tenant, experience_id))
    return experience(row, now, {})


@router.delete("/{id}", operation_id="deleteExperience", status_code=status.HTTP_204_NO_CONTENT, responses=WRITING)
def delete_experience(caller: ExperienceWriter, database: Database, experience_id: ExperienceId) -> None:
    """Delete an experience that is not active. What was measured of it stays."""
    with database.write(caller) as tenant:
        row = _known(rows.find_experience(tenant, experience_id))
        if status_of(row, datetime.now(UTC)) == "active":
            raise Conflict("The experience is active. Close it first.")
        rows.remove_experience(tenant, experience_id)


@router.post(
    "/{id}/duplicate",
    operation_id="duplicateExperience",
    status_code=status.HTTP_201_CREATED,
    responses=WRITING,
    response_model_exclude_unset=True,
)
def duplicate_experience(
    caller: ExperienceWriter, database: Database, experience_id: ExperienceId, body: Copy | None = None
) -> Experience:
    """Make a draft of all that an experience consists of, without its dates."""
    now = datetime.now(UTC)
    with database.write(caller) as tenant:
        original = _known(rows.find_experience(tenant, experience_id))
        name = (body and body.name) or f"Copy of {original['name']}"[:MAX_LINE]
        kept = {each: original[each] for each in ("time_zone", "i18n", "theme")}
        row = _add(tenant, kept | {"name": name, "open_at": None, "close_at": None}, by=caller, now=now)
        rows.copy_parts(tenant, experience_id, row["id"], now=now)
    return experience(row, now, {})


def _add(tenant: Tenant, wanted: Mapping[str, Any], *, by: Caller, now: datetime) -> RowMapping:
    """A new experience with the values of *wanted*, and a slug of its own. Raises Conflict where its slug is taken."""
    experience_id, slug, author = new_id("exp", now), wanted.get("slug"), _author(by)
    if slug is None:
        slug = re.sub(r"[^a-z0-9]+", "-", wanted["name"].lower())[:60].strip("-") or "experience"
        if rows.slug_taken(tenant, slug):
            slug = f"{slug}-{experience_id[-8:]}"
    elif rows.slug_taken(tenant, slug):
        raise _slug_conflict()
    made = {"created_at": now, "updated_at": now, "created_by": author, "updated_by": author}
    rows.add_experience(tenant, {**wanted, **made, "id": experience_id, "slug": slug})
    return _known(rows.find_experience(tenant, experience_id))


def _known(row: RowMapping | None) -> RowMapping:
    """The row that was looked for. Raises NotFound, the same for what is another's and for what is nobody's."""
    if row is None:
        raise NotFound("Experience not found")
    return row


def _check_dates(wanted: Mapping[str, Any]) -> None:
    """Raises Invalid where the experience would close without opening, or before it."""
    opens, closes = wanted["open_at"], wanted["close_at"]
    if closes is not None and (opens is None or closes <= opens):
        raise Invalid("The request is not valid.", ("closeAt", "Should be later than openAt"))


def _slug_conflict() -> Conflict:
    return Conflict("Another experience has this slug.", ("slug", "Is taken"))


def _author(caller: Caller) -> str:
    return f"key_{caller.key_id}"


def _is_public(caller: Caller) -> bool:
    return caller.key_class == "public"

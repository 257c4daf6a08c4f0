"""The operations on the caller's own organisation."""

from datetime import UTC, datetime

from fastapi import APIRouter

from examples.organisation_platform.access import Administrator
from examples.organisation_platform.errors import READING
from examples.organisation_platform.organisations import rows
from examples.organisation_platform.organisations.shapes import Organization, OrganizationChange, organization
from examples.organisation_platform.revalidation import REVALIDATED, RevalidatedRoute
from examples.organisation_platform.store import Database

router = APIRouter(prefix="/organizations/me", tags=["Organizations"], route_class=RevalidatedRoute)


@router.get("", operation_id="getOrganization", responses=REVALIDATED)
def get_organization(caller: Administrator, database: Database) -> Organization:
    """The caller's organisation."""
    with database.read(caller) as tenant:
        return organization(rows.read_organisation(tenant), caller.plan)


@router.put("", operation_id="updateOrganization", responses=READING)
def update_organization(caller: Administrator, database: Database, body: OrganizationChange) -> Organization:
    """Change the caller's organisation."""
    changes = body.model_dump(exclude_unset=True)
    with database.write(caller) as tenant:
        if changes:
            rows.change_organisation(tenant, changes | {"updated_at": datetime.now(UTC)})
        return organization(rows.read_organisation(tenant), caller.plan)

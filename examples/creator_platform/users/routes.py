"""The operations on users."""

from fastapi import APIRouter

from examples.creator_platform.access import SelfReader
from examples.creator_platform.conditional import Conditional
from examples.creator_platform.errors import WITH_NOT_FOUND, NotFound
from examples.creator_platform.store import Database
from examples.creator_platform.users import rows
from examples.creator_platform.users.shapes import CurrentUser, FlatCurrentUser, current_user, flat_current_user
from examples.creator_platform.versions import has_flat_counts

router = APIRouter(tags=["Users"], route_class=Conditional)


@router.get("/users/me", operation_id="getCurrentUser", responses=WITH_NOT_FOUND)
def get_current_user(caller: SelfReader, database: Database) -> CurrentUser | FlatCurrentUser:
    """The caller's own account, in the shape of the version that the request is for."""
    with database.read() as conn:
        row = rows.find_account(conn, caller.owner)
    if row is None:  # the key outlived the account
        raise NotFound("User not found")
    return flat_current_user(row) if has_flat_counts(caller) else current_user(row)

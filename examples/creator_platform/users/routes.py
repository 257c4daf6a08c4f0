"""The operations on users."""

from fastapi import APIRouter

from examples.creator_platform.access import SelfReader
from examples.creator_platform.errors import WITH_NOT_FOUND, NotFound
from examples.creator_platform.store import Database
from examples.creator_platform.users import rows
from examples.creator_platform.users.shapes import CurrentUser, current_user

router = APIRouter(tags=["Users"])


@router.get("/users/me", operation_id="getCurrentUser", responses=WITH_NOT_FOUND)
def get_current_user(caller: SelfReader, database: Database) -> CurrentUser:
    """The caller's own account."""
    with database.read() as conn:
        row = rows.find_account(conn, caller.owner)
    if row is None:  # the key outlived the account
        raise NotFound("User not found")
    return current_user(row)

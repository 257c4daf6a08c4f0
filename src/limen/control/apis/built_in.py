"""The API that is Limen's own: made and brought up to date by Limen, and by nobody else."""

from __future__ import annotations

from limen.control.apis import _rows
from limen.control.apis.actions import Api, add, require
from limen.control.apis.profiles import put
from limen.core.profile import BUILT_IN, Profile
from limen.db.transaction import Tx


def ensure_built_in(tx: Tx, profile: Profile) -> Api:
    """The built-in API is there, and goes by *profile*, the shipped one. Done twice: nothing happens.

    Raises ``profile_conflict`` where keys that exist do not fit the profile of a release.
    """
    if _rows.one(tx.connection, BUILT_IN) is None:
        return add(tx, BUILT_IN, profile)
    put(tx, BUILT_IN, profile, overwrite=True)
    return require(tx, BUILT_IN)

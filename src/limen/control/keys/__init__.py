"""Keys: issued once shown, regenerated, put to sleep and woken, ended for good; never edited."""

from limen.control.keys.actions import (
    Issued,
    deactivate,
    delete,
    issue,
    reactivate,
    regenerate,
    revoke,
    set_expiry,
)
from limen.control.keys.new import NewKey
from limen.control.keys.views import Key, listed, require

__all__ = [
    "Issued",
    "Key",
    "NewKey",
    "deactivate",
    "delete",
    "issue",
    "listed",
    "reactivate",
    "regenerate",
    "require",
    "revoke",
    "set_expiry",
]

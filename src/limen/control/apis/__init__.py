"""APIs: their profiles and switches."""

from limen.control.apis.actions import Api, create, listed, profile_of, require, switch
from limen.control.apis.built_in import ensure_built_in
from limen.control.apis.profiles import Revision, apply_profile, document_of, overwritten, revisions

__all__ = [
    "Api",
    "Revision",
    "apply_profile",
    "create",
    "document_of",
    "ensure_built_in",
    "listed",
    "overwritten",
    "profile_of",
    "require",
    "revisions",
    "switch",
]

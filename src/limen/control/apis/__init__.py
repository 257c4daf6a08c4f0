"""APIs: their profiles, versions and switches."""

from limen.control.apis.actions import Api, create, listed, profile_of, require, switch
from limen.control.apis.profiles import apply_profile, document_of, overwritten
from limen.control.apis.versions import deprecate, register, sunset

__all__ = [
    "Api",
    "apply_profile",
    "create",
    "deprecate",
    "document_of",
    "listed",
    "overwritten",
    "profile_of",
    "register",
    "require",
    "sunset",
    "switch",
]

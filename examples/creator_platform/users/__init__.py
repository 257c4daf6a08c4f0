"""Users: the caller's own account."""

from examples.creator_platform.users.routes import router

__all__ = ["router"]

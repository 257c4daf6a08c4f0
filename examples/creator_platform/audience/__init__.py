"""A creator's audience: followers and subscribers."""

from examples.creator_platform.audience.routes import router

__all__ = ["router"]

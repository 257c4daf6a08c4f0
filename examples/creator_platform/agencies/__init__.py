"""Agencies: who works for one, and everything that is done for its creators."""

from examples.creator_platform.agencies.creators import router as creators
from examples.creator_platform.agencies.routes import router

router.include_router(creators)

__all__ = ["router"]

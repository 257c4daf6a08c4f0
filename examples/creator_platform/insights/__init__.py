"""Insights: what a creator earns, from whom, and how the audience grows."""

from examples.creator_platform.insights.routes import router

__all__ = ["router"]

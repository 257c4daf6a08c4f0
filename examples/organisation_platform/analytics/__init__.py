"""Analytics: what happened, counted."""

from examples.organisation_platform.analytics.routes import router

__all__ = ["router"]

"""Experiences: what an organisation stages for its consumers."""

from examples.organisation_platform.experiences.routes import router

__all__ = ["router"]

"""Members: who works for an organisation, and in which role."""

from examples.organisation_platform.members.routes import router

__all__ = ["router"]

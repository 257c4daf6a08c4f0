"""Organisations: the caller's own."""

from examples.organisation_platform.organisations.routes import router

__all__ = ["router"]

"""Consumers: the people whom an organisation knows."""

from examples.organisation_platform.consumers.routes import router

__all__ = ["router"]

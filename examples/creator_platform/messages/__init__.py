"""Messages: those of one chat, and new ones."""

from examples.creator_platform.messages.routes import router

__all__ = ["router"]

"""Chats: a person's list of them, and new ones."""

from examples.creator_platform.chats.routes import router

__all__ = ["router"]

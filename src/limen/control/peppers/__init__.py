"""Peppers and secrets: added, what is stored under old ones wrapped or stored anew, and retired; nobody is refused."""

from limen.control.peppers.actions import (
    Wrapped,
    add,
    add_secret,
    forget,
    retire,
    store_anew,
    wrap,
)
from limen.control.peppers.views import Pepper, Secret, listed, secrets

__all__ = [
    "Pepper",
    "Secret",
    "Wrapped",
    "add",
    "add_secret",
    "forget",
    "listed",
    "retire",
    "secrets",
    "store_anew",
    "wrap",
]

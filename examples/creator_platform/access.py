"""Who may call what: a route names the scopes it needs, and receives the caller whom Limen admitted.

Limen decided before the route was chosen; nothing here decides again. ``caller.owner`` is the uuid of one of our users,
because that is the id under which the platform registers its owners, and it is the only user a route may act for.
"""

from typing import Annotated, Any

from fastapi import Depends

from limen.guard.fastapi import Caller, requires

SelfReader = Annotated[Caller, Depends(requires("read:self"))]
ChatReader = Annotated[Caller, Depends(requires("read:chat"))]
ChatWriter = Annotated[Caller, Depends(requires("write:chat"))]
FanReader = Annotated[Caller, Depends(requires("read:fan"))]
InsightsReader = Annotated[Caller, Depends(requires("read:insights"))]
FanInsightsReader = Annotated[Caller, Depends(requires("read:insights", "read:fan"))]

PUBLIC: dict[str, Any] = {"security": []}
"""Beside an operation that asks for no key: said, so that one whose scope was forgotten is not taken for it."""
READS: dict[str, Any] = {"x-limen-write": False}
"""Beside a POST that changes nothing: it is served while Limen keeps the API read-only."""

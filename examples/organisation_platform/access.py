"""Who may call what: a route names the scopes it needs, and receives the caller whom Limen admitted.

Limen decided before the route was chosen; nothing here decides again. ``caller.owner`` is the id of one of our
organisations, because that is the id under which the platform registers its owners.
"""

from typing import Annotated, Any

from fastapi import Depends

from limen.guard.fastapi import Caller, requires

read_experiences = requires("read:experiences")
write_experiences = requires("write:experiences")
read_consumers = requires("read:consumers")
write_consumers = requires("write:consumers")
read_analytics = requires("read:analytics")
administer = requires("admin")

ExperienceReader = Annotated[Caller, Depends(read_experiences)]
ExperienceWriter = Annotated[Caller, Depends(write_experiences)]
ConsumerReader = Annotated[Caller, Depends(read_consumers)]
ConsumerWriter = Annotated[Caller, Depends(write_consumers)]
Analyst = Annotated[Caller, Depends(read_analytics)]
Administrator = Annotated[Caller, Depends(administer)]

PUBLIC: dict[str, Any] = {"security": []}
"""Beside an operation that asks for no key: said, so that one whose scope was forgotten is not taken for it."""
READS: dict[str, Any] = {"x-limen-write": False}
"""Beside a POST that changes nothing: it is served while Limen keeps the API read-only."""

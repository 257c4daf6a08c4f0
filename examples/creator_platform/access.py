"""Who may call what: a route names the scopes it needs, and receives the caller whom Limen admitted.

Limen decided before the route was chosen; nothing here decides again. ``caller.owner`` is the uuid of one of our users,
because that is the id under which the platform registers its owners, and it is the only user a route may act for.
"""

from typing import Annotated

from fastapi import Depends

from limen.guard.fastapi import Caller, requires

read_self = requires("read:self")
read_chat = requires("read:chat")
write_chat = requires("write:chat")

SelfReader = Annotated[Caller, Depends(read_self)]
ChatReader = Annotated[Caller, Depends(read_chat)]
ChatWriter = Annotated[Caller, Depends(write_chat)]

"""The SQL of peppers: their known answers, and how keys are stored. Of a key nothing else is looked at here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, or_, select, update

from limen.db.tables import channels, keys, pepper_secrets, peppers


def versions(connection: Connection) -> Sequence[Row[Any]]:
    """The peppers, the oldest first."""
    return connection.execute(select(peppers).order_by(peppers.c.version)).all()


def secrets(connection: Connection) -> Sequence[Row[Any]]:
    """The secrets, by their names."""
    return connection.execute(select(pepper_secrets).order_by(pepper_secrets.c.name)).all()


def uses(connection: Connection) -> Sequence[tuple[int, str, int]]:
    """Each pair of a pepper and a scheme that keys are stored by, and how many are. Reads every row."""
    pepper, scheme = keys.c.pepper, keys.c.scheme
    rows = connection.execute(select(pepper, scheme, func.count()).group_by(pepper, scheme))
    return [(row[0], row[1], row[2]) for row in rows]


def outdated(connection: Connection, pepper: int, *, after: str, limit: int) -> Sequence[Any]:
    """Keys that are stored under another pepper than *pepper*, in the order of their ids, from behind *after* on."""
    columns = (keys.c.key, keys.c.api, keys.c.locator, keys.c.pepper, keys.c.scheme, keys.c.digest)
    statement = select(*columns).where(keys.c.key > after, keys.c.pepper != pepper)
    return connection.execute(statement.order_by(keys.c.key).limit(limit)).all()


def store_all(connection: Connection, values: list[dict[str, Any]]) -> None:
    """Store each key ``of`` anew: its ``new_pepper``, ``new_scheme`` and ``new_digest``."""
    statement = update(keys).where(keys.c.key == bindparam("of"))
    named: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("pepper", "scheme", "digest")}
    connection.execute(statement.values(named), values)


def store_if(connection: Connection, place: bytes, before: bytes, **values: Any) -> str | None:
    """Store the key at *place* anew if its digest still is *before*: its API; None where it is not any more."""
    statement = update(keys).where(keys.c.locator == place, keys.c.digest == before).values(**values)
    return connection.execute(statement.returning(keys.c.api)).scalar()


def forget_ended(
    connection: Connection, needing: Sequence[tuple[int, str]], *, now: float, **values: Any
) -> list[tuple[str, bytes]]:
    """The keys that have ended and are stored by a pair of *needing* are stored as *values* say: API and locator."""
    ended = or_(keys.c.state.in_(("revoked", "expired")), keys.c.expires_at <= now)
    told: list[tuple[str, bytes]] = []
    for pepper, scheme in needing:
        statement = update(keys).where(keys.c.pepper == pepper, keys.c.scheme == scheme, ended).values(**values)
        rows = connection.execute(statement.returning(keys.c.api, keys.c.locator)).all()
        told += [(row[0], row[1]) for row in rows]
    return told


def sealed(connection: Connection, version: int) -> int:
    """How many channels have secrets that are sealed under the pepper."""
    return int(connection.execute(select(func.count()).where(channels.c.pepper == version)).scalar_one())


def forget_pepper(connection: Connection, version: int) -> None:
    """The database knows the pepper no more. It refuses where a key is stored under it."""
    connection.execute(delete(peppers).where(peppers.c.version == version))


def forget_secret(connection: Connection, name: str) -> None:
    """The database knows the secret no more."""
    connection.execute(delete(pepper_secrets).where(pepper_secrets.c.name == name))

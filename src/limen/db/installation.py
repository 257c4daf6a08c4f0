"""Which state folder belongs to which database: with the wrong one, revocations would go unseen."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, insert, select, update

from limen.core.problems import ProblemError
from limen.db.tables import installation

FILE = "installation"


def make_folder(folder: Path) -> None:
    """The state folder is there, for this user alone. Raises ProblemError where it cannot be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ProblemError("store_not_ready", f"The state folder {folder} cannot be made: {error.strerror}.") from error


def require_folder(folder: Path, *, epoch: bool = True) -> Path:
    """*folder*. Raises ProblemError where it is not there. *epoch*: it has one, as beside every SQLite file."""
    if not (folder / FILE).exists() or (epoch and not (folder / "epoch").exists()):
        raise ProblemError(
            "store_not_ready", f"The state folder {folder} is not there. Run 'limen init' to make it anew."
        )
    return folder


def remember(connection: Connection, folder: Path, *, database: Path, new_id: str, now: float) -> None:
    """Database and folder carry the same id. Raises ProblemError where one of them belongs to another.

    A folder that is made anew gets a new id, so that the one before it is of no more use; and none is made while that
    one is still there: two folders have two epochs, and what is revoked by the one goes unseen by the other.
    """
    row = connection.execute(select(installation)).one_or_none()
    places = {"folder": str(folder.resolve()), "database": str(database.resolve())}
    path = folder / FILE
    if path.exists():
        if row is None or path.read_text() != row.id:
            raise _belongs_elsewhere(folder)
        return
    if row is None:
        connection.execute(insert(installation).values(id=new_id, created_at=now, **places))
    else:
        before = Path(row.folder) / FILE
        if row.database == places["database"] and before.exists() and before.read_text() == row.id:
            raise ProblemError(
                "store_not_ready",
                f"The state folder of this database is {row.folder}. Set LIMEN_STATE to it; or stop every process of "
                "this installation, move that folder away, and run 'limen init' again.",
            )
        connection.execute(update(installation).values(id=new_id, **places))
    name_folder(folder, new_id)


def join(connection: Connection, folder: Path, *, new_id: str, now: float) -> None:
    """Database and folder carry the same id; on PostgreSQL every host has a folder of its own.

    Raises ProblemError where the folder belongs to another database.
    """
    found = id_in(connection)
    if id_of(folder) not in ("", found):
        raise _belongs_elsewhere(folder)
    if not found:
        connection.execute(insert(installation).values(id=new_id, created_at=now, folder="", database=""))
    name_folder(folder, found or new_id)


def id_of(folder: Path) -> str:
    """The id of the state folder; empty where it has none yet."""
    path = folder / FILE
    return path.read_text() if path.exists() else ""


def id_in(connection: Connection) -> str:
    """The id that the database has; empty where it has none yet."""
    return connection.execute(select(installation.c.id)).scalar() or ""


def name_folder(folder: Path, new_id: str) -> None:
    """The state folder has an id: its own, or else *new_id*."""
    if not (folder / FILE).exists():
        written = folder / f"{FILE}.new"
        written.write_text(new_id)
        written.replace(folder / FILE)


def require_own(folder: Path, *ids: str) -> None:
    """Raises ProblemError where *folder* has an id that is none of *ids*: it belongs to another database."""
    if id_of(folder) not in ("", *ids):
        raise _belongs_elsewhere(folder)


def take_over(connection: Connection, folder: Path, *, database: Path, new_id: str, now: float) -> None:
    """A database from elsewhere carries *new_id*, and is to lie at *database*, with the state folder *folder*."""
    places = {"id": new_id, "folder": str(folder.resolve()), "database": str(database.resolve())}
    if connection.execute(select(installation)).one_or_none() is None:
        connection.execute(insert(installation).values(created_at=now, **places))
    else:
        connection.execute(update(installation).values(**places))


def verify(connection: Connection, folder: Path) -> None:
    """Raises ProblemError unless *folder* is this database's."""
    if (folder / FILE).read_text() != connection.execute(select(installation.c.id)).scalar():
        raise _belongs_elsewhere(folder)


def _belongs_elsewhere(folder: Path) -> ProblemError:
    return ProblemError(
        "store_not_ready",
        f"The state folder {folder} belongs to another database. Move it away, then run 'limen init'.",
    )

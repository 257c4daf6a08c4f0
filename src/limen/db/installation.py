"""Which state folder belongs to which database: with the wrong one, revocations would go unseen."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, insert, select

from limen.core.problems import ProblemError
from limen.db.tables import installation

FILE = "installation"


def make_folder(folder: Path) -> None:
    """The state folder is there, for this user alone. Raises ProblemError where it cannot be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ProblemError("store_not_ready", f"The state folder {folder} cannot be made: {error.strerror}.") from error


def require_folder(folder: Path) -> Path:
    """*folder*. Raises ProblemError where it is not there."""
    if not (folder / FILE).exists() or not (folder / "epoch").exists():
        raise ProblemError(
            "store_not_ready", f"The state folder {folder} is not there. Run 'limen init' to make it anew."
        )
    return folder


def remember(connection: Connection, folder: Path, new_id: str, now: float) -> None:
    """Database and folder carry the same id: the database's, or *new_id* where it has none yet. Raises ProblemError."""
    found = connection.execute(select(installation.c.id)).scalar()
    path = folder / FILE
    if path.exists():
        if path.read_text() != found:
            raise _belongs_elsewhere(folder)
        return
    if found is None:
        connection.execute(insert(installation).values(id=new_id, created_at=now))
    written = folder / f"{FILE}.new"
    written.write_text(found or new_id)
    written.replace(path)


def verify(connection: Connection, folder: Path) -> None:
    """Raises ProblemError unless *folder* is this database's."""
    if (folder / FILE).read_text() != connection.execute(select(installation.c.id)).scalar():
        raise _belongs_elsewhere(folder)


def _belongs_elsewhere(folder: Path) -> ProblemError:
    return ProblemError(
        "store_not_ready",
        f"The state folder {folder} belongs to another database. Move it away, then run 'limen init'.",
    )

"""Bringing a database to this release's schema, and saying where it stands.

Alembic takes half a second to load, so only what upgrades loads it.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, inspect, select, table

from limen.core.problems import ProblemError
from limen.db.engine import Store, undo
from limen.db.tables import compatibility

if TYPE_CHECKING:
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

HEAD = "0010"
"""The revision that this release works with: the last of ``migrations/versions``, as a test says."""


def _scripts() -> ScriptDirectory:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(files("limen.db") / "migrations"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def revision(connection: Connection) -> str | None:
    """The revision that the database is at; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(select(column("version_num")).select_from(table("alembic_version"))).scalar()
    return found


def upgrade(store: Store) -> list[str]:
    """Bring the database to ``HEAD``, in one transaction under the write lock; the revisions that it went through.

    Raises ProblemError where the database is of a later release.
    """
    scripts = _scripts()
    with store.turn(), store.engine.connect() as plain:
        connection = plain.execution_options(limen_writes=True)
        transaction = connection.begin()
        try:
            at = revision(connection)
            if at is not None and at not in {script.revision for script in scripts.walk_revisions()}:
                raise ProblemError("store_not_ready", f"The database is at revision {at}, of a later release of Limen.")
            went = _migrate(connection, scripts)
            store.commit(connection, transaction, changed=bool(went))  # who had it open reads everything anew
        except BaseException:
            undo(connection, transaction)
            raise
    return went


def _migrate(connection: Connection, scripts: ScriptDirectory) -> list[str]:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext

    went: list[str] = []

    def steps(rev: object, _context: MigrationContext) -> list[object]:
        found = scripts._upgrade_revs("head", rev)  # type: ignore[arg-type]  # Alembic's own commands call it so
        went.extend(step.revision.revision for step in found)
        return list(found)

    with EnvironmentContext(Config(), scripts, fn=steps) as context:
        context.configure(connection=connection, transactional_ddl=False)
        context.run_migrations()
    return went


def require_current(connection: Connection) -> None:
    """Raises ProblemError unless this release may work on the database, saying which command makes it so.

    It is at ``HEAD``, or at a later revision that leaves room for this release: so that while a new release comes, one
    process after another, those of the one before go on, and start again where they have to (ADR 0023).
    """
    at = revision(connection)
    if at is None:
        raise ProblemError("store_not_ready", "The database is empty. Run 'limen init'.")
    if at > HEAD:
        oldest = connection.execute(select(compatibility.c.oldest)).scalar_one()
        if oldest > HEAD:
            raise ProblemError(
                "store_not_ready",
                f"The database is at revision {at}, and works with releases from revision {oldest} on. This one has "
                f"{HEAD}: install a later one.",
            )
    elif at != HEAD:
        raise ProblemError(
            "store_not_ready", f"The database is at revision {at}, this release needs {HEAD}. Run 'limen migrate'."
        )

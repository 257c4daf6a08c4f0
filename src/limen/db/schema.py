"""Bringing a database to this release's schema, and saying where it stands."""

from __future__ import annotations

from importlib.resources import files

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from limen.core.problems import ProblemError
from limen.db.engine import Store, store_errors


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(files("limen.db") / "migrations"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def head() -> str:
    """The revision that this release works with."""
    return _scripts().get_current_head() or ""


def revision(connection: Connection) -> str | None:
    """The revision that the database is at; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(store: Store) -> list[str]:
    """Bring the database to ``head()``, in one transaction under the write lock; the revisions that it went through.

    Raises ProblemError where the database is of a later release.
    """
    scripts = _scripts()
    with store_errors(), store.epoch.held(), store.engine.connect() as plain:
        connection = plain.execution_options(limen_writes=True)
        with connection.begin() as transaction:
            at = revision(connection)
            if at is not None and at not in {script.revision for script in scripts.walk_revisions()}:
                raise ProblemError("store_not_ready", f"The database is at revision {at}, of a later release of Limen.")
            went = _migrate(connection, scripts)
            if went:
                with store.epoch.moving():  # whoever had the database open before reads everything anew
                    transaction.commit()
    return went


def _migrate(connection: Connection, scripts: ScriptDirectory) -> list[str]:
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
    """Raises ProblemError unless the database is at ``head()``, saying which command brings it there."""
    at = revision(connection)
    if at is None:
        raise ProblemError("store_not_ready", "The database is empty. Run 'limen init'.")
    if at != head():
        raise ProblemError(
            "store_not_ready", f"The database is at revision {at}, this release needs {head()}. Run 'limen migrate'."
        )

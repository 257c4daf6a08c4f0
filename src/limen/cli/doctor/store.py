"""Checks of what lies on the disk: settings' files, database, schema, pepper, state folder, and who may read them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from limen.cli.doctor.finding import FAIL, OK, WARN, Finding, settled
from limen.cli.doctor.server import server
from limen.core.problems import ProblemError
from limen.db import installation, pepper, schema
from limen.db.doctor import damage, look
from limen.db.transaction import Snapshot
from limen.gate.clock import Clock
from limen.settings import Settings


@dataclass(slots=True)
class Ward:
    """What is examined. *reader* is None while the database cannot be read, or is not of this release."""

    settings: Settings
    reader: Snapshot | None = None
    findings: list[Finding] = field(default_factory=list)


@contextmanager
def examined(settings: Settings) -> Iterator[Ward]:
    """The installation with its database looked at, and open for further questions if it can be."""
    ward = Ward(settings)
    with ExitStack() as stack:
        ward.findings = list(settled("database", lambda: _database(ward, stack)))
        yield ward


def _database(ward: Ward, stack: ExitStack) -> Iterator[Finding]:
    if not ward.settings.on_one_host:
        reader = Snapshot(stack.enter_context(look(ward.settings.database_url)), Clock().read()[0])
        yield from server(reader, ward.settings)
        yield _schema(ward, reader)
        return
    path = ward.settings.database_path
    if not path.exists():
        yield Finding("database", FAIL, f"There is no file {path}.", "Run 'limen init', or set LIMEN_DATABASE_URL.")
        return
    connection = stack.enter_context(look(ward.settings.database_url))
    wrong = damage(connection)
    if wrong:
        yield Finding(
            "database", FAIL, f"{path} is damaged: {'; '.join(wrong)}.", "Stop the server and restore a backup."
        )
    else:
        yield Finding("database", OK, f"{path}, {path.stat().st_size / 1e6:.1f} MB, whole.")
    yield _schema(ward, Snapshot(connection, Clock().read()[0]))


def _schema(ward: Ward, reader: Snapshot) -> Finding:
    at, head = schema.revision(reader.connection), schema.HEAD
    if at is None:
        return Finding("schema", FAIL, "The database is empty.", "Run 'limen init'.")
    try:
        schema.require_current(reader.connection)
    except ProblemError:
        advice = "Back it up and run 'limen migrate'; if it is of a later release, install that one."
        return Finding("schema", FAIL, f"Revision {at}; this release needs {head}.", advice)
    ward.reader = reader
    if at != head:
        return Finding("schema", OK, f"Revision {at}, of a later release, which leaves room for this one's, {head}.")
    return Finding("schema", OK, f"Revision {at}, which is this release's.")


def settings_files(settings: Settings) -> Iterator[Finding]:
    """The files that settings name can be read, and what is secret in them by this user alone."""
    named = {
        "LIMEN_GATE_SECRET_FILE": settings.gate_secret_file,
        "LIMEN_TLS_CERT": settings.tls_cert,
        "LIMEN_TLS_KEY": settings.tls_key,
        "LIMEN_SMTP_PASSWORD_FILE": settings.smtp_password_file,
        "LIMEN_OTLP_HEADERS_FILE": settings.otlp_headers_file,
    }
    unread = [f"{name}: {path}" for name, path in named.items() if path is not None and not os.access(path, os.R_OK)]
    if unread:
        yield Finding("settings", FAIL, f"Not to be read: {', '.join(unread)}.", "Make the file, or name another.")
    open_to_others = [
        f"{name}: {path}"
        for name, path in named.items()
        if path is not None and name != "LIMEN_TLS_CERT" and path.exists() and _mode(path) & 0o077
    ]
    if open_to_others:
        yield Finding("settings", WARN, f"Others can read {', '.join(open_to_others)}.", "chmod 600")
    if not unread and not open_to_others:
        yield Finding("settings", OK, f"Database {settings.database_shown}.")


def pepper_file(ward: Ward) -> Iterator[Finding]:
    """The pepper is there, is read by its owner alone, and is the one that the keys were stored under."""
    path = ward.settings.pepper_path
    keyring = pepper.read(path)
    if ward.reader is None:
        yield Finding("pepper", WARN, f"{path} is well-formed. Whether it is the database's was not checked.")
        return
    pepper.verify(ward.reader.connection, keyring)
    newest = max(pepper.answers(ward.reader.connection)[0])
    if max(keyring.peppers) > newest:
        ahead = f"{path} has version {max(keyring.peppers)}, the database has {newest}: it is not used yet."
        yield Finding("pepper", WARN, ahead, "Run 'limen pepper add'.")
        return
    held = [str(version) for version in keyring.peppers]
    versions = f"version {held[0]}" if len(held) == 1 else f"versions {', '.join(held)}"
    yield Finding("pepper", OK, f"{path}, {versions}: the one that the keys were stored under.")


def state_folder(ward: Ward) -> Iterator[Finding]:
    """The state folder is there and belongs to the database."""
    folder = installation.require_folder(ward.settings.state_folder, epoch=ward.settings.on_one_host)
    if _mode(folder) & 0o077:
        yield Finding("state", WARN, f"Others can look into {folder}.", f"Run 'chmod 700 {folder}'.")
    if ward.reader is None:
        yield Finding("state", WARN, f"{folder} is there. Whether it is the database's was not checked.")
        return
    installation.verify(ward.reader.connection, folder)
    yield Finding("state", OK, f"{folder} belongs to the database.")


def files(settings: Settings) -> Iterator[Finding]:
    """SQLite's files can be written by this user, and by one user alone. Elsewhere there are none."""
    if not settings.on_one_host:
        return
    database, folder = settings.database_path, settings.state_folder
    there = [path for path in (database, Path(f"{database}-wal"), Path(f"{database}-shm")) if path.exists()]
    found = []
    for path in (*there, database.absolute().parent):
        if not os.access(path, os.W_OK):
            found.append(Finding("files", FAIL, f"{path} cannot be written.", "SQLite writes the file and beside it."))
    for path in there:
        if _mode(path) & 0o077:
            state = FAIL if _mode(path) & 0o002 else WARN
            others = "write" if state == FAIL else "read"
            found.append(Finding("files", state, f"Others can {others} {path}.", f"Run 'chmod 600 {path}'."))
    users = {
        path: path.stat().st_uid for path in (*there, folder, folder / "epoch", folder / "write.lock") if path.exists()
    }
    if len(set(users.values())) > 1:
        of = ", ".join(f"{path.name}: {user}" for path, user in users.items())
        found.append(
            Finding("files", WARN, f"Files belong to several users ({of}).", "Run every command as the server's user.")
        )
    yield from found or [Finding("files", OK, f"{len(there)} files of the database, for one user alone.")]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)

"""The verbs of peppers and secrets. The file is always written first, and a line is taken from it last: what the
database asks for is in the file whenever a process starts, whoever was killed when.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from limen.control import apis
from limen.control.peppers import _rows
from limen.control.peppers.views import Pepper, Secret, listed, needing, secrets
from limen.core import events
from limen.core.keys import DIGEST_BYTES, PEPPER_BYTES, same
from limen.core.problems import ProblemError
from limen.core.schemes import LOCATOR, PLAIN, SECRET_NAME, read_scheme
from limen.db import pepper
from limen.db.rehash import Proof
from limen.db.transaction import Tx


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A batch of keys that were wrapped: how many, and the id of the last of them; empty: none is left behind it."""

    count: int
    last: str


def add(tx: Tx, path: Path) -> int:
    """New keys are stored under a new pepper, which is in the file *path*, once this has answered; its version.

    Where the file has newer versions than the database, these are taken up, and none is made. Raises ``pepper_wrong``;
    killed half-way, it has done nothing but to put a line into the file, which it takes up when it is done again.
    """
    known = max(row.version for row in _rows.versions(tx.connection))
    held = pepper.read(path)
    if max(held.peppers) <= known:
        pepper.add(path, known + 1, tx.entropy(PEPPER_BYTES))
        held = pepper.read(path)
    pepper.remember(tx.connection, held, tx.now)
    tx.change("rules")  # gates look at what there is to know, and store keys anew as they come
    newest = max(held.peppers)
    tx.record("peppers.add", events.PepperAdded(api="", subject=str(newest)))
    return newest


def add_secret(tx: Tx, path: Path, name: str, value: bytes | None = None) -> None:
    """The secret *name* is in the file *path*, and in every process; *value*: drawn where it is None.

    Raises ``secret_wrong`` for a name or a length that none has, ``secret_exists`` where it is there and is another,
    ``pepper_wrong``.
    """
    if SECRET_NAME.fullmatch(name) is None:
        raise ProblemError("secret_wrong", "A secret's name is a small letter, then a-z, 0-9, _ or -, at most 32.")
    held = pepper.read(path)
    if name != LOCATOR and LOCATOR not in held.secrets:
        raise ProblemError("secret_wrong", f"Add the secret {LOCATOR!r} first, by which such keys are found.")
    known = {row.name for row in _rows.secrets(tx.connection)}
    before = held.secrets.get(name)
    value = _fitting(before or tx.entropy(PEPPER_BYTES) if value is None else value)
    if before is None or not same(before, value):
        if name in known:
            raise ProblemError("secret_exists", f"The secret {name!r} is there, and is another. Retire it first.")
        pepper.drop(path, name)  # left by a command that was killed
        pepper.add(path, name, value)
    if name not in known:
        pepper.remember(tx.connection, pepper.read(path), tx.now)
        tx.change("rules")
        tx.record("peppers.add_secret", events.SecretAdded(api="", subject=name))


def _fitting(value: bytes) -> bytes:
    least, most = pepper.SECRET_BYTES
    if len(value) < least:
        raise ProblemError("secret_wrong", f"A secret has at least {least} bytes, not {len(value)}.")
    return value if len(value) <= most else hashlib.sha256(value).digest()  # as HMAC does with it (RFC 2104)


def wrap(tx: Tx, *, after: str = "", limit: int = 2_000) -> Wrapped:
    """At most *limit* keys that were stored under older peppers are stored under the newest, around what was stored.

    They are those behind the id *after*. Nobody's text is needed for it, so that it holds for keys that are never used.
    """
    rows = _rows.outdated(tx.connection, tx.pepper, after=after, limit=limit)
    if not rows:
        return Wrapped(0, "")
    around = tx.keyring.around(tx.pepper)
    wrapped = [
        {
            "of": row.key,
            "new_pepper": tx.pepper,
            "new_scheme": str(read_scheme(row.scheme).around(row.pepper)),
            "new_digest": around(row.digest),
        }
        for row in rows
    ]
    _rows.store_all(tx.connection, wrapped)
    tx.change_all("key", ((row.api, row.locator) for row in rows))
    tx.record("peppers.wrap", events.PepperWrapped(api="", subject=str(tx.pepper), count=len(rows)))
    return Wrapped(len(rows), rows[-1].key)


def store_anew(tx: Tx, proofs: Sequence[Proof]) -> int:
    """The keys whose texts were seen are stored as their *proofs* say; how many that was.

    What has changed meanwhile stays as it is. Nobody decides this, so the audit says nothing of it (ADR 0015).
    """
    known = {row.version for row in _rows.versions(tx.connection)}
    told = []
    for proof in proofs:
        if proof.pepper not in known:
            continue  # it was retired meanwhile
        values = {"digest": proof.anew, "pepper": proof.pepper, "scheme": PLAIN}
        if proof.weak is not None:
            values["weak"] = proof.weak
        api = _rows.store_if(tx.connection, proof.place, proof.digest, **values)
        if api is not None:
            told.append((api, proof.place))
    tx.change_all("key", told)
    return len(told)


def retire(tx: Tx, path: Path, name: int | str, *, forget_ended: bool = False) -> None:
    """No key needs the pepper, or the secret, *name*, and the database does not know it; it may leave the file *path*.

    *forget_ended*: keys that have ended and need it are not known any more by their texts; who comes with one is told
    that it is not known, and not why it was ended. Raises ``pepper_unknown``, and ``pepper_needed`` for the newest
    pepper, for the secret ``locator``, for what a profile names, and for what another key is stored under.
    """
    held = pepper.read(path)
    if forget_ended and name not in (tx.pepper, LOCATOR):
        nobodys = {"pepper": tx.pepper, "scheme": PLAIN, "digest": tx.entropy(DIGEST_BYTES)}  # no text has it
        told = _rows.forget_ended(tx.connection, needing(tx, name), now=tx.now, **nobodys)
        tx.change_all("key", told)
    if isinstance(name, int):
        found = next((each for each in listed(tx) if each.version == name), None)
        _require_known(name, found is not None or name in held.peppers)
        if found is not None:
            _require_free(found)
            if count := _rows.sealed(tx.connection, name):
                sealed = f"The secrets of {count} webhooks are sealed under it; a worker seals them anew in a minute."
                raise ProblemError("pepper_needed", sealed)
            _rows.forget_pepper(tx.connection, name)
            tx.record("peppers.retire", events.PepperRetired(api="", subject=str(name)))
        return
    secret = next((each for each in secrets(tx) if each.name == name), None)
    _require_known(name, secret is not None or name in held.secrets)
    if name == LOCATOR:
        raise ProblemError("pepper_needed", "Imported keys are found by it: it is kept for as long as the database.")
    if secret is not None:
        _require_unused(tx, secret)
        _rows.forget_secret(tx.connection, name)
        tx.record("peppers.retire_secret", events.SecretRetired(api="", subject=name))


def forget(tx: Tx, path: Path, name: int | str) -> None:
    """The line of a pepper, or of a secret, that was retired is gone from the file *path*. Raises ``pepper_needed``."""
    known = {row.version for row in _rows.versions(tx.connection)} | {row.name for row in _rows.secrets(tx.connection)}
    if name in known:
        raise ProblemError("pepper_needed", f"The database needs {name!r}: retire it first.")
    pepper.drop(path, name)


def _require_known(name: int | str, known: bool) -> None:
    if not known:
        raise ProblemError("pepper_unknown", f"Neither the file nor the database has {name!r}.")


def _require_free(found: Pepper) -> None:
    if found.newest:
        raise ProblemError("pepper_needed", f"Version {found.version} is the newest. Add another one first.")
    if found.keys:
        raise ProblemError("pepper_needed", f"{found.keys} keys are stored under it. Run 'limen pepper wrap' first.")
    if found.wrapped:
        raise ProblemError(
            "pepper_needed",
            f"{found.wrapped} keys are wrapped around it, and have not been used since. Wait; or end them, and retire "
            "it with --forget-ended.",
        )


def _require_unused(tx: Tx, secret: Secret) -> None:
    if secret.keys:
        raise ProblemError(
            "pepper_needed",
            f"{secret.keys} keys need it that have not been used since their import. Wait; or end them, and retire it "
            "with --forget-ended.",
        )
    for api in apis.listed(tx):
        if any(each.secret == secret.name for each in apis.profile_of(tx, api.api).keys.foreign):
            raise ProblemError("pepper_needed", f"The profile of {api.api} names it: keys are found by it.")

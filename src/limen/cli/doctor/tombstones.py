"""The check of what a restore will need: that the tombstones go on from the database, and are not lost with it."""

from __future__ import annotations

import stat
from collections.abc import Iterator

from limen.archive import laid
from limen.cli.doctor.finding import FAIL, OK, WARN, Finding
from limen.cli.doctor.store import Ward
from limen.db import copies


def tombstones(ward: Ward) -> Iterator[Finding]:
    """Every end of a key is outside the database too, where it survives it. And the database is no backup itself."""
    if ward.reader is None:
        yield Finding("tombstones", WARN, "Not checked: the database cannot be read, or is of another release.")
        return
    if not ward.settings.on_one_host and ward.settings.tombstones is None:
        yield Finding(
            "tombstones",
            WARN,
            "None are laid. When the database is put back to an earlier moment, keys that ended since work again.",
            "Set LIMEN_TOMBSTONES, on every host, to one file that all of them write.",
        )
        return
    copies.require_unmarked(ward.reader.connection)
    found = laid(ward.settings)
    if found.file.exists() and stat.S_IMODE(found.file.stat().st_mode) & 0o022:
        yield Finding(
            "tombstones",
            FAIL,
            f"Others can write {found.file}.",
            f"Run 'chmod 600 {found.file}', then look into it.",
        )
    elif not found.goes_on:
        yield Finding(
            "tombstones",
            WARN,
            f"{found.file} lacks what the database wrote. Of a backup that exists, no key would come back active.",
            "Put the file back; or run 'limen init', which begins another, and make a backup.",
        )
    elif found.same_disk:
        yield Finding(
            "tombstones",
            WARN,
            f"{found.file}, {found.number} lines, lies on the disk of the database and would be lost with it.",
            "Set LIMEN_TOMBSTONES to a file on another disk, and move it there with every process stopped.",
        )
    else:
        yield Finding("tombstones", OK, f"{found.file}, {found.number} lines.")

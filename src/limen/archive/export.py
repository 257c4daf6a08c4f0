"""Exporting: all that an installation holds, as an archive that another installation can import."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from limen.app import App
from limen.archive import form
from limen.archive.backup import require_other
from limen.db import files, installation, schema, tombstones, transfer
from limen.db.copies import Progress


@dataclass(frozen=True, slots=True)
class Exported:
    """An archive that was made."""

    file: Path
    exported_at: float
    """The moment that it is of, Unix seconds."""
    size: int
    """Bytes."""
    rows: int


def export(app: App, file: Path, *, release: str, usage: bool, replace: bool, progress: Progress) -> Exported:
    """The new file *file* is an archive of one moment: whole, on the disk, for this user alone. Others may work.

    *usage*: with readings, outcomes and refusals. Keys are in it by their digests, no key by its text, and no pepper.
    Raises ProblemError: ``file_exists``, ``store_down``; OSError.
    """
    require_other(file, app.settings)
    with files.whole(file, replace=replace) as new:
        with (
            app.reading() as reader,
            transfer.patient(reader.connection),
            zipfile.ZipFile(new, "w") as archive,
        ):
            place, names = tombstones.known(reader.connection), transfer.names(usage=usage)
            total = sum(transfer.count(reader.connection, name) for name in names)
            parts: list[form.Part] = []
            for name in names:
                done = sum(part.rows for part in parts)
                rows = form.counted(transfer.rows(reader.connection, name), done, total, progress)
                parts.append(form.write_table(archive, name, rows))
            manifest = form.Manifest(
                exported_at=reader.now,
                release=release,
                schema=schema.HEAD,
                installation=installation.id_in(reader.connection),
                series=place.series,
                number=place.number,
                usage=usage,
                tables=tuple(parts),
            )
            form.write_manifest(archive, manifest)
        size = new.stat().st_size
    return Exported(file, manifest.exported_at, size, total)

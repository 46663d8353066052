"""Keep schemes that could not be stored in files until the catalogue can be written again.

If a commit fails (disk full, locked, read-only), its schemes go to a spool file of JSON lines,
each with a scheme and its provenance. The next opening of the catalogue for writing proves and
stores them.

Invariant: a spool file appears complete or not at all, never changes, and is removed only after
its content is committed. Storing a file twice is harmless, because schemes are keyed by their
content. Only regular files are opened. In the shared temporary folder only a folder is used that
belongs to this user and that nobody else may enter.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from flipsearch.catalogue.codec import scheme_from_json, scheme_to_json
from flipsearch.catalogue.places import Place, open_regular, shared_folder
from flipsearch.catalogue.portions import bytes_of
from flipsearch.catalogue.provenance import Provenance
from flipsearch.errors import CatalogueError, FormatError
from flipsearch.scheme import Scheme

LARGEST_LINE_BYTES = 1 << 26


class SpooledError(CatalogueError):
    """Schemes could not be stored; `spool` is the file that keeps them, or None without one."""

    def __init__(self, message: str, spool: Path | None) -> None:
        super().__init__(message)
        self.spool = spool


def write_spool(place: Place, schemes: Iterable[tuple[Scheme, Provenance | None]]) -> Path | None:
    """Write schemes to a new spool file; return its path, or None if no folder takes it."""
    lines = [json.dumps(scheme_to_json(*item)) + "\n" for item in schemes]
    for folder, prefix in place.spools:
        if not _usable(folder, make=True):
            continue
        name = f"{prefix}{time.time_ns():020d}-{os.getpid()}-{os.urandom(3).hex()}"
        part = folder / f"{name}.part"
        try:
            with part.open("x", encoding="ascii") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
            final = folder / f"{name}.jsonl"
            os.replace(part, final)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            continue
        return final
    return None


def pending(place: Place) -> list[Path]:
    """Return the spool files of a catalogue, oldest first."""
    found = []
    for folder, prefix in place.spools:
        if not _usable(folder):
            continue
        with suppress(OSError):
            names = [
                entry.name
                for entry in os.scandir(folder)
                if entry.name.startswith(prefix)
                and entry.name.endswith(".jsonl")
                and entry.is_file(follow_symlinks=False)
            ]
            found += [folder / name for name in sorted(names)]
    return found


def _usable(folder: Path, *, make: bool = False) -> bool:
    """Return whether a folder may hold spool files; a folder in the temporary one must be ours."""
    with suppress(OSError):
        if make:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder != shared_folder():
            return folder.is_dir()
        found = folder.lstat()
        if os.name == "nt":
            return stat.S_ISDIR(found.st_mode)
        return (
            stat.S_ISDIR(found.st_mode)
            and found.st_uid == os.getuid()
            and not found.st_mode & 0o077
        )
    return False


def weight(item: tuple[Scheme, Provenance | None] | str) -> int:
    """Return the number of bytes of an item of `read_spool` in memory."""
    return len(item) if isinstance(item, str) else bytes_of(item[0])


def read_spool(path: Path) -> Iterator[tuple[Scheme, Provenance | None] | str]:
    """Yield the scheme of each line of a spool file, or the reason why the line holds none.

    A file that is gone or no regular file raises an OSError.
    """
    with open(open_regular(path, os.O_RDONLY), "rb") as file:
        number = 0
        while line := file.readline(LARGEST_LINE_BYTES):
            number += 1
            try:
                yield scheme_from_json(json.loads(line))
            except (FormatError, ValueError, RecursionError) as error:
                yield f"line {number} of {path.name}: {error}"

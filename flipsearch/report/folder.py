"""Write a site to a folder, whole or not at all, and never over foreign files.

A site is made in a temporary folder next to its place and then renamed. Its manifest lists its
files, and a later report may replace exactly these.

Invariant: a folder with a file that no report wrote is refused and not changed. The folder holds a
whole site, the earlier one if writing fails.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flipsearch.errors import UsageError

MANIFEST = "report.manifest.txt"
_FIRST_LINE = "flipsearch report 1"


class Folder:
    """A site that is being written; see `new_folder`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names: list[str] = []

    def write(self, name: str, data: bytes) -> None:
        """Write one file of the site; `name` is its relative path with slashes."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.names.append(name)


@contextmanager
def new_folder(target: str | Path) -> Iterator[Folder]:
    """Give a folder to write to; it replaces the target unless the block raises an error.

    The target is missing, empty, or holds an earlier report and no other files; otherwise a
    `UsageError` is raised. A target that cannot be written raises an OSError.
    """
    place = Path(target).resolve()
    _refuse_foreign(place, str(target))
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{place.name[:80]}.", dir=place.parent))
    try:
        folder = Folder(draft)
        yield folder
        folder.write(MANIFEST, "\n".join([_FIRST_LINE, *folder.names, MANIFEST, ""]).encode())
        mask = os.umask(0)
        os.umask(mask)
        draft.chmod(0o777 & ~mask)
        _refuse_foreign(place, str(target))  # somebody may have filled it meanwhile
        _take_place(draft, place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _take_place(draft: Path, place: Path) -> None:
    """Rename the draft to its place, then remove the folder that was there."""
    if not place.exists():
        draft.rename(place)
        return
    holder = Path(tempfile.mkdtemp(prefix=f".{place.name[:80]}.old.", dir=place.parent))
    try:
        place.rename(holder / "site")
        try:
            draft.rename(place)
        except OSError:
            (holder / "site").rename(place)
            raise
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def _refuse_foreign(place: Path, named: str) -> None:
    """Raise a UsageError unless the place is free, empty, or holds only files of a report."""
    if not place.exists():
        return
    if not place.is_dir():
        raise UsageError(f"{named} is a file: give a folder with -o")
    if place == Path.cwd() or place in Path.cwd().parents:
        raise UsageError(f"{named} holds the current folder: give another folder with -o")
    first = next(place.iterdir(), None)
    if first is None:
        return
    try:
        lines = (place / MANIFEST).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    if not lines or lines[0] != _FIRST_LINE:
        raise UsageError(
            f"{named} is not empty and holds no report: give a new or empty folder with -o"
        )
    ours = set(lines[1:])
    for parent, _, names in os.walk(place):
        for name in names:
            relative = (Path(parent) / name).relative_to(place).as_posix()
            if relative not in ours:
                raise UsageError(
                    f"{named} holds {relative!r}, which no report wrote: move it away, or give "
                    "another folder with -o"
                )

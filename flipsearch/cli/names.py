"""Schemes by the names that people type: a hash prefix, a format, or a file.

Invariant: a scheme from a file is proved when it is read. A format means its best stored scheme
over the ring asked for, by default over ZT, Z or Q.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flipsearch.cli.output import status
from flipsearch.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from flipsearch.catalogue import Catalogue, Record
    from flipsearch.scheme import Scheme

_HASH = re.compile(r"[0-9a-fA-F]{6,64}")


@dataclass(frozen=True)
class Named:
    """A scheme that a user named, with its record if it is stored, or the file it came from."""

    scheme: Scheme
    record: Record | None
    file: str | None = None

    def kept(self, catalogue: Catalogue) -> Record:
        """Return its record, after storing it if it came from a file and is new."""
        if self.record is None:
            from flipsearch.catalogue import Provenance

            source = Provenance(source=Path(self.file or "").name, method="imported")
            catalogue.schemes.add(self.scheme, source)
        return self.record or catalogue.schemes.get(self.scheme.content_hash)


@contextmanager
def opened(arguments: argparse.Namespace, *, read_only: bool = True) -> Iterator[Catalogue]:
    """Open the catalogue of a command; say so if it takes a while, as for a new one."""
    with status.doing("opening the catalogue; a new one proves and takes in the shipped schemes"):
        from flipsearch.catalogue import Catalogue

        catalogue = Catalogue.open(arguments.db, read_only=read_only)
    with catalogue:
        yield catalogue


def is_file(name: str) -> bool:
    """Return whether a name means a file: it is no hash, and exists or looks like a path."""
    path = Path(name)
    if path.suffix == ".tns" or (":" in name and not path.exists()):  # the format of a tensor
        return False
    return path.exists() or (not is_hash(name) and ("/" in name or path.suffix != ""))


def is_hash(name: str) -> bool:
    """Return whether a name is the beginning of a content hash."""
    return _HASH.fullmatch(name) is not None


def scheme_of(arguments: argparse.Namespace, name: str) -> Scheme:
    """Return the scheme of a hash prefix, a format or a file; a file needs no catalogue."""
    if is_file(name):
        from flipsearch.files.convert import read

        return read(name)
    with opened(arguments) as catalogue:
        return scheme_named(catalogue, name).scheme


def scheme_named(catalogue: Catalogue, name: str, ring: str | None = None) -> Named:
    """Return the scheme of a hash prefix, a file, or a format: the best over `ring`.

    A `UsageError` says that a ring goes with a hash or file, or that the name is none. A
    `NotFoundError` or a `FormatError` says that there is no such scheme or file, or that the file
    holds none or several.
    """
    if is_file(name) or is_hash(name):
        if ring is not None:
            raise UsageError("--ring goes with a format: a hash or file is one scheme already")
        if is_file(name):
            from flipsearch.files.convert import read

            scheme = read(name)
            known = catalogue.schemes.by_hash([scheme.content_hash])
            return Named(scheme, known.get(scheme.content_hash), name)
        record = catalogue.schemes.get(name)
        return Named(record.scheme, record)
    try:
        format_ = catalogue.format(name)
    except UsageError:
        if "x" in name or ":" in name:
            raise
        raise UsageError(
            f"{name!r} is no ID, format or file: write 6 or more digits of a hash, a format such "
            "as 4x4x4, or the path of a file"
        ) from None
    found = catalogue.best(format_, ring)
    if found is None:
        over = f"over {ring}" if ring else "over ZT, Z or Q"
        raise NotFoundError(f"no scheme of {format_} {over} is stored: search for one")
    return Named(found.scheme, found)

"""What could not be stored, kept as files until the catalogue can be written again.

When a commit fails (disk full, locked, read-only), its schemes go to a spool file: JSON lines, a
scheme with its provenance on each. Opening the catalogue for writing takes them in, proved again
like any others.

Invariant: a spool file appears complete or not at all, is never changed afterwards, and is
removed only after its content is committed. Taking the same file in twice does no harm, because
schemes are keyed by their content. Only regular files are opened, and of the shared temporary
folder only a folder that belongs to this user and that nobody else may enter.
"""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from flipsearch.catalogue.places import Place, open_regular, shared_folder
from flipsearch.catalogue.portions import bytes_of
from flipsearch.catalogue.queries import LARGEST_NUMBER
from flipsearch.catalogue.records import Provenance
from flipsearch.errors import CatalogueError, FlipsearchError, FormatError
from flipsearch.formats import Format, parse_format
from flipsearch.formats.tensors import SparseTensor, parse_tensor, tensor_text
from flipsearch.rings import parse_ring
from flipsearch.scheme import Scheme

LARGEST_LINE_BYTES = 1 << 26


class SpooledError(CatalogueError):
    """Schemes could not be stored; `spool` is the file that keeps them (None: nowhere to)."""

    def __init__(self, message: str, spool: Path | None) -> None:
        super().__init__(message)
        self.spool = spool


def scheme_to_json(scheme: Scheme, provenance: Provenance | None = None) -> dict[str, Any]:
    """Return a scheme and its provenance as JSON values."""
    record: dict[str, Any] = {
        "format": str(scheme.format),
        "ring": scheme.ring.value,
        "u": scheme.u.tolist(),
        "v": scheme.v.tolist(),
        "w": scheme.w.tolist(),
    }
    if isinstance(scheme.format, SparseTensor):
        record["tensor"] = tensor_text(scheme.format)
    if (scheme.denominators != 1).any():
        record["denominators"] = scheme.denominators.tolist()
    if provenance is not None:
        record["provenance"] = {
            key: value
            for key, value in dataclasses.asdict(provenance).items()
            if value is not None
        }
    return record


def scheme_from_json(record: Any) -> tuple[Scheme, Provenance | None]:
    """Return what `scheme_to_json` described.

    Raises
    ------
    FormatError
        It describes no scheme.
    """
    try:
        u, v, w = (np.array(record[key]) for key in "uvw")
        denominators = np.array(record.get("denominators", [1] * len(u)))
        format_: Format
        if "tensor" in record:
            format_ = parse_tensor(record["tensor"])
        else:
            format_ = parse_format(record["format"])
        scheme = Scheme(format_, parse_ring(record["ring"]), u, v, w, denominators)
        provenance = _provenance(record.get("provenance"))
    except FlipsearchError as error:
        raise FormatError(str(error)) from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise FormatError(f"not a scheme ({error})") from None
    return scheme, provenance


def _provenance(given: Any) -> Provenance | None:
    """Return what can be read of a provenance: a field of another version costs no scheme."""
    if not isinstance(given, dict):
        return None
    kinds = {"run": int, "seed": int, "task": int, "details": dict}
    names = [field.name for field in dataclasses.fields(Provenance)]
    kept = {key: given[key] for key in names if isinstance(given.get(key), kinds.get(key, str))}
    for key in ("run", "task"):
        if not 0 <= kept.get(key, 0) <= LARGEST_NUMBER:
            del kept[key]
    return Provenance(**kept)


def write_spool(place: Place, schemes: Iterable[tuple[Scheme, Provenance | None]]) -> Path | None:
    """Keep schemes in a new spool file; return it, or None if no folder takes it."""
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
    """Whether a folder may hold spool files; one in the shared temporary folder must be ours."""
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
    """Return the bytes that an item of `read_spool` takes in memory."""
    return len(item) if isinstance(item, str) else bytes_of(item[0])


def read_spool(path: Path) -> Iterator[tuple[Scheme, Provenance | None] | str]:
    """Yield the schemes of a spool file; for a line that is none, the reason.

    Raises
    ------
    OSError
        It is gone, or no regular file; nothing is waited for.
    """
    with open(open_regular(path, os.O_RDONLY), "rb") as file:
        number = 0
        while line := file.readline(LARGEST_LINE_BYTES):
            number += 1
            try:
                yield scheme_from_json(json.loads(line))
            except (FormatError, ValueError, RecursionError) as error:
                yield f"line {number} of {path.name}: {error}"

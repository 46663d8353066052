"""Load the schemes, programs and bounds that ship with the program into every catalogue, once.

The schemes are readable text in ``schemes/``, with a folder for each format. The program with the
fewest additions known of a scheme lies with it, as ``reduce -o`` writes it. The folder lies at
the root of a checkout, or inside the package once installed. A fresh catalogue gets all schemes.
An older catalogue gets the new ones when it is opened for writing; it keeps the stamp of each set
that it has taken in. Newer known bounds are loaded too, unless the user loaded another table.

Invariant: a shipped scheme is proved like any other before it is stored, and a program evaluated.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.engine import Connection

import flipsearch
from flipsearch.catalogue import bounds, intake, programs
from flipsearch.catalogue.provenance import Provenance
from flipsearch.catalogue.tables import SHIPMENTS, insert_rows
from flipsearch.constructors.counts import read_composed
from flipsearch.constructors.recipes import Recipe, read_recipes
from flipsearch.errors import FlipsearchError
from flipsearch.formats.named import named_format
from flipsearch.programs import Reduction, reduction_from
from flipsearch.scheme import Scheme

_log = logging.getLogger(__name__)
_HASH = re.compile("[0-9a-f]{6,64}")
_HASH_LINE = re.compile(rb"^hash: ([0-9a-f]{64})\s*$", re.MULTILINE)
_HEADER_BYTES = 4096
RECIPES = ("recipes.csv", "structured.csv")
"""The tables of schemes that are made of others: `flipsearch.constructors.recipes`."""

COMPOSED = "composed.csv"
"""The table of the additions of composed programs: `flipsearch.constructors.composed`."""


def shipped_folder() -> Path | None:
    """Return the folder of the shipped schemes, or None if there is none."""
    package = Path(flipsearch.__file__).resolve().parent
    for folder in (package / "schemes", package.parent / "schemes"):
        if folder.is_dir():
            return folder
    return None


def stamp(folder: Path) -> str:
    """Return a digest of the files under a folder by name and size, of recipes and of bounds.

    The names of shipped files contain the beginnings of their hashes, those of programs their
    numbers of additions. The digest takes 1 or 2 ms.
    """
    lines = [bounds.shipped_digest()]
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if name.endswith((".txt", ".json")):
                lines.append(f"{os.path.relpath(path, folder)} {os.stat(path).st_size}")
            elif name in (*RECIPES, COMPOSED):
                lines.append(hashlib.sha256(Path(path).read_bytes()).hexdigest())
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def is_taken(connection: Connection, mark: str) -> bool:
    """Return whether the catalogue has taken in the shipped schemes of a stamp."""
    statement = select(SHIPMENTS.c.stamp).where(SHIPMENTS.c.stamp == mark)
    return connection.execute(statement).first() is not None


def take(connection: Connection, folder: Path, mark: str) -> int:
    """Prove and store the missing shipped schemes; return their number."""
    bounds.refresh(connection)
    new = intake.insert_proved(
        connection, read_folder(folder, _unknown(connection, folder)), "shipped"
    )
    for name in RECIPES:
        place = f"{folder.name}/{name}"
        new += intake.insert_recipes(connection, _recipes(folder / name), place)
    programs.keep_proved(connection, read_programs(folder))
    programs.note_composed(connection, _composed(folder))
    row = {"stamp": mark, "taken": dt.datetime.now(dt.UTC)}
    insert_rows(connection, SHIPMENTS, [row])
    return new


def _recipes(path: Path) -> list[Recipe]:
    """Return the recipes of a table; one that cannot be read is logged and passed over."""
    try:
        return list(read_recipes(path.read_text(), path.name)) if path.exists() else []
    except (FlipsearchError, OSError, ValueError) as error:
        _log.warning("passed over %s: %s", path, error)
        return []


def _composed(folder: Path) -> dict[str, int]:
    """Return the additions of composed programs by the hashes of their schemes."""
    path = folder / COMPOSED
    try:
        return dict(read_composed(path.read_text())) if path.exists() else {}
    except (FlipsearchError, OSError, ValueError) as error:
        _log.warning("passed over %s: %s", path, error)
        return {}


def _unknown(connection: Connection, folder: Path) -> list[Path]:
    """Return the files whose header does not name a stored scheme."""
    named: dict[Path, str] = {}
    for path in _files(folder):
        try:
            with path.open("rb") as file:
                match = _HASH_LINE.search(file.read(_HEADER_BYTES))
        except OSError:
            match = None
        named[path] = match[1].decode() if match else ""
    known = intake.identifiers(connection, set(named.values()))
    return [path for path, name in named.items() if name not in known]


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.txt"))


def read_folder(
    folder: Path, paths: Iterable[Path] | None = None
) -> Iterator[tuple[Scheme, Provenance]]:
    """Yield the schemes in all or the given text files under a folder, with their provenance.

    A file that cannot be read is logged and skipped, because it must not prevent the making of a
    catalogue.
    """
    from flipsearch.files.native import read_native

    for path in _files(folder) if paths is None else paths:
        try:
            scheme, header = read_native(path)
        except (FlipsearchError, OSError) as error:
            _log.warning("passed over %s: %s", path, error)
            continue
        yield scheme, _provenance(header, path.relative_to(folder.parent).as_posix())


def read_programs(folder: Path) -> Iterator[tuple[Reduction, Provenance]]:
    """Yield the programs under a folder, evaluated; a file that cannot be read is passed over."""
    for path in sorted(folder.rglob("*.json")):
        try:
            record = json.loads(path.read_text())
            reduction = reduction_from(record["programs"], named_format(record["format"]))
        except (FlipsearchError, OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("passed over %s: %s", path, error)
            continue
        source = path.relative_to(folder.parent).as_posix()
        yield reduction, Provenance(source=source, method="reduce")


def _provenance(header: dict[str, str], source: str) -> Provenance:
    seed, lifted = header.get("seed", ""), header.get("lifted-from", "")
    return Provenance(
        source=source,
        seed=int(seed) if seed.isdecimal() and len(seed) <= 64 else None,
        lifted_from=lifted if _HASH.fullmatch(lifted) else None,
        method=header.get("found-by") or header.get("method"),
        details=header or None,
    )

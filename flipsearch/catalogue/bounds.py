"""Keep known bounds: ranks that the literature claims, in versioned tables with their sources.

A bound is cited, not proved here, and never mixed with proved schemes. Tables keep the order in
which they were loaded. For each format and ring the newest table that covers it counts.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.engine import Connection

from flipsearch.catalogue.arguments import as_ring, names_of
from flipsearch.catalogue.connection import Database
from flipsearch.catalogue.tables import BOUND_TABLES, BOUNDS
from flipsearch.errors import FlipsearchError, FormatError
from flipsearch.formats import TABULATED_SIDE, Format, MatrixProduct
from flipsearch.formats.named import named_format
from flipsearch.rings import Ring

LARGEST_TABLE_BYTES = 1 << 24
_SHIPPED = "shipped with flipsearch"
_SHIPPED_FILES = (
    "known_ranks.csv",
    "structured_ranks.csv",
    "derived_ranks.csv",
    "tensor_ranks.csv",
)
_STRUCTURED_SOURCE = "arXiv 2511.10786 (flip-cpd)"
_LATER = re.compile(r"ZT\s+(\d*)\s*any\s*(\d*)\s*\((.*)\)")

Entry = tuple[str, Ring, int, str]


def parse_table(text: str, name: str) -> list[Entry]:
    """Parse the bounds of a CSV table as (format, ring, value, source).

    The columns are ``format,ZT,Z,Q,F2,F3,source`` and optionally ``later``, with an empty cell for
    an unknown bound; or those of ``structured_ranks.csv``. Other text raises a `FormatError`,
    whose message names the table and the line.
    """
    reader = csv.DictReader(io.StringIO(text))
    columns = set(reader.fieldnames or ())
    if {"format", "source", *Ring} <= columns:
        parse = _general_row
    elif {"format", "n", "best_rank", "best_ring", "best_rank_Z"} <= columns:
        parse = _structured_row
    else:
        raise FormatError(
            f"{name} is not a table of bounds: its first line must be format,ZT,Z,Q,F2,F3,source"
        )
    entries: dict[tuple[str, Ring], Entry] = {}
    try:
        for row in reader:
            for entry in parse(row):
                if not 1 <= entry[2] < 2**31:
                    raise FormatError("a bound must be positive and below 2^31")
                entries[entry[:2]] = entry
    except (FlipsearchError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise FormatError(f"{name}, line {reader.line_num}: {error}") from None
    return list(entries.values())


def _general_row(row: dict[str, str]) -> list[Entry]:
    format_ = names_of(named_format(row["format"]))[1]
    base, *others = row["source"].split("; ")
    sources = dict.fromkeys(Ring, base)
    for other in others:
        ring, _, source = other.partition(": ")
        if ring in Ring.__members__:
            sources[Ring(ring)] = source
    values = {ring: int(row[ring]) for ring in Ring if row[ring].strip()}
    if later := (row.get("later") or "").strip():
        match = _LATER.fullmatch(later)
        if match is None:
            raise FormatError(f"cannot read {later!r}: write ZT 1364 any 1364 (source)")
        _improve(values, sources, *match.groups())
    return [(format_, ring, value, sources[ring]) for ring, value in values.items()]


def _improve(
    values: dict[Ring, int], sources: dict[Ring, str], ternary: str, any_: str, source: str
) -> None:
    """Apply a later improvement: a bound over ZT holds in every ring, over an unknown one in Q."""
    claims = [(ring, int(ternary)) for ring in Ring] if ternary else []
    claims += [(Ring.Q, int(any_))] if any_ else []
    for ring, value in claims:
        if ring not in values or value < values[ring]:
            values[ring], sources[ring] = value, source


def _structured_row(row: dict[str, str]) -> list[Entry]:
    n = int(row["n"])
    format_ = MatrixProduct(n, n, n, row["format"]).name
    if row["format"] == "gg":
        return []  # tabulated with the general formats
    best, whole = int(row["best_rank"]), int(row["best_rank_Z"])
    if row["best_ring"] not in ("Z", "Z[1/2]"):
        raise FormatError(f"unknown best_ring {row['best_ring']!r}")
    values = {Ring.Z: whole, Ring.Q: min(best, whole), Ring.F2: whole, Ring.F3: min(best, whole)}
    return [(format_, ring, value, _STRUCTURED_SOURCE) for ring, value in values.items()]


def trivial_bounds() -> list[Entry]:
    """Return the bounds of formats with a side 1, whose naive scheme is optimal."""
    source = "a side is 1: the naive scheme is optimal"
    return [
        (f"1x{m}x{p}", ring, m * p, source)
        for m in range(1, TABULATED_SIDE + 1)
        for p in range(m, TABULATED_SIDE + 1)
        for ring in Ring
    ]


def shipped_table() -> tuple[str, str, list[Entry]]:
    """Return (name, SHA-256, entries) of the bounds that ship with the program."""
    least = {entry[:2]: entry for entry in trivial_bounds()}
    for name, data in _shipped_files():
        for entry in parse_table(data.decode(), name):
            if entry[:2] not in least or entry[2] < least[entry[:2]][2]:
                least[entry[:2]] = entry
    return _SHIPPED, shipped_digest(), list(least.values())


def shipped_digest() -> str:
    """Return the SHA-256 of the tables that ship with the program."""
    return hashlib.sha256(b"".join(data for _, data in _shipped_files())).hexdigest()


def _shipped_files() -> list[tuple[str, bytes]]:
    folder = resources.files("flipsearch.data")
    return [(name, folder.joinpath(name).read_bytes()) for name in _SHIPPED_FILES]


def read_table(path: Path) -> tuple[str, str, list[Entry]]:
    """Return (name, SHA-256, entries) of a table in a file, or raise a `FormatError`."""
    with path.open("rb") as file:
        data = file.read(LARGEST_TABLE_BYTES + 1)
    if len(data) > LARGEST_TABLE_BYTES:
        raise FormatError(f"{path.name} is too large for a table of bounds")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FormatError(f"{path.name} is not UTF-8 text") from None
    return path.name, hashlib.sha256(data).hexdigest(), parse_table(text, path.name)


def refresh(connection: Connection) -> None:
    """Load the shipped table if the newest table is an earlier version of it."""
    newest = _newest(connection)
    if newest is not None and newest.name == _SHIPPED and newest.sha256 != shipped_digest():
        load(connection, *shipped_table())


def _newest(connection: Connection) -> Row[Any] | None:
    columns = BOUND_TABLES.c
    statement: Any = select(columns.version, columns.name, columns.sha256)
    return connection.execute(statement.order_by(columns.version.desc()).limit(1)).first()


def load(connection: Connection, name: str, sha256: str, entries: list[Entry]) -> int | None:
    """Load a table as the newest; return its version, or None if it is the newest already."""
    newest = _newest(connection)
    if newest is not None and newest.sha256 == sha256:
        return None
    version = 1 if newest is None else 1 + newest.version
    now = dt.datetime.now(dt.UTC)
    loaded = {"version": version, "name": name, "sha256": sha256, "loaded": now}
    connection.execute(insert(BOUND_TABLES).values(loaded))
    if entries:
        shared = {"version": version, "current": True}
        rows = [
            shared | {"format": format_, "ring": ring.value, "value": value, "source": source}
            for format_, ring, value, source in entries
        ]
        connection.execute(insert(BOUNDS), rows)
    newer = BOUNDS.alias().c
    covered = (
        select(newer.value)
        .where(newer.version == version)
        .where(newer.format == BOUNDS.c.format, newer.ring == BOUNDS.c.ring)
        .exists()
    )
    older = update(BOUNDS).where(BOUNDS.c.version < version, BOUNDS.c.current, covered)
    connection.execute(older.values(current=False))
    return version


@dataclass(frozen=True)
class Bound:
    """An upper bound on the rank of a format over a ring, cited from the literature."""

    format: str
    ring: Ring
    value: int
    source: str
    version: str


class Bounds:
    """The known bounds of a catalogue, at `flipsearch.catalogue.Catalogue.bounds`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, format_: str | Format, ring: str | Ring) -> Bound | None:
        """Return the known bound of a format with its sides in any order, or None."""
        name, over = names_of(format_)[1], as_ring(ring)
        return self._current(name).get((name, over))

    def all(self) -> dict[tuple[str, Ring], Bound]:
        """Return the bounds that count, by format (sides in ascending order) and ring."""
        return self._current()

    def update(self, path: Path | None = None) -> int | None:
        """Load a newer table of bounds; return their number, or None if it is the newest already.

        Parameters
        ----------
        path : Path, optional
            A CSV file, see `parse_table`; by default the shipped table.

        Raises
        ------
        FormatError
            The file is no such table.
        """
        table = shipped_table() if path is None else read_table(Path(path))
        with self._database.writing() as connection:
            version = load(connection, *table)
        return None if version is None else len(table[2])

    def _current(self, tabulated: str | None = None) -> dict[tuple[str, Ring], Bound]:
        """Return the bounds that count, for one tabulated format or all."""
        b = BOUNDS.c
        statement = (
            select(b.format, b.ring, b.value, b.source, BOUND_TABLES.c.name)
            .join(BOUND_TABLES, BOUND_TABLES.c.version == b.version)
            .where(b.current)
        )
        if tabulated is not None:
            statement = statement.where(b.format == tabulated)
        rings = {ring.value: ring for ring in Ring}
        with self._database.reading() as connection:
            return {
                (name, rings[ring]): Bound(name, rings[ring], value, source, table)
                for name, ring, value, source, table in connection.execute(statement)
            }

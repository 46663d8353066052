"""The one way into the catalogue: prove, measure, pack, insert.

Invariant: a row exists only for a scheme whose Brent equations `flipsearch.verify` evaluated in
this process, under the hash of its content. Inserting the same scheme again changes nothing but
may add a new provenance.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from flipsearch.catalogue.models import (
    Base,
    FactorsRow,
    ProvenanceRow,
    QuarantineRow,
    RunRow,
    SchemeRow,
    TensorRow,
)
from flipsearch.catalogue.packing import pack_scheme
from flipsearch.catalogue.queries import names_of
from flipsearch.catalogue.records import Provenance, Stored
from flipsearch.catalogue.spool import scheme_to_json
from flipsearch.catalogue.structure import measured_columns
from flipsearch.errors import FlipsearchError, InvalidSchemeError, UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.formats.tensors import SparseTensor, tensor_text
from flipsearch.scheme import Scheme
from flipsearch.verify import verify

_CHUNK = 500


@dataclass(frozen=True)
class Prepared:
    """A proved scheme with its columns and packed factors, ready to insert."""

    scheme: Scheme
    data: bytes
    columns: dict[str, Any]
    definition: str | None = None

    @property
    def hash(self) -> str:
        """Content hash."""
        return str(self.columns["hash"])


def growth_factor(scheme: Scheme) -> float | None:
    """Return max_k sum_r |u_r|_1 |v_r|_1 |w_rk| / d_r, or None over a finite field.

    It bounds how one step of the scheme amplifies rounding errors (Bini and Lotti 1980, "Stability
    of fast algorithms for matrix multiplication"): 12 for Strassen, 18 for Winograd's variant.
    """
    if scheme.ring.characteristic:
        return None
    u, v, w = (np.abs(matrix).astype(np.float64) for matrix in scheme.factors)
    weights = u.sum(axis=1) * v.sum(axis=1) / scheme.denominators
    return float((weights @ w).max(initial=0.0))


def prepare(scheme: Scheme, now: dt.datetime | None = None) -> Prepared:
    """Prove a scheme and return what its row needs.

    Parameters
    ----------
    scheme : Scheme
        Over any ring; it is stored in canonical form over its natural ring.
    now : datetime, optional
        When it is proved.

    Raises
    ------
    InvalidSchemeError
        A Brent equation fails.
    UsageError
        Its format has no name to store it under.
    """
    format_ = scheme.format
    if not isinstance(format_, MatrixProduct | SparseTensor):
        raise UsageError(f"{format_} has no name to keep it under in a catalogue")
    verify(scheme)
    now = now or dt.datetime.now(dt.UTC)
    stored = scheme.canonical.over(scheme.natural_ring)
    if stored.rank == 0:
        raise InvalidSchemeError(f"a scheme for {format_} without products computes nothing")
    columns = {
        "hash": scheme.content_hash,
        "format": format_.name,
        "tabulated": names_of(format_)[1],
        "ring": stored.ring.value,
        "rank": stored.rank,
        "nonzeros": stored.nonzeros,
        "additions": stored.additions,
        "fewest": stored.additions,
        **measured_columns(stored),
        "growth": growth_factor(stored),
        "omega": stored.omega,
        "stored": now,
        "verified": now,
    }
    definition = tensor_text(format_) if isinstance(format_, SparseTensor) else None
    return Prepared(stored, pack_scheme(stored), columns, definition)


def prepare_many(schemes: Sequence[Scheme], workers: int = 1) -> list[Prepared | Exception]:
    """Prove many; an invalid one gives its exception. Proofs run in NumPy, hence in threads."""

    def one(scheme: Scheme) -> Prepared | Exception:
        try:
            return prepare(scheme)
        except FlipsearchError as error:
            return error

    if workers <= 1 or len(schemes) < 2 * workers:
        return [one(scheme) for scheme in schemes]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, schemes))


def insert(
    connection: Connection, items: Iterable[tuple[Prepared, Provenance | None]]
) -> list[Stored]:
    """Insert proved schemes; return, in order, where each one is and whether it is new."""
    items = list(items)
    known = identifiers(connection, {prepared.hash for prepared, _ in items})
    fresh = {p.hash: p for p, _ in items if p.hash not in known}
    if fresh:
        ordered = list(fresh.values())
        if connection.dialect.name != "sqlite":  # two writers never wait for each other in a ring
            ordered.sort(key=lambda prepared: prepared.hash)
        tensors = {p.columns["format"]: p.definition for p in ordered if p.definition is not None}
        if tensors:
            rows = [{"name": name, "definition": text} for name, text in sorted(tensors.items())]
            insert_rows(connection, TensorRow, rows)
        insert_rows(connection, SchemeRow, [prepared.columns for prepared in ordered])
        added = identifiers(connection, set(fresh))
        insert_rows(
            connection, FactorsRow, [{"scheme_id": added[p.hash], "data": p.data} for p in ordered]
        )
    else:
        added = {}
    numbers = known | added
    rows, now = [], dt.datetime.now(dt.UTC)
    for prepared, provenance in items:
        if provenance is not None:
            rows.append(_provenance_row(numbers[prepared.hash], provenance, now))
    if rows:
        insert_rows(connection, ProvenanceRow, rows)
        _note_unions(connection, rows)
    result, seen = [], set(known)
    for prepared, _ in items:
        name = prepared.hash
        result.append(Stored(numbers[name], name, name not in seen))
        seen.add(name)
    return result


def insert_proved(
    connection: Connection, schemes: Iterable[tuple[Scheme, Provenance | None]], source: str
) -> int:
    """Prove and insert schemes, quarantine those that fail; return how many were new."""
    good = []
    for scheme, provenance in schemes:
        try:
            good.append((prepare(scheme), provenance))
        except FlipsearchError as error:
            quarantine(
                connection,
                str(error),
                source=f"{source}: {provenance.describe() if provenance else 'unknown'}",
                payload=scheme_to_json(scheme, provenance),
            )
    return sum(stored.new for stored in insert(connection, good))


def quarantine(
    connection: Connection,
    reason: str,
    *,
    run: int | None = None,
    source: str | None = None,
    task: dict[str, Any] | None = None,
    payload: dict[str, Any] | None = None,
) -> int:
    """Keep a rejected result with its reason; return its number."""
    values = {
        "reason": reason,
        "run_id": run,
        "source": source,
        "task": task,
        "payload": payload,
        "recorded": dt.datetime.now(dt.UTC),
    }
    result = connection.execute(_table(QuarantineRow).insert().values(values))
    return int(result.inserted_primary_key[0])  # type: ignore[index]


def known_runs(connection: Connection, numbers: set[int]) -> set[int]:
    """Return those of the run numbers that exist."""
    return set(connection.execute(select(RunRow.id).where(RunRow.id.in_(numbers))).scalars())


def _provenance_row(scheme: int, provenance: Provenance, now: dt.datetime) -> dict[str, Any]:
    p = provenance
    where = [p.run] if p.run is not None else [p.source, p.parent, p.lifted_from]
    digest = hashlib.sha256(json.dumps([p.method, *where]).encode()).hexdigest()[:32]
    row = dataclasses.asdict(p)
    row["run_id"] = row.pop("run")
    row["seed"] = None if p.seed is None else str(p.seed)
    return {"scheme_id": scheme, "digest": digest, "label": p.describe(), "recorded": now, **row}


def _note_unions(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Note in the rows of fault-tolerant unions what their provenance says of them."""
    table = _table(SchemeRow)
    for row in rows:
        said = row["details"] or {}
        claims = [str(said.get(key, "")) for key in ("workers", "survives")]
        if all(claim.isdecimal() and len(claim) < 6 for claim in claims):
            workers, survives = map(int, claims)
            connection.execute(
                table.update()
                .where(table.c.id == row["scheme_id"], table.c.rank == workers)
                .values(workers=workers, survives=survives)
            )


def _table(model: type[Base]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)
    return table


def insert_rows(connection: Connection, model: type[Base], rows: list[dict[str, Any]]) -> None:
    """Insert rows, leaving alone those that are there already."""
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(make(_table(model)).on_conflict_do_nothing(), rows)


def identifiers(connection: Connection, hashes: set[str]) -> dict[str, int]:
    """Return the row numbers of those of the content hashes that are stored."""
    found: dict[str, int] = {}
    ordered = sorted(hashes)
    for start in range(0, len(ordered), _CHUNK):
        chunk = ordered[start : start + _CHUNK]
        statement = select(SchemeRow.hash, SchemeRow.id).where(SchemeRow.hash.in_(chunk))
        found.update((name, number) for name, number in connection.execute(statement))
    return found

"""Prove, measure, pack and insert schemes; there is no other way into the catalogue.

Invariant: a row is inserted only after `flipsearch.verify` has evaluated the Brent equations of
its scheme, in this process or in one of its workers, whose seal is checked. A recipe is inserted
without, because its scheme is proved whenever it is made. The key of a row is the hash of its
content. Inserting a stored scheme again can only add a provenance.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert as insert_into
from sqlalchemy import select, update
from sqlalchemy.engine import Connection

from flipsearch.catalogue.codec import pack_recipe, pack_scheme, scheme_to_json
from flipsearch.catalogue.columns import SCHEMES, measured
from flipsearch.catalogue.provenance import SHORT, Provenance
from flipsearch.catalogue.tables import FACTORS, PROVENANCE, QUARANTINE, RUNS, TENSORS, insert_rows
from flipsearch.constructors.recipes import NAIVE, NAMED, Recipe, summary
from flipsearch.errors import FlipsearchError, InvalidSchemeError, UsageError
from flipsearch.formats import Format, MatrixProduct
from flipsearch.formats.sparse import SparseTensor, tensor_text
from flipsearch.scheme import Scheme
from flipsearch.verify import is_proved, verify

CHUNK = 500
"""Largest number of values in a statement."""

_SAME = (
    "hash",
    "rank",
    "additions",
    "nonzeros",
    "calls",
    "gamma",
    "growth",
    "denominator",
    "greatest_denominator",
)
"""Columns that recipes hold under the same names."""


@dataclass(frozen=True)
class Stored:
    """The outcome of storing a scheme.

    `id` is the row number, 0 if the scheme was rejected, and `hash` the content hash, 64 hex
    digits. `new` tells whether the catalogue did not hold it before. `rejected` is the reason why
    it was quarantined instead of stored, or None.
    """

    id: int
    hash: str
    new: bool
    rejected: str | None = None

    @property
    def short(self) -> str:
        """The first 12 digits of the hash, as listings show them."""
        return self.hash[:SHORT]


@dataclass(frozen=True)
class Prepared:
    """A proved scheme with its columns and packed factors, ready to insert."""

    scheme: Scheme
    data: bytes
    columns: dict[str, Any]

    @property
    def hash(self) -> str:
        """The content hash."""
        return str(self.columns["hash"])


def prepare(scheme: Scheme) -> Prepared:
    """Prove a scheme and return its row and factors, in canonical form over its natural ring.

    A Brent equation that fails raises an `InvalidSchemeError`, a format without a name that a row
    can hold a `UsageError`.
    """
    format_ = scheme.format
    if not isinstance(format_, MatrixProduct | SparseTensor):
        raise UsageError(f"{format_} has no name to keep it under in a catalogue")
    if not is_proved(scheme):
        verify(scheme)
    now = dt.datetime.now(dt.UTC)
    stored = scheme.canonical.over(scheme.natural_ring)
    if stored.rank == 0:
        raise InvalidSchemeError(f"a scheme for {format_} without products computes nothing")
    columns = measured(stored) | {
        "hash": scheme.content_hash,
        "ring": stored.ring.value,
        "stored": now,
        "verified": now,
    }
    return Prepared(stored, pack_scheme(stored), columns)


def prepare_many(schemes: Sequence[Scheme], workers: int = 1) -> list[Prepared | FlipsearchError]:
    """Prove many schemes in threads, which suits NumPy; return the error of an invalid one."""

    def one(scheme: Scheme) -> Prepared | FlipsearchError:
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
    """Insert proved schemes; return the outcome of each, in order."""
    items = list(items)
    numbers = identifiers(connection, {prepared.hash for prepared, _ in items})
    seen = set(numbers)
    fresh = list({p.hash: p for p, _ in items if p.hash not in numbers}.values())
    if fresh:
        if connection.dialect.name != "sqlite":  # one order for all writers avoids a deadlock
            fresh.sort(key=lambda prepared: prepared.hash)
        define(connection, (prepared.scheme.format for prepared in fresh))
        insert_rows(connection, SCHEMES, [prepared.columns for prepared in fresh])
        numbers |= identifiers(connection, {prepared.hash for prepared in fresh})
        factors = [{"scheme_id": numbers[p.hash], "data": p.data} for p in fresh]
        insert_rows(connection, FACTORS, factors)
    now = dt.datetime.now(dt.UTC)
    origins = [
        provenance.row(numbers[prepared.hash], now)
        for prepared, provenance in items
        if provenance is not None
    ]
    if origins:
        insert_rows(connection, PROVENANCE, origins)
        _note_unions(connection, origins)
    result = []
    for name in (prepared.hash for prepared, _ in items):
        result.append(Stored(numbers[name], name, name not in seen))
        seen.add(name)
    return result


def define(connection: Connection, formats: Iterable[Format]) -> None:
    """Store the definitions of those of the formats that are tensors."""
    tensors = {form.name: form for form in formats if isinstance(form, SparseTensor)}
    rows = [
        {"name": name, "definition": tensor_text(form)} for name, form in sorted(tensors.items())
    ]
    if rows:
        insert_rows(connection, TENSORS, rows)


def insert_proved(
    connection: Connection, schemes: Iterable[tuple[Scheme, Provenance | None]], source: str
) -> int:
    """Prove and insert schemes, quarantine invalid ones; return the number of new schemes."""
    good = []
    for scheme, provenance in schemes:
        try:
            good.append((prepare(scheme), provenance))
        except FlipsearchError as error:
            origin = provenance.describe() if provenance else "unknown"
            payload = scheme_to_json(scheme, provenance)
            quarantine(connection, str(error), source=f"{source}: {origin}", payload=payload)
    return sum(stored.new for stored in insert(connection, good))


def insert_recipes(connection: Connection, recipes: Iterable[Recipe], source: str) -> int:
    """Insert recipes whose sources are stored or come earlier; return how many were new.

    Their columns were measured when the recipe was written down; stored rows of an older schema
    get the greatest denominator. Whenever the scheme is fetched, it is made, compared with its
    hash and proved.
    """
    listed = list({recipe.hash: recipe for recipe in recipes}.values())
    known = set(identifiers(connection, {recipe.hash for recipe in listed}))
    s = SCHEMES.c
    for number in {recipe.greatest_denominator for recipe in listed} - {1}:
        these = [one.hash for one in listed if one.greatest_denominator == number]
        lacking = s.hash.in_(these) & s.greatest_denominator.is_(None)
        connection.execute(update(SCHEMES).where(lacking).values(greatest_denominator=number))
    everything = connection.execute(select(s.hash)).scalars()
    at_hand = {name[:NAMED] for name in everything} | {NAIVE}
    now = dt.datetime.now(dt.UTC)
    rows, texts = [], {}
    for recipe in listed:
        if recipe.hash in known or not at_hand.issuperset(name for name, _ in recipe.sources):
            continue
        at_hand.add(recipe.hash[:NAMED])
        texts[recipe.hash] = recipe
        rows.append(
            {name: getattr(recipe, name) for name in _SAME}
            | {
                "format": recipe.format.name,
                "tabulated": recipe.format.sorted.name,
                "ring": recipe.ring.value,
                "fewest": recipe.additions,
                "omega": 3 * math.log(recipe.rank) / math.log(recipe.format.naive_rank),
                "stored": now,
                "verified": now,
            }
        )
    if not rows:
        return 0
    insert_rows(connection, SCHEMES, rows)
    numbers = identifiers(connection, set(texts))
    factors = [
        {"scheme_id": numbers[name], "data": pack_recipe(recipe.how)}
        for name, recipe in texts.items()
    ]
    insert_rows(connection, FACTORS, factors)
    origins = []
    for name, recipe in texts.items():
        origin = Provenance(
            source=source, method=summary(recipe.how), details={"recipe": recipe.how}
        )
        origins.append(origin.row(numbers[name], now))
    insert_rows(connection, PROVENANCE, origins)
    return len(rows)


def quarantine(
    connection: Connection,
    reason: str,
    *,
    run: int | None = None,
    source: str | None = None,
    task: dict[str, Any] | None = None,
    payload: dict[str, Any] | None = None,
) -> int:
    """Store a rejected result with its reason; return its number."""
    values = {
        "reason": reason,
        "run_id": run,
        "source": source,
        "task": task,
        "payload": payload,
        "recorded": dt.datetime.now(dt.UTC),
    }
    result = connection.execute(insert_into(QUARANTINE).values(values))
    return inserted_key(result)


def inserted_key(result: Any) -> int:
    """Return the number of the row that a statement inserted."""
    return int(result.inserted_primary_key[0])


def known_runs(connection: Connection, numbers: set[int]) -> set[int]:
    """Return the given run numbers that exist."""
    return set(connection.execute(select(RUNS.c.id).where(RUNS.c.id.in_(numbers))).scalars())


def _note_unions(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Copy the workers and losses of fault-tolerant unions from provenance rows to schemes."""
    for row in rows:
        said = row["details"] or {}
        claims = [str(said.get(key, "")) for key in ("workers", "survives")]
        if all(claim.isdecimal() and len(claim) < 6 for claim in claims):
            workers, survives = map(int, claims)
            connection.execute(
                update(SCHEMES)
                .where(SCHEMES.c.id == row["scheme_id"], SCHEMES.c.rank == workers)
                .values(workers=workers, survives=survives)
            )


def identifiers(connection: Connection, hashes: set[str]) -> dict[str, int]:
    """Return the row numbers of the given content hashes that are stored."""
    found: dict[str, int] = {}
    ordered = sorted(hashes)
    for start in range(0, len(ordered), CHUNK):
        chunk = ordered[start : start + CHUNK]
        statement = select(SCHEMES.c.hash, SCHEMES.c.id).where(SCHEMES.c.hash.in_(chunk))
        found.update((name, number) for name, number in connection.execute(statement))
    return found

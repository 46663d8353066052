"""Find and store the schemes of a catalogue, with their provenance.

Invariant: a scheme is acknowledged only after it was proved and durably committed. A proved scheme
that could not be committed is kept in a spool file. Reading takes no lock and changes nothing, and
the hash of every scheme is checked when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, select, update

from flipsearch.catalogue import arguments, best, storing
from flipsearch.catalogue.arguments import as_ring, within_database
from flipsearch.catalogue.best import Best
from flipsearch.catalogue.codec import format_of
from flipsearch.catalogue.columns import SCHEMES, Condition, Record, select_records
from flipsearch.catalogue.connection import Database
from flipsearch.catalogue.filters import Filters, order
from flipsearch.catalogue.intake import CHUNK, Stored
from flipsearch.catalogue.loading import Loader
from flipsearch.catalogue.portions import MOST_SCHEMES
from flipsearch.catalogue.provenance import SHORT, Provenance, checked
from flipsearch.catalogue.storing import pair
from flipsearch.catalogue.tables import PROVENANCE, TENSORS
from flipsearch.constructors.recipes import NAIVE, sources_of
from flipsearch.errors import NotFoundError, UsageError
from flipsearch.formats import Format
from flipsearch.programs import Reduction
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme

SHORTEST_PREFIX = 6

Item = Scheme | tuple[Scheme, Provenance | None]


class Schemes:
    """The schemes of a catalogue, at `flipsearch.catalogue.Catalogue.schemes`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loader = Loader(database, self.get)

    def get(self, scheme: str | int) -> Record:
        """Return a stored scheme by its row number, or by 6 or more first digits of its hash.

        A scheme that is not there raises a `NotFoundError`. Text that is no hash, too short, or
        the beginning of several hashes raises a `UsageError`.
        """
        if isinstance(scheme, str):
            prefix = scheme.strip().lower()
            if len(prefix) < SHORTEST_PREFIX or set(prefix) - set("0123456789abcdef"):
                raise UsageError(
                    f"scheme {scheme!r} is no ID: give {SHORTEST_PREFIX} or more hexadecimal "
                    "digits of its hash, as flipsearch list shows them"
                )
            condition: Condition = SCHEMES.c.hash.between(prefix, prefix + "g")
        else:
            condition = SCHEMES.c.id == within_database(arguments.whole("scheme", scheme))
        found = list(self._records(select_records().where(condition).limit(3)))
        if not found:
            place = self._database.place.label
            raise NotFoundError(f"there is no scheme {scheme} in catalogue {place}")
        if len(found) > 1:
            names = ", ".join(record.hash[: len(str(scheme)) + SHORT] for record in found)
            raise UsageError(f"{scheme} is the beginning of several schemes: {names}, ...")
        return found[0]

    def best(
        self, format_: str | Format, ring: str | Ring | None = None, *, exact: bool = False
    ) -> Record | None:
        """Return the stored scheme of least rank for a format, or None.

        Parameters
        ----------
        format_ : str or Format
            The format, in any order of its sides: a scheme stored for 4x5x3 is found for 3x4x5,
            and `flipsearch.transform` turns it. Among equal ranks the given order comes first,
            then fewer additions.
        ring : str or Ring, optional
            Z includes ZT, and Q includes both; the default is Q. F2 and F3 include schemes that
            reduce to them, from Q if the denominators allow it. `Record.ring` is the stored ring,
            and ``record.scheme.over(ring)`` reduces the scheme.
        exact : bool
            Take only schemes with this order of the sides.
        """
        wanted = Ring.Q if ring is None else as_ring(ring)
        found = list(self._records(best.best_of(format_, wanted, exact=exact)))
        return found[0] if found else None

    def best_table(self, rings: Iterable[str | Ring] = tuple(Ring)) -> list[Best]:
        """Return our rank and the known bound for all formats and rings: `best.best_table`."""
        chosen = [as_ring(ring) for ring in arguments.collection("rings", rings)]
        with self._database.reading() as connection:
            return best.best_table(connection, chosen)

    def records(
        self,
        filters: Filters | None = None,
        *,
        sort: str | Sequence[str] = "format,ring,rank,additions",
        limit: int | None = None,
        offset: int = 0,
        **conditions: Any,
    ) -> Iterator[Record]:
        """Yield the schemes that pass the filters, in order, in constant memory.

        Parameters
        ----------
        filters : Filters, optional
            May also be given as keyword arguments: ``records(format="4x5x6", ring="ZT", gap=0)``.
        sort : str or sequence of str
            Columns of `columns.ORDERS`, each with a minus for a descending order.
        limit, offset : int
            The largest number of schemes, and the number of schemes to skip before them.
        """
        passing = Filters.of(filters, conditions).conditions
        statement = select_records().where(*passing).order_by(*order(sort))
        start = arguments.page("offset", offset)
        if limit is not None or start:  # SQLite knows no offset without a limit
            most = arguments.LARGEST_NUMBER if limit is None else arguments.page("limit", limit)
            statement = statement.limit(most).offset(start)
        return self._records(statement)

    def query(self, filters: Filters | None = None, **options: Any) -> list[Record]:
        """Return the schemes that pass as a list; takes the arguments of `records`."""
        return list(self.records(filters, **options))

    def to_records(self, filters: Filters | None = None, **options: Any) -> list[dict[str, Any]]:
        """Return the schemes that pass as dictionaries of scalars, for ``pandas.DataFrame``."""
        return [record.to_dict() for record in self.records(filters, **options)]

    def by_hash(self, hashes: Iterable[str]) -> dict[str, Record]:
        """Return the stored schemes with the given content hashes, by hash."""
        given = arguments.collection("hashes", hashes)
        wanted = sorted({arguments.text("hashes", name) for name in given})
        found: dict[str, Record] = {}
        for start in range(0, len(wanted), CHUNK):
            condition = SCHEMES.c.hash.in_(wanted[start : start + CHUNK])
            found |= {r.hash: r for r in self._records(select_records().where(condition))}
        return found

    def count(self, filters: Filters | None = None, **conditions: Any) -> int:
        """Return the number of schemes that pass the filters."""
        statement = Filters.of(filters, conditions).count()
        with self._database.reading() as connection:
            return int(connection.execute(statement).scalar_one())

    def __len__(self) -> int:
        return self.count()

    def __contains__(self, scheme: Scheme | str) -> bool:
        if isinstance(scheme, Scheme):
            scheme = scheme.content_hash
        name = arguments.text("scheme", scheme)
        statement = select(SCHEMES.c.id).where(SCHEMES.c.hash == name)
        with self._database.reading() as connection:
            return connection.execute(statement).first() is not None

    def lineage(self, record: Record) -> list[tuple[Record | str, Any]]:
        """Return the sources of a scheme by its recipe, in order: (source, its own lineage).

        A source is a record, or the format of a naive scheme. Schemes that no recipe makes have
        an empty lineage.
        """
        how = self.recipe(record) or ""
        found: list[tuple[Record | str, Any]] = []
        for name, format_ in sources_of(how):
            if name == NAIVE:
                found.append((f"naive {format_}", []))
            else:
                held = self.get(name)
                found.append((held, self.lineage(held)))
        return found

    def provenance(self, record: Record | int) -> list[Provenance]:
        """Return every provenance of a scheme, oldest first."""
        theirs = PROVENANCE.c.scheme_id == _number(record)
        statement = select(PROVENANCE).where(theirs).order_by(PROVENANCE.c.id)
        with self._database.reading() as connection:
            return [Provenance.of_row(row) for row in connection.execute(statement)]

    def invariants(self, record: Record | int) -> dict[str, Any] | None:
        """Return the invariants that `annotate` added to a scheme, or None."""
        statement = select(SCHEMES.c.invariants).where(SCHEMES.c.id == _number(record))
        with self._database.reading() as connection:
            return connection.execute(statement).scalar()

    def annotate(self, scheme: str | int, invariants: Mapping[str, Any]) -> None:
        """Add JSON values to the invariants of a stored scheme; equal names are replaced."""
        added = arguments.mapping("invariants", invariants)
        this = SCHEMES.c.id == self.get(scheme).id
        with self._database.writing() as connection:
            # read inside the writing transaction: no other update comes between
            held = select(SCHEMES.c.invariants).where(this).with_for_update()
            merged = {**(connection.execute(held).scalar() or {}), **added}
            connection.execute(update(SCHEMES).where(this).values(invariants=merged))

    def add(self, scheme: Scheme, provenance: Provenance | None = None) -> Stored:
        """Prove a scheme and store it durably; a stored scheme is not stored again.

        Raises
        ------
        InvalidSchemeError
            A Brent equation fails; nothing is stored.
        SpooledError
            The scheme is valid but could not be stored; a spool file keeps it.
        """
        return self.add_many([(scheme, provenance)])[0]

    def add_many(
        self,
        schemes: Iterable[Item],
        provenance: Provenance | None = None,
        *,
        on_invalid: str = "raise",
        batch: int = MOST_SCHEMES,
        workers: int = 1,
    ) -> list[Stored]:
        """Prove many schemes and store them, with a durable commit for each batch.

        A batch also ends after 32 MiB of factors or 5 seconds. This bounds memory, and the loss if
        the process is killed.

        Parameters
        ----------
        schemes : iterable of Scheme, or of (Scheme, Provenance)
        provenance : Provenance, optional
            The provenance of schemes without their own.
        on_invalid : str
            ``raise`` the first `InvalidSchemeError`, after storing the valid schemes of its batch;
            or ``quarantine`` invalid schemes with their reasons and go on.
        batch, workers : int
            Largest number of schemes in a commit; number of threads that prove schemes.
        """
        if arguments.text("on_invalid", on_invalid) not in ("raise", "quarantine"):
            raise ValueError(f"on_invalid must be 'raise' or 'quarantine', not {on_invalid!r}")
        checked(provenance)
        given = (pair(item, provenance) for item in arguments.collection("schemes", schemes))
        return storing.store(
            self._database,
            given,
            quarantine=on_invalid == "quarantine",
            batch=arguments.whole("batch", batch, 1),
            workers=arguments.whole("workers", workers, 1),
        )

    def absorb(self) -> int:
        """Prove and store the schemes in spool files and remove the files; return new schemes."""
        return storing.absorb(self._database)

    def _records(self, statement: Select[Any]) -> Iterator[Record]:
        """Yield the records of a statement made by `select_records`."""
        with self._database.reading() as connection:
            rows = connection.execution_options(yield_per=1000).execute(statement)
            found = (self._loader.record(row, connection) for row in rows)
            if not self._database.place.in_memory:
                yield from found
                return
            kept = list(found)  # frees the one connection for the caller
        yield from kept

    def tensor(self, name: str) -> Format | None:
        """Return the tensor whose definition is stored under a name, or None."""
        name = arguments.text("name", name).strip().lower()
        statement = select(TENSORS.c.definition).where(TENSORS.c.name == name)
        with self._database.reading() as connection:
            definition = connection.execute(statement).scalar()
        return None if definition is None else format_of(name, definition)

    def recipe(self, record: Record | int) -> str | None:
        """Return the recipe by which a scheme is made when it is fetched, or None."""
        return self._loader.recipe(_number(record))

    def composed(self, record: Record, made: dict[str, Reduction]) -> Reduction | None:
        """Return programs as a record's recipe composes them: see `loading.Loader.composed`."""
        return self._loader.composed(record, made)


def _number(record: Record | int) -> int:
    """Return the row number of a record, or the number itself."""
    if isinstance(record, Record):
        return record.id
    return within_database(arguments.whole("record", record))

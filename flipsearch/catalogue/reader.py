"""What can be asked of a catalogue.

Invariant: reading takes no lock and changes nothing; what comes out has its hash checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Row, Select, select

from flipsearch.catalogue import arguments as given
from flipsearch.catalogue import best, bounds, programs, queries
from flipsearch.catalogue.database import Database
from flipsearch.catalogue.models import (
    FactorsRow,
    ProgramsRow,
    ProvenanceRow,
    QuarantineRow,
    SchemeRow,
    TensorRow,
)
from flipsearch.catalogue.packing import unpack_scheme
from flipsearch.catalogue.places import Place
from flipsearch.catalogue.queries import Filters, as_format, as_ring
from flipsearch.catalogue.records import (
    SHORT,
    Best,
    Bound,
    Provenance,
    Quarantined,
    Record,
)
from flipsearch.errors import CatalogueError, FormatError, NotFoundError, UsageError
from flipsearch.formats import Format
from flipsearch.formats.tensors import parse_tensor
from flipsearch.programs import Reduction
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme

SHORTEST_PREFIX = 6


class Reader:
    """The reading half of `flipsearch.catalogue.Catalogue`."""

    database: Database
    _tensors: dict[str, Format]

    @property
    def place(self) -> Place:
        """Where the catalogue lies."""
        return self.database.place

    def get(self, scheme: str | int) -> Record:
        """Return a stored scheme.

        Parameters
        ----------
        scheme : str or int
            The first 6 or more digits of its hash, or its row number.

        Raises
        ------
        NotFoundError
            There is none.
        UsageError
            No hash, too short, or the beginning of several.
        """
        if not isinstance(scheme, str):
            scheme = given.whole("scheme", scheme)
        with self.database.reading() as connection:
            if not isinstance(scheme, str):
                condition = SchemeRow.id == queries.within_database(scheme)
            else:
                prefix = scheme.strip().lower()
                if len(prefix) < SHORTEST_PREFIX or set(prefix) - set("0123456789abcdef"):
                    raise UsageError(
                        f"{scheme!r} is no ID: give {SHORTEST_PREFIX} or more hexadecimal digits "
                        "of a scheme's hash, as flipsearch list shows them"
                    )
                condition = SchemeRow.hash.between(prefix, prefix + "g")
            statement = queries.select_schemes().where(condition).limit(3)
            rows = connection.execute(statement).all()
        if not rows:
            raise NotFoundError(f"there is no scheme {scheme} in catalogue {self.place.label}")
        if len(rows) > 1:
            names = ", ".join(row.hash[: len(str(scheme)) + SHORT] for row in rows)
            raise UsageError(f"{scheme} is the beginning of several schemes: {names}, ...")
        return self._record(rows[0])

    def best(
        self, format_: str | Format, ring: str | Ring | None = None, *, exact: bool = False
    ) -> Record | None:
        """Return the stored scheme of least rank for a format, or None.

        Parameters
        ----------
        format_ : str or Format
            In any order of its sides: a scheme stored for 4x5x3 is found for 3x4x5 (use
            `flipsearch.transform` to turn it). Among equal ranks the asked order comes first,
            then fewer additions.
        ring : str or Ring, optional
            Z includes ZT, and Q both; None is Q: whatever works on real numbers. F2 and F3
            include what reduces to them, from Q where the denominators allow it: `Record.ring`
            says over what it is stored, and ``record.scheme.over(ring)`` reduces it.
        exact : bool
            Only this order of the sides.
        """
        wanted = Ring.Q if ring is None else as_ring(ring)
        given.flag("exact", exact)
        queries.names_of(format_)
        with self.database.reading() as connection:
            row = best.best_row(connection, format_, wanted, exact=exact)
        return None if row is None else self._record(row)

    def best_table(self, rings: Sequence[Ring] = tuple(Ring)) -> list[Best]:
        """Return ours and the known bound for every format and ring; see `best.best_table`."""
        chosen = [as_ring(ring) for ring in given.collection("rings", rings)]
        with self.database.reading() as connection:
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
        """Iterate over the schemes that pass the filters, in order.

        Parameters
        ----------
        filters : Filters, optional
            Or its fields as keyword arguments: ``records(format="4x5x6", ring="ZT", gap=0)``.
        sort : str or sequence of str
            Columns, a minus before one for descending; see `queries.SORTS`.
        limit, offset : int
            A page.
        """
        statement = queries.find(
            queries.filters_of(filters, conditions),
            sort=sort,
            limit=None if limit is None else given.whole("limit", limit, 0),
            offset=given.whole("offset", offset, 0),
        )
        return self._streamed(statement)

    def _streamed(self, statement: Select[Any]) -> Iterator[Record]:
        """Yield the records of a statement; memory does not grow with their number."""
        with self.database.reading() as connection:
            streaming = connection.execution_options(yield_per=1000)
            for row in streaming.execute(statement):
                yield self._record(row)

    def query(self, filters: Filters | None = None, **arguments: Any) -> list[Record]:
        """Return the schemes that pass, as a list; takes what `records` takes."""
        return list(self.records(filters, **arguments))

    def to_records(self, filters: Filters | None = None, **arguments: Any) -> list[dict[str, Any]]:
        """Return them as dictionaries of scalars: ``pandas.DataFrame(catalogue.to_records())``."""
        return [record.to_dict() for record in self.records(filters, **arguments)]

    def by_hash(self, hashes: Iterable[str]) -> dict[str, Record]:
        """Return the schemes of these content hashes, those that are stored."""
        wanted = sorted({given.text("hashes", one) for one in given.collection("hashes", hashes)})
        found = {}
        with self.database.reading() as connection:
            for start in range(0, len(wanted), 500):
                condition = SchemeRow.hash.in_(wanted[start : start + 500])
                rows = connection.execute(queries.select_schemes().where(condition))
                found.update({row.hash: self._record(row) for row in rows})
        return found

    def count(self, filters: Filters | None = None, **conditions: Any) -> int:
        """Return how many schemes pass the filters."""
        chosen = queries.filters_of(filters, conditions)
        with self.database.reading() as connection:
            return queries.count(connection, chosen)

    def __len__(self) -> int:
        return self.count()

    def __contains__(self, scheme: Scheme | str) -> bool:
        name = scheme.content_hash if isinstance(scheme, Scheme) else given.text("scheme", scheme)
        with self.database.reading() as connection:
            statement = select(SchemeRow.id).where(SchemeRow.hash == name)
            return connection.execute(statement).first() is not None

    def provenance(self, record: Record | int) -> list[Provenance]:
        """Return every way in which a scheme came here, first one first."""
        number = _number(record)
        with self.database.reading() as connection:
            rows = connection.execute(
                select(ProvenanceRow.__table__)
                .where(ProvenanceRow.scheme_id == number)
                .order_by(ProvenanceRow.id)
            ).all()
        return [
            Provenance(
                run=row.run_id,
                seed=None if row.seed is None else int(row.seed),
                task=row.task,
                parent=row.parent,
                lifted_from=row.lifted_from,
                source=row.source,
                method=row.method,
                details=row.details,
            )
            for row in rows
        ]

    def invariants(self, record: Record | int) -> dict[str, Any] | None:
        """Return what `annotate` added to a scheme, or None."""
        number = _number(record)
        with self.database.reading() as connection:
            statement = select(SchemeRow.invariants).where(SchemeRow.id == number)
            return connection.execute(statement).scalar()

    def known_bound(self, format_: str | Format, ring: str | Ring) -> Bound | None:
        """Return the known bound of a format, in any order of its sides, or None."""
        name, over = queries.names_of(format_)[1], as_ring(ring)
        with self.database.reading() as connection:
            return bounds.current_bounds(connection, name).get((name, over))

    def known_bounds(self) -> dict[tuple[str, Ring], Bound]:
        """Return the bounds that count, by tabulated format (sides in order) and ring."""
        with self.database.reading() as connection:
            return bounds.current_bounds(connection)

    def quarantined(self, limit: int | None = None) -> list[Quarantined]:
        """Return the rejected results, latest first."""
        statement = select(QuarantineRow.__table__).order_by(QuarantineRow.id.desc())
        if limit is not None:
            statement = statement.limit(queries.within_database(given.whole("limit", limit, 0)))
        with self.database.reading() as connection:
            rows = connection.execute(statement).all()
        return [
            Quarantined(
                row.id, row.reason, row.run_id, row.source, row.task, row.payload, row.recorded
            )
            for row in rows
        ]

    def _record(self, row: Row[Any]) -> Record:
        try:
            format_, ring = self._format(row.format), Ring(row.ring)
        except (UsageError, FormatError, ValueError) as error:
            raise _damaged(str(row.hash), str(error)) from None
        return Record(
            id=row.id,
            hash=row.hash,
            format=format_,
            ring=ring,
            rank=row.rank,
            nonzeros=row.nonzeros,
            additions=row.additions,
            growth=row.growth,
            omega=row.omega,
            stored=row.stored,
            verified=row.verified,
            source=row.source or "unknown",
            known_bound=row.known_bound,
            workers=row.workers,
            survives=row.survives,
            fewest_additions=row.fewest,
            calls=row.calls,
            gamma=row.gamma,
            _load=self._load,
            _load_reduction=self._load_reduction,
        )

    def _format(self, name: str) -> Format:
        """Return the format of that name, from its definition if it is a tensor's."""
        if not name.startswith(queries.TENSOR_PREFIX):
            return as_format(name)
        if name not in self._tensors:
            with self.database.reading() as connection:
                statement = select(TensorRow.definition).where(TensorRow.name == name)
                definition = connection.execute(statement).scalar()
            self._tensors[name] = tensor_of(name, definition)
        return self._tensors[name]

    def _load(self, record: Record) -> Scheme:
        """Return the scheme of a record, its hash checked."""
        with self.database.reading() as connection:
            statement = select(FactorsRow.data).where(FactorsRow.scheme_id == record.id)
            data = connection.execute(statement).scalar()
        return restored(data, record.format, record.ring, record.rank, record.hash)

    def _load_reduction(self, record: Record) -> Reduction | None:
        """Return the programs of a record, evaluated and compared with its hash."""
        statement = select(ProgramsRow.data, ProgramsRow.additions).where(
            ProgramsRow.scheme_id == record.id
        )
        with self.database.reading() as connection:
            row = connection.execute(statement).first()
        if row is None:
            return None
        try:
            return programs.unpack(row.data, record.format, record.hash, row.additions)
        except FormatError as error:
            raise _damaged(record.hash, str(error)) from None


def _number(record: Record | int) -> int:
    """Return the row number of a record, or the number itself."""
    if isinstance(record, Record):
        return record.id
    return queries.within_database(given.whole("record", record))


def tensor_of(name: str, definition: str | None) -> Format:
    """Return the tensor of that name from its definition.

    Raises
    ------
    FormatError
        There is no definition, or it is another tensor's.
    """
    tensor = parse_tensor(definition or "")
    if tensor.name != name:
        raise FormatError(f"the definition of {name} is another tensor's")
    return tensor


def restored(data: bytes | None, format_: Format, ring: Ring, rank: int, name: str) -> Scheme:
    """Return the scheme of a row, its hash checked.

    Raises
    ------
    CatalogueError
        The row is damaged.
    """
    try:
        scheme = unpack_scheme(data or b"", format_, ring, rank)
        if scheme.content_hash == name:
            return scheme
        reason = "its content has another hash"
    except FormatError as error:
        reason = str(error)
    raise _damaged(name, reason)


def _damaged(name: str, reason: str) -> CatalogueError:
    return CatalogueError(
        f"scheme {name[:SHORT]} is damaged in the catalogue ({reason}): run flipsearch doctor "
        "--catalogue, then import it again or restore a backup"
    )

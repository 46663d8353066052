"""Make records, schemes and programs from the rows of a catalogue.

Invariant: the hash of every scheme is checked when it is read, and a scheme that a recipe makes is
proved as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.engine import Connection

from flipsearch.catalogue.arguments import TENSOR_PREFIX
from flipsearch.catalogue.codec import damaged, format_of, recipe_in, restored, unpack_programs
from flipsearch.catalogue.columns import Record, record_of
from flipsearch.catalogue.connection import Database
from flipsearch.catalogue.tables import FACTORS, PROGRAMS, TENSORS
from flipsearch.constructors.recipes import replayed
from flipsearch.errors import FormatError, InvalidSchemeError, NotFoundError, UsageError
from flipsearch.formats import Format, MatrixProduct
from flipsearch.programs import Reduction, plain_reduction
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.verify import verify


class Loader:
    """Makes the values of rows when they are asked for; `get` finds a record by its hash."""

    def __init__(self, database: Database, get: Callable[[str], Record]) -> None:
        self._database, self._get = database, get
        self._tensors: dict[str, Format] = {}

    def record(self, row: Row[Any], connection: Connection) -> Record:
        """Return the record of a row; it loads its scheme and programs when they are asked for."""
        try:
            format_, ring = self._format(row.format, connection), Ring(row.ring)
        except (UsageError, FormatError, ValueError) as error:
            raise damaged(str(row.hash), str(error)) from None
        return record_of(row, format_, ring, self._load, self._reduction)

    def _format(self, name: str, connection: Connection) -> Format:
        """Return the format of a name; a tensor's definition is read once."""
        if not name.startswith(TENSOR_PREFIX):
            return format_of(name, None)
        if name not in self._tensors:
            statement = select(TENSORS.c.definition).where(TENSORS.c.name == name)
            self._tensors[name] = format_of(name, connection.execute(statement).scalar())
        return self._tensors[name]

    def _load(self, record: Record) -> Scheme:
        """Return the scheme of a record, its hash checked; of a recipe made and proved."""
        scheme = self._made(record, {})
        try:
            if self.recipe(record.id) is not None:
                verify(scheme)
        except InvalidSchemeError as error:
            raise damaged(record.hash, str(error)) from None
        return scheme

    def recipe(self, number: int) -> str | None:
        """Return the recipe of the scheme in a row, or None."""
        return recipe_in(self._data(number))

    def _data(self, number: int) -> bytes | None:
        statement = select(FACTORS.c.data).where(FACTORS.c.scheme_id == number)
        with self._database.reading() as connection:
            return connection.execute(statement).scalar()

    def _made(self, record: Record, made: dict[str, Scheme]) -> Scheme:
        """Return the scheme of a record, unpacked or replayed; `made` holds those made so far."""
        data = self._data(record.id)
        how = recipe_in(data)
        if how is None:
            return restored(data, record.format, record.ring, record.rank, record.hash)

        def fetch(name: str) -> Scheme:
            if name not in made:
                made[name] = self._made(self._get(name), made)
            return made[name]

        assert isinstance(record.format, MatrixProduct)
        try:
            scheme = replayed(how, record.format, record.ring, fetch)
        except (FormatError, NotFoundError) as error:
            raise damaged(record.hash, str(error)) from None
        if scheme.content_hash != record.hash:
            raise damaged(record.hash, "its recipe makes another scheme")
        return scheme

    def _reduction(self, record: Record) -> Reduction | None:
        """Return the programs of a record, stored or composed; None if there are none."""
        kept = select(PROGRAMS.c.data, PROGRAMS.c.additions)
        with self._database.reading() as connection:
            row = connection.execute(kept.where(PROGRAMS.c.scheme_id == record.id)).first()
        if row is None:
            return self.composed(record, {})
        try:
            return unpack_programs(row.data, record.format, record.hash, row.additions)
        except FormatError as error:
            raise damaged(record.hash, str(error)) from None

    def composed(self, record: Record, made: dict[str, Reduction]) -> Reduction | None:
        """Return programs as a record's recipe composes them, or None if there are none.

        `made` holds programs by the beginnings of hashes; those made here are added.
        """
        from flipsearch.constructors.composed import composed

        how = self.recipe(record.id)
        if how is None:
            return None

        def fetch(name: str) -> Reduction:
            if name not in made:
                source = self._get(name)
                found = self.composed(source, made) or source.reduction
                made[name] = found or plain_reduction(source.scheme)
            return made[name]

        assert isinstance(record.format, MatrixProduct)
        try:
            found = composed(how, record.format, record.ring, fetch)
        except (FormatError, InvalidSchemeError, NotFoundError) as error:
            raise damaged(record.hash, str(error)) from None
        # terms that a move merges or drops have no programs here
        same = found is not None and found.scheme.content_hash == record.hash
        return found if same else None

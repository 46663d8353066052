"""Programs with fewer additions, kept with the scheme they compute.

A scheme has at most one set of programs: those with the fewest additions that were found. They
are packed as JSON, deflated, relative to their own order of the products.

Invariant: programs go in and come out only after they were evaluated exactly and the scheme they
make has the content hash of the row. A row that does not pass is damaged, never used.
"""

from __future__ import annotations

import datetime as dt
import json
import zlib

from sqlalchemy import delete, select, update
from sqlalchemy.engine import Connection

from flipsearch.catalogue.models import ProgramsRow, SchemeRow
from flipsearch.errors import FormatError, InvalidSchemeError
from flipsearch.formats import Format
from flipsearch.programs import Reduction, reduction_from

LARGEST_BYTES = 1 << 26


def pack(reduction: Reduction) -> bytes:
    """Return programs and denominators as bytes."""
    text = json.dumps(reduction.to_dict(), separators=(",", ":"))
    return zlib.compress(text.encode(), 6)


def unpack(data: bytes, format_: Format, name: str, additions: int) -> Reduction:
    """Return the reduction that was packed, its programs evaluated again.

    Parameters
    ----------
    data : bytes
        What `pack` returned.
    format_ : Format
        Of the scheme.
    name : str
        Content hash of the scheme they must compute.
    additions : int
        How many they must need.

    Raises
    ------
    FormatError
        The bytes are no programs, or those of another scheme.
    """
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(data, LARGEST_BYTES)
        if not inflater.eof:
            raise FormatError("programs are cut off or too large")
        reduction = reduction_from(json.loads(text), format_)
    except (zlib.error, ValueError, RecursionError, InvalidSchemeError) as error:
        raise FormatError(f"programs cannot be used: {error}") from None
    if reduction.scheme.content_hash != name:
        raise FormatError("programs compute another scheme")
    if reduction.additions != additions:
        raise FormatError("programs need another number of additions than their row says")
    return reduction


def keep(connection: Connection, scheme_id: int, reduction: Reduction, label: str) -> bool:
    """Keep programs if they need fewer additions than those that are kept; say whether."""
    statement = select(ProgramsRow.additions).where(ProgramsRow.scheme_id == scheme_id)
    held = connection.execute(statement).scalar()
    if held is not None and held <= reduction.additions:
        return False
    connection.execute(delete(ProgramsRow).where(ProgramsRow.scheme_id == scheme_id))
    row = ProgramsRow.__table__.insert().values(  # type: ignore[attr-defined]
        scheme_id=scheme_id,
        additions=reduction.additions,
        data=pack(reduction),
        label=label,
        stored=dt.datetime.now(dt.UTC),
    )
    connection.execute(row)
    connection.execute(
        update(SchemeRow)
        .where(SchemeRow.id == scheme_id, SchemeRow.fewest > reduction.additions)
        .values(fewest=reduction.additions)
    )
    return True

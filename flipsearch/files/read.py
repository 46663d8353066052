"""Read schemes: the content of a piece decides its kind, and verification decides its meaning.

`read_schemes` is the one door for foreign files. Each piece of the path (a file, an archive
member, an element of a collection) gives one `Read`: a proved scheme, or the reason why not.

Invariant: every scheme that comes out satisfies the Brent equations over its ring, exactly. Any
other input is a rejection with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flipsearch.errors import FormatError, InvalidSchemeError
from flipsearch.files import arrays, fmm, linear, lists, native, products, reduced, tables
from flipsearch.files.claims import TRANSPOSED, Claim, Settled, prove, settle
from flipsearch.files.kinds import kind_of
from flipsearch.files.limits import time_limit
from flipsearch.files.matrices import Said
from flipsearch.files.pieces import Piece, pieces_of, printable
from flipsearch.formats import Format
from flipsearch.programs import Reduction
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme

_LONGEST_REASON = 500


@dataclass(frozen=True)
class Read:
    """The result of reading one piece: a proved scheme, or the reason why there is none.

    `source` is the path, with ``!member`` of an archive and ``#k`` of a collection. `kind` is the
    file format: ``json``, ``table``, ``braces``, ``maple``, ``products``, ``array`` (a numpy
    file), ``archive`` (several), ``sms``, ``slp``, ``scheme`` (our readable form), or empty.
    `scheme` is over the ring that was found; `reason` is empty if there is one. `w_order` is the
    orientation in which the file held W: ``C transposed`` or ``C``. `meta` is the provenance that
    the file carried, and `reduction` its programs with shared sums: evaluated, they compute this
    scheme.
    """

    source: str
    kind: str
    scheme: Scheme | None
    reason: str = ""
    w_order: str = ""
    meta: Mapping[str, str] = field(default_factory=dict)
    reduction: Reduction | None = None


def read_schemes(
    path: str | Path, ring: Ring | None = None, format_: Format | None = None
) -> Iterator[Read]:
    """Read every scheme of a file, folder or archive, each verified exactly, in a fixed order.

    Parameters
    ----------
    path : path
        A file of any supported format, a folder (searched through), a zip or tar archive.
    ring : Ring, optional
        Accept schemes over this ring only; Z includes ZT, and Q both. Without it the ring is what
        the file says, else found from the coefficients: characteristic 0 first, then F2, then F3.
    format_ : Format, optional
        Accept schemes for this format only. Without it the format is what the file says, else the
        only one that fits.

    Raises
    ------
    NotFoundError
        There is nothing at that path.
    """
    for piece in pieces_of(path):
        yield read_piece(piece, ring, format_)


def read_piece(piece: Piece, ring: Ring | None = None, format_: Format | None = None) -> Read:
    """Read one piece; the `reason` of the result tells any fault, no content raises an error."""
    if piece.error:
        return Read(piece.source, "", None, printable(piece.error[:_LONGEST_REASON]))
    kind = ""
    try:
        with time_limit():
            kind, text = kind_of(piece.data)
            settled = _settled(kind, text, piece, ring, format_)
            shared = settled.programs and reduced.reduction_in(settled, settled.programs)
    except (FormatError, InvalidSchemeError) as error:
        return Read(piece.source, kind, None, printable(str(error)[:_LONGEST_REASON]))
    except (RecursionError, MemoryError):
        return Read(piece.source, kind, None, "it needs too much memory or nesting")
    return Read(piece.source, kind, settled.scheme, "", settled.order, dict(settled.meta), shared)


_CLAIMS: dict[str, Callable[[str, Said], Iterable[Claim]]] = {
    "json": fmm.claims_in,
    "braces": lists.claims_in,
    "maple": lists.claims_in_maple,
    "table": tables.claims_in,
    "products": products.claims_in,
    "sms": linear.claims_of_matrices,
    "slp": linear.claims_of_programs,
}


def _settled(
    kind: str, text: str, piece: Piece, ring: Ring | None, format_: Format | None
) -> Settled:
    """Return the proved scheme of a piece."""
    known = Said(format_)
    if kind == "scheme":
        scheme, meta = native.from_text(text)
        if format_ is not None and scheme.format != format_:
            raise FormatError(f"it is for {scheme.format}, not for {format_}")
        prove(scheme)
        return Settled(scheme if ring is None else scheme.over(ring), TRANSPOSED, meta)
    name = piece.source.rpartition("/")[2]
    claims: Iterable[Claim]
    if kind == "archive":
        claims = arrays.claims_in_archive(piece.data, known)
    elif kind == "array":
        claims = arrays.claims_in(name.rpartition("!")[2], piece.data, known)
    else:
        claims = _CLAIMS[kind](text, known)
    return settle(claims, ring, format_, name)

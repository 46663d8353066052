"""Reading schemes: content decides what a piece is, verification decides what it says.

`read_schemes` is the one door for foreign files. Each piece of the path (a file, an archive
member, an element of a collection) gives one `Read`: a proved scheme, or the reason why not.

Invariant: every scheme that comes out satisfies the Brent equations over its ring, exactly; no
input makes anything but a rejection with a reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flipsearch.errors import FormatError, InvalidSchemeError
from flipsearch.files import arrays, fmm, lists, native, numeric, products, reduced
from flipsearch.files.claims import TRANSPOSED, Claim, Settled, prove, settle
from flipsearch.files.pieces import Piece, pieces_of
from flipsearch.programs import Reduction
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme


@dataclass(frozen=True)
class Read:
    """What one piece of input turned out to be.

    Parameters
    ----------
    source : str
        Path, ``!member`` of an archive, ``#k`` of a collection.
    kind : str
        The file format: ``json``, ``text``, ``braces``, ``maple``, ``products``, ``array`` (a
        numpy file), ``scheme`` (our own readable form), or empty if it is none.
    scheme : Scheme or None
        Proved, over the ring that was found.
    reason : str
        Why there is no scheme; empty if there is one.
    w_order : str
        The orientation in which the file held W: ``C transposed`` or ``C``.
    meta : mapping
        Provenance that the file carried.
    reduction : Reduction or None
        Programs with shared sums, where the file is of the addition-reduced form: evaluated, they
        compute this scheme.
    """

    source: str
    kind: str
    scheme: Scheme | None
    reason: str = ""
    w_order: str = ""
    meta: Mapping[str, str] = field(default_factory=dict)
    reduction: Reduction | None = None


def read_schemes(path: str | Path, ring: Ring | None = None) -> Iterator[Read]:
    """Read every scheme of a file, folder or archive, each verified exactly.

    Parameters
    ----------
    path : path
        A file of any supported format, a folder (searched through), a zip or tar archive.
    ring : Ring, optional
        Accept schemes over this ring only; Z includes ZT, and Q both. Without it the ring is what
        the file says, else found from the coefficients: characteristic 0 first, then F2, then F3.

    Yields
    ------
    Read
        One a scheme or rejected piece, in a fixed order.

    Raises
    ------
    NotFoundError
        There is nothing at that path.
    """
    for piece in pieces_of(path):
        yield read_piece(piece, ring)


def read_scheme(path: str | Path, ring: Ring | None = None) -> Scheme:
    """Return the one scheme of a file, verified exactly.

    Raises
    ------
    FormatError
        It is no scheme file, not valid, or holds several schemes.
    NotFoundError
        There is nothing at that path.
    """
    found = list(read_schemes(path, ring))
    if len(found) != 1:
        raise FormatError(f"{path}: it holds {len(found)} schemes instead of one")
    if found[0].scheme is None:
        raise FormatError(f"{found[0].source}: {found[0].reason}")
    return found[0].scheme


def read_piece(piece: Piece, ring: Ring | None = None) -> Read:
    """Read one piece.

    No exception is raised for any content: what is wrong is the `reason` of the result.
    """
    if piece.error:
        return Read(piece.source, "", None, piece.error)
    kind = ""
    try:
        kind, text = _recognised(piece.data)
        settled = _settled(kind, text, piece, ring)
        shared = settled.programs and reduced.reduction_in(settled, settled.programs)
    except (FormatError, InvalidSchemeError) as error:
        return Read(piece.source, kind, None, str(error))
    except (RecursionError, MemoryError):
        return Read(piece.source, kind, None, "it needs too much memory or nesting")
    return Read(piece.source, kind, settled.scheme, "", settled.order, dict(settled.meta), shared)


def _recognised(data: bytes) -> tuple[str, str]:
    """Return the kind of a piece and its text, which is empty for arrays.

    Raises
    ------
    FormatError
        It is of no kind known here.
    """
    if data[:6] == arrays.MAGIC:
        return "array", ""
    text = _text(data)
    start = text.lstrip()
    if not start:
        raise FormatError("it is empty")
    if native.is_native(text):
        return "scheme", text
    if start.startswith("{"):
        return "json" if start[1:].lstrip()[:1] in ('"', "}") else "braces", text
    for kind, matches in (
        ("text", numeric.is_numeric),
        ("maple", lists.is_maple),
        ("products", products.is_products),
    ):
        if matches(text):
            return kind, text
    raise FormatError("it is in no scheme format known here")


def _settled(kind: str, text: str, piece: Piece, ring: Ring | None) -> Settled:
    """Return the proved scheme of a piece.

    Raises
    ------
    FormatError, InvalidSchemeError
        It holds none.
    """
    if kind == "scheme":
        scheme, meta = native.from_text(text)
        prove(scheme)
        return Settled(scheme if ring is None else scheme.over(ring), TRANSPOSED, meta)
    if kind == "array":
        member = piece.source.rpartition("!")[2] if "!" in piece.source else ""
        return settle(arrays.claims_in(member.rpartition("/")[2], piece.data), ring)
    if kind == "products":
        return settle(products.claims_in(text), ring)
    claim_of = {
        "json": _json,
        "text": numeric.claim_of,
        "braces": lists.claim_of,
        "maple": lists.claim_of_maple,
    }[kind]
    return settle([claim_of(text)], ring)


def _json(text: str) -> Claim:
    return fmm.claim_of(fmm.load_json(text))


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FormatError("it is neither UTF-8 text nor a binary format known here") from None
    if "\0" in text:
        raise FormatError("it is neither UTF-8 text nor a binary format known here")
    return text

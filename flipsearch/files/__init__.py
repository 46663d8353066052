"""Community file formats, read and written: every scheme in is proved, every scheme out is exact."""

from flipsearch.files.pieces import Piece, pieces_of
from flipsearch.files.read import Read, read_piece, read_scheme, read_schemes

__all__ = [
    "Piece",
    "Read",
    "pieces_of",
    "read_piece",
    "read_scheme",
    "read_schemes",
]

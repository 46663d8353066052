"""Read and write the community's file formats: schemes are proved on reading, exact on writing.

Every reader tells a fault of a file by a `FormatError`, whose sentence ends up in the file's
`Read`.
"""

from flipsearch.files.importing import Progress, read_many
from flipsearch.files.pieces import Piece, pieces_of
from flipsearch.files.read import Read, read_piece, read_schemes
from flipsearch.files.write import SUFFIXES, file_name, to_bytes, write_atomically

__all__ = [
    "SUFFIXES",
    "Piece",
    "Progress",
    "Read",
    "file_name",
    "pieces_of",
    "read_many",
    "read_piece",
    "read_schemes",
    "to_bytes",
    "write_atomically",
]

"""Read, write and convert scheme files by their names: the functions of the public API.

Invariant: a scheme that is read is proved, and a file that is written reads back as the same
scheme.
"""

from __future__ import annotations

import os
from pathlib import Path

from flipsearch.errors import FormatError, UsageError
from flipsearch.files.read import read_schemes
from flipsearch.files.write import SUFFIXES, to_bytes, write_atomically
from flipsearch.formats import Format
from flipsearch.formats.named import format_of
from flipsearch.programs import Reduction
from flipsearch.rings import Ring, parse_ring
from flipsearch.scheme import Scheme

PathLike = str | os.PathLike[str]


def read(
    path: PathLike, ring: Ring | str | None = None, format: Format | str | None = None
) -> Scheme:
    """Return the one scheme of a file in any of the formats known, proved.

    Parameters
    ----------
    path : path
        A file of the community's formats or ours; its content tells which.
    ring : Ring or str, optional
        Accept schemes over this ring only; Z includes ZT, and Q both.
    format : Format or str, optional
        Accept schemes for this format only, also from a file that names none.

    Raises
    ------
    FormatError
        It is no scheme file, its scheme is not valid, or it holds several.
    NotFoundError
        There is nothing at that path.

    Examples
    --------
    >>> import tempfile
    >>> from flipsearch.scheme import naive_scheme
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = write(naive_scheme("2x2x2", "ZT"), folder.name + "/naive.txt")
    >>> read(path, "ZT", "2x2x2").rank
    8
    """
    pinned = None if ring is None else parse_ring(ring)
    found = list(read_schemes(Path(path), pinned, None if format is None else format_of(format)))
    if len(found) != 1:
        raise FormatError(f"{path}: it holds {len(found)} schemes instead of one")
    if found[0].scheme is None:
        raise FormatError(f"{found[0].source}: {found[0].reason}")
    return found[0].scheme


def write(
    scheme: Scheme,
    path: PathLike,
    to: str | None = None,
    *,
    force: bool = False,
    reduction: Reduction | None = None,
    **meta: str,
) -> Path:
    """Write a scheme to a file, whole or not at all; return the file's path.

    Parameters
    ----------
    scheme : Scheme
    path : path
        The file; its folder must exist.
    to : str, optional
        A file format (`flipsearch.files.SUFFIXES`); by default that of the file's name.
    force : bool
        Whether an existing file may be replaced.
    reduction : Reduction, optional
        The programs that a ``reduced`` or ``slp`` file holds.
    **meta : str
        Provenance, for formats that have a place for it; underscores in names become hyphens.

    Raises
    ------
    UsageError, FormatError
        No file format has that name, or the file is there already; or the format cannot hold this
        scheme.
    NotFoundError, OSError
        The folder is not there, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from flipsearch.scheme import naive_scheme
    >>> folder = tempfile.TemporaryDirectory()
    >>> write(naive_scheme("2x2x2", "F2"), folder.name + "/naive.scheme.txt").name
    'naive.scheme.txt'
    """
    target = Path(path)
    said = {key.replace("_", "-"): value for key, value in meta.items()}
    data = to_bytes(scheme, to or _format_of_name(target), said, reduction)
    write_atomically(target, data, force=force)
    return target


def convert(
    source: PathLike,
    target: PathLike,
    ring: Ring | str | None = None,
    *,
    format: Format | str | None = None,
    to: str | None = None,
    force: bool = False,
) -> Scheme:
    """Read the scheme of one file, prove it, and write it to another; return it.

    Parameters
    ----------
    source, ring, format
        As for `read`; over `ring` the scheme is written.
    target, to, force
        As for `write`.

    Examples
    --------
    >>> import tempfile
    >>> from flipsearch.scheme import naive_scheme
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = write(naive_scheme("2x2x2", "ZT"), folder.name + "/naive.json")
    >>> convert(path, folder.name + "/naive.m").rank
    8
    """
    scheme = read(source, ring, format)
    write(scheme, target, to, force=force)
    return scheme


def _format_of_name(path: Path) -> str:
    """Return the file format of a name's ending, the longest that fits."""
    fitting = [to for to, suffix in SUFFIXES.items() if path.name.endswith(suffix)]
    if not fitting:
        raise UsageError(
            f"{path.name} does not tell its format: end it in one of {' '.join(SUFFIXES.values())}"
        )
    return max(fitting, key=lambda to: len(SUFFIXES[to]))

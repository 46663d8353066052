"""Read, write and convert scheme files by their names: the functions of the public API.

Invariant: what is read is proved, and what is written reads back as the same scheme.
"""

from __future__ import annotations

import os
from pathlib import Path

from flipsearch.errors import UsageError
from flipsearch.files.read import read_scheme
from flipsearch.files.write import SUFFIXES, write_scheme
from flipsearch.rings import Ring, parse_ring
from flipsearch.scheme import Scheme


def read(path: str | os.PathLike[str], ring: Ring | str | None = None) -> Scheme:
    """Return the one scheme of a file in any of the formats known, proved.

    Parameters
    ----------
    path : path
        A file of the community's formats or ours; its content tells which.
    ring : Ring or str, optional
        Accept schemes over this ring only; Z includes ZT, and Q both.

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
    >>> read(path, "ZT").rank
    8
    """
    return read_scheme(os.fspath(path), None if ring is None else parse_ring(ring))


def write(
    scheme: Scheme,
    path: str | os.PathLike[str],
    to: str | None = None,
    *,
    force: bool = False,
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
    **meta : str
        Provenance, for formats that have a place for it.

    Raises
    ------
    UsageError
        No file format has that name, or the file is there already.
    FormatError
        That file format cannot hold this scheme.

    Examples
    --------
    >>> import tempfile
    >>> from flipsearch.scheme import naive_scheme
    >>> folder = tempfile.TemporaryDirectory()
    >>> write(naive_scheme("2x2x2", "F2"), folder.name + "/naive.scheme.txt").name
    'naive.scheme.txt'
    """
    to = to or _format_of_name(Path(path))
    return write_scheme(scheme, Path(path), to, force=force, reduction=None, **meta)


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    ring: Ring | str | None = None,
    *,
    to: str | None = None,
    force: bool = False,
) -> Scheme:
    """Read the scheme of one file, prove it, and write it to another; return it.

    Parameters
    ----------
    source, ring
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
    scheme = read(source, ring)
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

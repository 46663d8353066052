"""Tensors by name: ``toy:3`` is made from the text ``3`` by what is registered as ``toy``.

A tensor of another package is found by `register_tensor`, or by an entry point of the group
``flipsearch.tensors`` whose name is the tensor's and whose object makes it.

Invariant: the label of a tensor that is made is its name with ``-`` for ``:``. A stored name such
as ``tensor:toy-3:0123456789ab`` therefore reads back, and its digest proves the definition.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from flipsearch.errors import UsageError
from flipsearch.formats.format import Format, parse_format
from flipsearch.formats.tensors import SparseTensor, read_tensor
from flipsearch.registry import Registry

Maker = Callable[[str], SparseTensor]

_NAME = re.compile(r"[a-z][a-z0-9]{2,19}")
TENSORS: Registry[Maker] = Registry("tensor")


def register_tensor(name: str, maker: Maker) -> None:
    """Make a family of tensors known by a name.

    Parameters
    ----------
    name : str
        3 to 20 lower-case letters and digits.
    maker : function
        From the text after the colon to the tensor. It raises a `UsageError` for a text that
        means none.

    Raises
    ------
    UsageError
        The name is not of that form, or another family has it.

    Examples
    --------
    >>> from flipsearch.formats.tensors import sparse_tensor
    >>> def dot(text):  # dot:3 is the scalar product of vectors of three entries
    ...     return sparse_tensor(f"dot-{text}", [(i, i, 0, 1) for i in range(int(text))])
    >>> register_tensor("dot", dot)
    >>> named_format("dot:3").dimensions
    (3, 3, 1)
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a tensor: take 3 to 20 lower-case letters")
    TENSORS.register(name, maker)


def named_format(text: str) -> Format:
    """Return the format of any name: a matrix product, ``toy:3``, or a tensor's stored name.

    Raises
    ------
    UsageError
        There is no such format, or it is not the one that was stored.
    """
    plain = text.strip().lower()
    family, colon, rest = plain.partition(":")
    if family == "tensor":
        family, _, rest = rest.partition(":")[0].partition("-")
    maker = TENSORS.find(family) if colon and _NAME.fullmatch(family) else None
    if maker is None:
        if plain.startswith("tensor:"):
            raise UsageError(f"{plain}: nobody here makes tensors called {family!r}")
        return parse_format(text)
    tensor = maker(rest)
    if tensor.label != f"{family}-{rest.replace(':', '-')}":
        raise UsageError(f"the tensor {family}:{rest} calls itself {tensor.label}")
    if plain.startswith("tensor:") and tensor.name != plain:
        raise UsageError(f"{plain} is stored, but {family}:{rest} is now {tensor.name}")
    return tensor


def format_of(value: str | os.PathLike[str] | Format) -> Format:
    """Return a format as it is, by any name, or from a tensor file.

    Text is the path of a file if it has a folder or ends in ``.tns``.

    Raises
    ------
    UsageError, FormatError
        There is no such format or file, or the file is none of a tensor.

    Examples
    --------
    >>> format_of("4x5x6").dimensions
    (20, 30, 24)
    """
    if isinstance(value, Format):
        return value
    if isinstance(value, str) and not (os.sep in value or value.endswith(".tns")):
        return named_format(value)
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"a format is a name, a path or a Format, not {type(value).__name__}")
    return read_tensor(os.fspath(value))

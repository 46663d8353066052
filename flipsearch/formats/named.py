"""Formats by name: matrix products, tensors of the families, and tensor files by their paths.

The family ``poly`` of `flipsearch.formats.tensors` makes ``poly:5x5`` from the text ``5x5``.
Another package adds a family by `register_tensor`, or by an entry point of the group
``flipsearch.tensors``; its name is the family's, and its object makes the tensor.

Invariant: the label of a tensor that is made is its name with ``-`` for ``:``. A stored name such
as ``tensor:toy-3:0123456789ab`` therefore reads back, and its digest proves the definition.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from flipsearch.errors import FlipsearchError, UsageError
from flipsearch.formats.format import Format, is_product, parse_format
from flipsearch.formats.sparse import SparseTensor, read_tensor
from flipsearch.formats.tensors import FAMILIES, read_patterns
from flipsearch.registry import Registry

EXAMPLES = ("poly:5x5", "cyclic:7", "complex:2x2x2", "quaternion", "group:S3", "toeplitz:4")
Maker = Callable[[str], SparseTensor]

_NAME = re.compile(r"[a-z][a-z0-9]{2,19}")
TENSORS: Registry[Maker] = Registry("tensor", reserved=("masked", "tensor"))
for _family, _maker in FAMILIES.items():
    TENSORS.register(_family, _maker)


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
    >>> from flipsearch.formats.sparse import sparse_tensor
    >>> def dot(text):  # dot:3 is the scalar product of vectors of three entries
    ...     return sparse_tensor(f"dot-{text}", [(i, i, 0, 1) for i in range(int(text))])
    >>> register_tensor("dot", dot)
    >>> named_format("dot:3").dimensions
    (3, 3, 1)
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a tensor: take 3 to 20 lower-case letters")
    TENSORS.register(name, maker)


def format_of(value: str | os.PathLike[str] | Format) -> Format:
    """Return the format that a user names: as it is, by any name, or from a file.

    Text is the path of a tensor file if it ends in ``.tns``, or if there is such a file and it is
    no matrix product's name. ``masked:PATH`` names a file of patterns. Raises `UsageError` or
    `FormatError` if there is no such format or file, or the file is none of a tensor.

    Examples
    --------
    >>> format_of("4x5x6").dimensions, format_of("poly:2x3").dimensions
    ((20, 30, 24), (2, 3, 4))
    """
    if isinstance(value, Format):
        return value
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"a format is a name, a path or a Format, not {type(value).__name__}")
    text = os.fspath(value).strip()
    family, _, path = text.partition(":")
    if family == "masked":
        return read_patterns(path)
    if text.endswith(".tns") or (not is_product(text) and Path(text).is_file()):
        return read_tensor(text)
    return named_format(text)


def named_format(text: str) -> Format:
    """Return the format of any name: a matrix product's, or that of a family's tensor.

    Such as ``4x5x6`` or ``gt:4x4x4``; ``poly:5x5``, or what another package registers; or the name
    under which a family's tensor is stored, ``tensor:poly-5x5:`` and a digest. Raises `UsageError`
    if there is no such format, or it is not the one that was stored.
    """
    plain = text.strip().lower()
    if is_product(plain):
        return parse_format(plain)
    family, _, rest = plain.partition(":")
    stored = family == "tensor"
    if stored:
        family, _, rest = rest.partition(":")[0].partition("-")
        rest = rest.replace("-", ":")
    maker = TENSORS.find(family) if _NAME.fullmatch(family) else None
    if maker is None:
        if stored:
            raise UsageError(f"{plain}: nobody here makes tensors called {family!r}")
        raise UsageError(
            f"unknown format {text[:80]!r}: write sizes such as 4x5x12, operands and sizes such "
            f"as ug:4x4x4, a tensor such as {', '.join(EXAMPLES)}, or a tensor file"
        )
    tensor = maker(rest)
    label = f"{family}-{rest}".replace(":", "-").rstrip("-")
    if tensor.label != label:
        raise UsageError(f"the tensor {family}:{rest} calls itself {tensor.label}")
    if stored and tensor.name != plain:
        raise UsageError(f"{plain} is stored, but {family}:{rest} is now {tensor.name}")
    return tensor


def short_name(format_: Format | str) -> str:
    """Return the shortest name of a format that `named_format` reads: ``poly:5x5``.

    Of a stored name whose tensor no family makes, that name is returned.
    """
    if isinstance(format_, str):
        try:
            return short_name(named_format(format_)) if format_[:7] == "tensor:" else format_
        except FlipsearchError:
            return format_
    if isinstance(format_, SparseTensor):
        family, _, rest = format_.label.partition("-")
        text = f"{family}:{rest.replace('-', ':')}".rstrip(":")
        with suppress(FlipsearchError):
            if named_format(text) == format_:
                return text
    return format_.name

"""Any bilinear map, given as a sparse tensor: a tensor file, or one made by a program.

A tensor file is text in the FROSTT form (``.tns``): a line a nonzero entry, ``a b c value``,
indices from 1, integer values; ``#`` starts a comment. Two comments are read: ``# name: poly3x3``
and ``# dimensions: 3 3 5`` (otherwise each dimension is the largest index seen). The entry
(a, b, c) means that output c receives value * A[a] * B[b].

Invariant: a tensor's name ends with a digest of its dimensions and entries. Two tensors therefore
have one name exactly when they are equal, whatever file they came from. A name alone does not give
the entries back: `parse_format` cannot read it, `read_tensor` reads the file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from flipsearch.errors import FormatError, UsageError
from flipsearch.formats.format import Format
from flipsearch.rings import IntArray

LARGEST_DIMENSION = 256
LARGEST_VALUE = 2**31
MOST_ENTRIES = 1_000_000
LARGEST_FILE = 1 << 26
_LABEL = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")
_COMMENT = re.compile(r"#\s*(name|dimensions)\s*:\s*(.*?)\s*")

Entry = tuple[int, int, int, int]


@dataclass(frozen=True)
class SparseTensor(Format):
    """A bilinear map A, B -> C with C[c] the sum of value * A[a] * B[b] over its entries.

    Raises `FormatError` if an argument is not of this form.

    Parameters
    ----------
    label : str
        Lower-case letters, digits, dots and hyphens, at most 40.
    sizes : (dU, dV, dW)
        Lengths of A, B and C, 1 to 256.
    entries : tuple of (a, b, c, value)
        Indices from 0, sorted, each triple once, no zero value (see `sparse_tensor`).
    """

    label: str
    sizes: tuple[int, int, int]
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        if not _LABEL.fullmatch(self.label):
            raise FormatError(
                f"{self.label!r} cannot name a tensor: use up to 40 lower-case letters, digits, "
                "dots and hyphens"
            )
        if not all(1 <= size <= LARGEST_DIMENSION for size in self.sizes):
            raise FormatError(f"dimensions of a tensor are 1 to {LARGEST_DIMENSION}: {self.sizes}")
        triples = [entry[:3] for entry in self.entries]
        if any(first >= second for first, second in pairwise(triples)):
            raise FormatError("entries of a tensor must be sorted and distinct")
        for *indices, value in self.entries:
            if any(not 0 <= x < size for x, size in zip(indices, self.sizes, strict=True)):
                raise FormatError(f"entry {tuple(indices)} lies outside dimensions {self.sizes}")
            if not 0 < abs(value) < LARGEST_VALUE:
                raise FormatError(f"entry {tuple(indices)} has value {value}: use 1 to 2^31 - 1")

    @cached_property
    def digest(self) -> str:
        """SHA-256 (64 hex digits) of dimensions and entries."""
        text = repr((self.sizes, self.entries))
        return hashlib.sha256(f"flipsearch tensor 1\n{text}".encode()).hexdigest()

    @property
    def name(self) -> str:  # type: ignore[override]
        """``tensor:poly3x3:`` and the first 12 digits of the digest."""
        return f"tensor:{self.label}:{self.digest[:12]}"

    @property
    def dimensions(self) -> tuple[int, int, int]:
        """(dU, dV, dW)."""
        return self.sizes

    @cached_property
    def naive_terms(self) -> IntArray:
        """One product for each entry, shape (N, 4); the last column is the entry's value."""
        return np.array(self.entries, dtype=np.int64).reshape(-1, 4)

    def variable(self, slot: int, index: int) -> str:
        """Return ``a1``, ``b1`` or ``c1``, indices from 1."""
        return f"{'abc'[slot]}{index + 1}"


def sparse_tensor(
    label: str, entries: Iterable[Entry], sizes: tuple[int, int, int] | None = None
) -> SparseTensor:
    """Return the tensor with these entries, in any order; repeated ones are added up.

    Parameters
    ----------
    entries : iterable of (a, b, c, value)
        Indices from 0.
    sizes : (dU, dV, dW), optional
        Lengths of A, B and C; by default one more than the largest indices.

    Raises
    ------
    FormatError
        Too large, or nothing is left.
    """
    total: dict[tuple[int, int, int], int] = {}
    for a, b, c, value in entries:
        total[a, b, c] = total.get((a, b, c), 0) + value
        if len(total) > MOST_ENTRIES:
            raise FormatError(f"a tensor may have {MOST_ENTRIES:,} entries at most")
    rows = tuple((*key, value) for key, value in sorted(total.items()) if value)
    if not rows:
        raise FormatError(f"tensor {label} has no nonzero entry")
    if sizes is None:
        largest = [max(row[k] for row in rows) + 1 for k in range(3)]
        sizes = largest[0], largest[1], largest[2]
    return SparseTensor(label, sizes, rows)


def read_tensor(path: str | Path) -> SparseTensor:
    """Read a tensor file; its stem is the label unless a comment names one.

    Raises `FormatError` if a line is not four integers, an index or value is out of range, or the
    file is no text.
    """
    return parse_tensor(read_text(path), label_of(Path(path).stem))


def label_of(name: str) -> str:
    """Return a label made of a file's name: what a label cannot hold becomes hyphens."""
    return re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-.")[:40] or "map"


def read_text(path: str | Path) -> str:
    """Return the text of a file that describes a tensor.

    Raises `UsageError` or `FormatError` if it cannot be read, is too large, or is no text.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise FormatError(f"{path} is too large for a tensor: at most {LARGEST_FILE >> 20} MB")
        return data.decode("utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FormatError(f"{path} is not a text file") from None


def parse_tensor(text: str, label: str = "map") -> SparseTensor:
    """Return the tensor that the text of a tensor file describes.

    The label counts unless a comment ``# name:`` gives one. Raises `FormatError` if the text is
    not of that form.
    """
    sizes: tuple[int, int, int] | None = None
    entries: list[Entry] = []
    for number, line in enumerate(text.splitlines(), start=1):
        comment = _COMMENT.fullmatch(line.strip())
        if comment is not None:
            key, value = comment.groups()
            if key == "name":
                label = value
            else:
                sizes = _integers(value, 3, number)[:3]  # type: ignore[assignment]
        row = line.split("#", 1)[0]
        if row.strip():
            a, b, c, value_ = _integers(row, 4, number)
            entries.append((a - 1, b - 1, c - 1, value_))
            if len(entries) > MOST_ENTRIES:
                raise FormatError(f"a tensor may have {MOST_ENTRIES:,} entries at most")
    if any(min(entry[:3]) < 0 for entry in entries):
        raise FormatError("indices in a tensor file start at 1")
    return sparse_tensor(label, entries, sizes)


def _integers(text: str, count: int, line: int) -> tuple[int, ...]:
    parts = text.replace(",", " ").split()
    if len(parts) != count or any(not re.fullmatch(r"[+-]?\d{1,10}", part) for part in parts):
        raise FormatError(
            f"line {line} of the tensor: {count} integers wanted, not {text.strip()!r}"
        )
    return tuple(int(part) for part in parts)


def tensor_text(tensor: Format, label: str | None = None) -> str:
    """Return the text of a tensor file for any format; parsing it gives back an equal tensor."""
    name = label or getattr(tensor, "label", None) or re.sub(r"[^a-z0-9.-]+", "-", tensor.name)
    lines = [f"# name: {name}", f"# dimensions: {' '.join(map(str, tensor.dimensions))}"]
    for a, b, c, value in tensor.target.tolist():
        lines.append(f"{a + 1} {b + 1} {c + 1} {value}")
    return "\n".join(lines) + "\n"

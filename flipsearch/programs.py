"""Hold straight-line programs, and schemes given by three of them with few additions.

A program computes linear forms by additions, one a step. Multiplications by constants do not
count. Tellegen's theorem: a program with r outputs and c inputs, all of them used, run backwards
computes the transposed matrix with r - c more additions (`transposed`). A factor may therefore be
shortened from either side.

Invariant: a step refers to earlier variables only and costs exactly one addition. If
`reduction_of` or `Reduction.check` accepts a `Reduction`, it computes its scheme exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flipsearch.errors import FormatError, InvalidSchemeError
from flipsearch.formats import Format
from flipsearch.normal import LARGEST_COEFFICIENT
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme

Step = tuple[int, int, int, int]  # coefficient, variable, coefficient, variable
Output = tuple[int, int]  # coefficient, variable; coefficient 0 for the zero form
_ELEMENTS = 1 << 22
LARGEST_PROGRAM = 200_000
"""Largest number of steps of an unchecked program; 16x16x16 schemes need fewer."""
_MOST_WORK = 100_000_000


@dataclass(frozen=True)
class Program:
    """A straight-line program; step s defines variable inputs + s.

    Parameters
    ----------
    inputs : int
        Number of input variables, which are numbered first.
    steps : tuple of (p, x, q, y)
        The new variable is p * x + q * y.
    outputs : tuple of (p, x)
        Output k is p * x.
    """

    inputs: int
    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]

    @property
    def additions(self) -> int:
        """The number of additions."""
        return len(self.steps)

    def matrix(self, ring: Ring = Ring.Z) -> IntArray:
        """Compute the program's matrix, shape (outputs, inputs), over F2 and F3 modulo 2 or 3.

        Raises `OverflowError` if a coefficient is beyond 64 bits.
        """
        count = self.inputs + len(self.steps)
        limit = 2**62
        sizes = [1] * self.inputs
        for p, x, q, y in self.steps:  # bounds on the coefficients, capped at the limit
            size = min(limit, abs(p) * sizes[x] + abs(q) * sizes[y])
            sizes.append(1 if size < limit and ring.characteristic else size)
        if limit in sizes or any(abs(p) * sizes[x] >= limit for p, x in self.outputs):
            return ring.balanced(self._matrix_in_long_integers())
        result = np.zeros((len(self.outputs), self.inputs), dtype=np.int64)
        width = max(1, _ELEMENTS // max(1, count))
        for start in range(0, self.inputs, width):
            stop = min(start + width, self.inputs)
            rows = np.zeros((count, stop - start), dtype=np.int64)
            rows[np.arange(start, stop), np.arange(stop - start)] = 1
            for row, (p, x, q, y) in enumerate(self.steps, start=self.inputs):
                rows[row] = ring.balanced(p * rows[x] + q * rows[y])
            for k, (p, x) in enumerate(self.outputs):
                result[k, start:stop] = ring.balanced(p * rows[x])
        return result

    def _matrix_in_long_integers(self) -> IntArray:
        rows: list[list[int]] = [
            [int(x == y) for x in range(self.inputs)] for y in range(self.inputs)
        ]
        for p, x, q, y in self.steps:
            row = [p * s + q * t for s, t in zip(rows[x], rows[y], strict=True)]
            if max(row, default=0) >= 2**63 or min(row, default=0) < -(2**63):
                raise OverflowError("a coefficient of a program is beyond 64 bits")
            rows.append(row)
        values = [[p * s for s in rows[x]] for p, x in self.outputs]
        return np.array(values, dtype=np.int64).reshape(len(self.outputs), self.inputs)


def chained(inputs: int, shared: list[Step], rows: list[list[tuple[int, int]]]) -> Program:
    """Return the program that computes shared sums first and then adds up each row.

    The shared sums are variables `inputs`, `inputs` + 1 and so on. The rows are the outputs as
    sums of terms (coefficient, variable).
    """
    steps = list(shared)
    outputs = tuple(summed(row, inputs, steps) for row in rows)
    return Program(inputs, tuple(steps), outputs)


def summed(terms: Sequence[Output], inputs: int, steps: list[Step]) -> Output:
    """Add up terms (coefficient, variable), a step each, and return where the sum is.

    Without terms it is the zero form. The steps of the sum are appended to `steps`, those of the
    program so far.
    """
    if not terms:
        return 0, 0
    coefficient, variable = terms[0]
    for q, y in terms[1:]:
        steps.append((coefficient, variable, q, y))
        coefficient, variable = 1, inputs + len(steps) - 1
    return coefficient, variable


def plain_programs(scheme: Scheme) -> tuple[Program, Program, Program]:
    """Return programs (left, right, output) that add up each linear form on its own."""
    u, v, w = scheme.factors
    left, right, output = (
        chained(
            matrix.shape[1],
            [],
            [[(int(row[k]), int(k)) for k in row.nonzero()[0]] for row in matrix],
        )
        for matrix in (u, v, w.T)
    )
    return left, right, output


def transposed(program: Program) -> Program:
    """Return a program for the transposed matrix: the given program run backwards.

    By Tellegen's theorem it has ``program.additions`` + r - c additions, where r outputs and c
    inputs of the given program are used.
    """
    count = program.inputs + len(program.steps)
    uses: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for k, (p, x) in enumerate(program.outputs):
        if p:
            uses[x].append((p, k))
    inputs = len(program.outputs)
    steps: list[Step] = []

    for index in range(len(program.steps) - 1, -1, -1):
        coefficient, variable = summed(uses[program.inputs + index], inputs, steps)
        if coefficient:
            p, x, q, y = program.steps[index]
            uses[x].append((p * coefficient, variable))
            uses[y].append((q * coefficient, variable))
    outputs = tuple(summed(uses[x], inputs, steps) for x in range(program.inputs))
    return Program(inputs, tuple(steps), outputs)


@dataclass(frozen=True)
class Reduction:
    """A scheme and programs for its three linear parts.

    Parameters
    ----------
    left, right : Program
        Compute the R left (right) operands from the entries of A (of B).
    output : Program
        Computes the entries of C from the R products, each divided by its term's denominator.
    """

    scheme: Scheme
    left: Program
    right: Program
    output: Program

    @property
    def additions(self) -> int:
        """The number of additions of all three programs."""
        return self.left.additions + self.right.additions + self.output.additions

    @property
    def parts(self) -> tuple[int, int, int]:
        """The numbers of additions for A, for B and for C."""
        return self.left.additions, self.right.additions, self.output.additions

    @property
    def programs(self) -> tuple[Program, Program, Program]:
        """The programs (left, right, output)."""
        return self.left, self.right, self.output

    def check(self) -> None:
        """Prove that the programs compute the scheme's factors, entry by entry.

        Raises `InvalidSchemeError`, which names the program, if one computes another matrix.
        """
        u, v, w = self.scheme.factors
        for name, program, factor in zip(
            ("left", "right", "output"), self.programs, (u, v, w.T), strict=True
        ):
            if not np.array_equal(matrix_of(program, self.scheme.ring), factor):
                raise InvalidSchemeError(f"the {name} program does not compute its factor")

    def to_dict(self) -> dict[str, Any]:
        """Return programs and denominators as JSON values; `reduction_from` reads them."""
        record: dict[str, Any] = {
            name: {
                "inputs": program.inputs,
                "steps": [list(step) for step in program.steps],
                "outputs": [list(output) for output in program.outputs],
            }
            for name, program in zip(("left", "right", "output"), self.programs, strict=True)
        }
        if self.scheme.ring.characteristic:
            record["ring"] = self.scheme.ring.value
        if (self.scheme.denominators != 1).any():
            record["denominators"] = self.scheme.denominators.tolist()
        return record


def plain_reduction(scheme: Scheme) -> Reduction:
    """Return a scheme with programs that add up each linear form on its own."""
    return Reduction(scheme, *plain_programs(scheme))


def matrix_of(program: Program, ring: Ring = Ring.Z) -> IntArray:
    """Return the matrix of an unchecked program, over F2 and F3 modulo 2 or 3.

    Raises `InvalidSchemeError` if the program has absurdly many steps or inputs, or a coefficient
    is 2^62 or more.
    """
    count = len(program.steps)
    if count > LARGEST_PROGRAM or max(count, program.inputs) * program.inputs > _MOST_WORK:
        raise InvalidSchemeError("a program has absurdly many steps or inputs")
    try:
        matrix = program.matrix(ring)
    except OverflowError:
        raise InvalidSchemeError("a program has a coefficient of 2^62 or more") from None
    if np.abs(matrix).max(initial=0) >= LARGEST_COEFFICIENT:
        raise InvalidSchemeError("a program has a coefficient of 2^62 or more")
    return matrix


def reduction_of(
    format_: Format,
    left: Program,
    right: Program,
    output: Program,
    denominators: Sequence[int] | None = None,
    ring: Ring = Ring.Z,
) -> Reduction:
    """Return the programs with the scheme that they compute.

    The scheme is over F2 or F3 if `ring` is, otherwise over the smallest of ZT, Z and Q that holds
    it. It is not verified here: it may compute another map than the format. Raises
    `InvalidSchemeError` if the programs do not fit together, or a coefficient is too large.
    """
    rank = len(left.outputs)
    shapes = [(program.inputs, len(program.outputs)) for program in (left, right, output)]
    du, dv, dw = format_.dimensions
    if shapes != [(du, rank), (dv, rank), (rank, dw)]:
        raise InvalidSchemeError(f"the programs do not have the inputs and outputs of {format_}")
    over = ring if ring.characteristic else Ring.Z
    u, v, outputs = (matrix_of(program, over) for program in (left, right, output))
    below = None if denominators is None else np.array(denominators, dtype=np.int64)
    if over is Ring.Z and below is not None and (below != 1).any():
        over = Ring.Q
    try:
        scheme = Scheme(format_, over, u, v, outputs.T, below)
        natural = scheme.natural_ring
        if natural is Ring.ZT and all(Ring.ZT.contains(matrix) for matrix in scheme.factors):
            scheme = scheme.over(natural)
    except FormatError as error:
        raise InvalidSchemeError(f"the programs make no scheme: {error}") from None
    return Reduction(scheme, left, right, output)


def reduction_from(value: Any, format_: Format) -> Reduction:
    """Read the JSON values of `Reduction.to_dict` and check all of them.

    Raises `FormatError` if they describe no programs; `InvalidSchemeError` as `reduction_of` does.
    """
    if not isinstance(value, dict):
        raise FormatError("programs are no JSON object")
    left, right, output = (_program(value.get(name)) for name in ("left", "right", "output"))
    below = value.get("denominators")
    if below is not None:
        _integers(below)
    ring = value.get("ring", Ring.Z.value)
    if ring not in (Ring.Z.value, Ring.F2.value, Ring.F3.value):
        raise FormatError("programs are over the integers, F2 or F3")
    return reduction_of(format_, left, right, output, below, Ring(ring))


def _program(value: Any) -> Program:
    """Return a program from JSON values.

    Raises `FormatError` if a value is no integer or too large, or a step refers to a later
    variable.
    """
    if not isinstance(value, dict) or not all(
        isinstance(value.get(name), list) for name in ("steps", "outputs")
    ):
        raise FormatError("a program needs 'inputs', 'steps' and 'outputs'")
    (inputs,) = _integers([value.get("inputs")])
    steps: list[Step] = []
    for place, step in enumerate(value["steps"]):
        p, x, q, y = _integers(step, 4)
        if not (0 <= x < inputs + place and 0 <= y < inputs + place):
            raise FormatError(f"step {place} of a program refers to a variable that is not there")
        steps.append((p, x, q, y))
    outputs: list[Output] = []
    for output in value["outputs"]:
        p, x = _integers(output, 2)
        if not 0 <= x < inputs + len(steps):
            raise FormatError("an output of a program refers to a variable that is not there")
        outputs.append((p, x))
    return Program(inputs, tuple(steps), tuple(outputs))


def _integers(values: Any, count: int | None = None) -> list[int]:
    if not isinstance(values, list) or (count is not None and len(values) != count):
        raise FormatError("a program holds a list of a wrong length")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int):
            raise FormatError("a program holds something that is no integer")
        if abs(value) >= LARGEST_COEFFICIENT:
            raise FormatError("a program holds a number of 2^62 or more")
    return list(values)

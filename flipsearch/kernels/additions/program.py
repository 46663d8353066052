"""Straight-line programs: linear forms computed by additions, one a step.

Multiplications by constants are not counted, as usual. Tellegen's theorem in this setting: the
reverse of a program with r outputs and c inputs, all of them used, computes the transposed matrix
with r - c additions more (`transposed`), so that a factor may be shortened from either side.

Invariant: a step refers to earlier variables only, and costs exactly one addition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flipsearch.rings import IntArray

Step = tuple[int, int, int, int]  # coefficient, variable, coefficient, variable
Output = tuple[int, int]  # coefficient, variable; coefficient 0 for the zero form


@dataclass(frozen=True)
class Program:
    """A program on `inputs` variables, numbered first; step s defines variable inputs + s.

    Parameters
    ----------
    inputs : int
        Number of input variables.
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
        """Number of additions."""
        return len(self.steps)

    def matrix(self) -> IntArray:
        """Return the matrix it computes, exactly; shape (outputs, inputs).

        Raises
        ------
        OverflowError
            A coefficient is beyond 64 bits.
        """
        rows: list[list[int]] = [
            [int(x == y) for x in range(self.inputs)] for y in range(self.inputs)
        ]
        for p, x, q, y in self.steps:
            rows.append([p * s + q * t for s, t in zip(rows[x], rows[y], strict=True)])
        values = [[p * s for s in rows[x]] for p, x in self.outputs]
        return np.array(values, dtype=np.int64).reshape(len(self.outputs), self.inputs)


def chained(inputs: int, shared: list[Step], rows: list[list[tuple[int, int]]]) -> Program:
    """Return the program that forms shared sums first and then adds up each row.

    Parameters
    ----------
    inputs : int
        Number of input variables.
    shared : list of steps
        Define variables from `inputs` on.
    rows : list of lists of (coefficient, variable)
        The outputs as sums of inputs and shared sums.
    """
    steps = list(shared)
    outputs: list[Output] = []
    for row in rows:
        if not row:
            outputs.append((0, 0))
            continue
        coefficient, variable = row[0]
        for q, y in row[1:]:
            steps.append((coefficient, variable, q, y))
            coefficient, variable = 1, inputs + len(steps) - 1
        outputs.append((coefficient, variable))
    return Program(inputs, tuple(steps), tuple(outputs))


def transposed(program: Program) -> Program:
    """Return a program for the transposed matrix, the given one run backwards.

    It takes `additions` + inputs used - outputs used (with roles exchanged: see the module).
    """
    count = program.inputs + len(program.steps)
    uses: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for k, (p, x) in enumerate(program.outputs):
        if p:
            uses[x].append((p, k))
    inputs = len(program.outputs)
    steps: list[Step] = []

    def added(terms: list[tuple[int, int]]) -> tuple[int, int]:
        if not terms:
            return 0, 0
        coefficient, variable = terms[0]
        for q, y in terms[1:]:
            steps.append((coefficient, variable, q, y))
            coefficient, variable = 1, inputs + len(steps) - 1
        return coefficient, variable

    for index in range(len(program.steps) - 1, -1, -1):
        coefficient, variable = added(uses[program.inputs + index])
        if coefficient:
            p, x, q, y = program.steps[index]
            uses[x].append((p * coefficient, variable))
            uses[y].append((q * coefficient, variable))
    outputs = tuple(added(uses[x]) for x in range(program.inputs))
    return Program(inputs, tuple(steps), outputs)

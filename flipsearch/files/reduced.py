"""Read and write the addition-reduced JSON form: sums under names of their own, fewer additions.

``u_fresh``, ``v_fresh`` and ``w_fresh`` list sums that are formed once; they are variables with
the numbers after the inputs. The rows of ``u`` and ``v`` are products' operands. Those of ``w``
are entries of C (transposed) over the products and the sums of products. A sum of k terms costs k
- 1 additions.

Invariant: reading gives exactly the programs that were written, with their additions. A program is
believed only after it was evaluated.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flipsearch.errors import FormatError, InvalidSchemeError
from flipsearch.files.claims import PLAIN, Settled
from flipsearch.files.limits import check_rank
from flipsearch.files.numbers import Table
from flipsearch.formats import Format, MatrixProduct
from flipsearch.programs import (
    LARGEST_PROGRAM,
    Output,
    Program,
    Reduction,
    Step,
    matrix_of,
    reduction_of,
    summed,
)

Programs = tuple[Program, Program, Program]


def is_reduced(value: dict[str, Any]) -> bool:
    """Return whether a JSON object is of this form."""
    return any(f"{name}_fresh" in value for name in "uvw")


def programs_in(value: dict[str, Any], format_: Format, rank: int | None) -> Programs:
    """Return the programs that an object of the reduced form holds."""
    if rank is None:
        raise FormatError("an addition-reduced scheme needs its rank 'm'")
    check_rank(format_, rank)
    du, dv, dw = format_.dimensions
    left, right, output = (
        _program(value, name, inputs) for name, inputs in (("u", du), ("v", dv), ("w", rank))
    )
    if [len(p.outputs) for p in (left, right, output)] != [rank, rank, dw]:
        raise FormatError("its factors do not have as many rows as rank and sizes say")
    return left, right, output


def factors_of(programs: Programs) -> list[Table]:
    """Return U, V and W, as the programs compute them."""
    try:
        u, v, outputs = (matrix_of(program) for program in programs)
    except InvalidSchemeError as error:
        raise FormatError(str(error)) from None
    return [Table(u), Table(v), Table(outputs.T.copy())]


def reduction_in(settled: Settled, programs: Programs) -> Reduction | None:
    """Return the reduction of a proved scheme by the programs of its file, evaluated again.

    None if they compute another scheme, as those of integers may that are read over a field.
    """
    scheme = settled.scheme
    left, right, output = programs
    if settled.order == PLAIN:
        form = scheme.format
        assert isinstance(form, MatrixProduct)
        places = np.arange(len(output.outputs)).reshape(form.n, form.p).T.ravel().tolist()
        turned = tuple(output.outputs[place] for place in places)
        output = Program(output.inputs, output.steps, turned)
    reduction = reduction_of(scheme.format, left, right, output, ring=scheme.ring)
    return reduction if reduction.scheme.content_hash == scheme.content_hash else None


def _program(value: dict[str, Any], name: str, inputs: int) -> Program:
    """Return the program of one factor."""
    fresh, rows = value.get(f"{name}_fresh", []), value.get(name)
    if not isinstance(fresh, list) or not isinstance(rows, list):
        raise FormatError(f"'{name}' or '{name}_fresh' is no list")
    if len(fresh) + len(rows) > 100 * (inputs + 100):
        raise FormatError(f"'{name}_fresh' is absurdly long")
    known: list[Output] = [(1, x) for x in range(inputs)]
    steps: list[Step] = []
    outputs: list[Output] = []
    for place, row in enumerate([*fresh, *rows]):
        if len(steps) > LARGEST_PROGRAM:
            raise FormatError(f"'{name}' needs absurdly many additions")
        total = summed(_terms(row, known, name), inputs, steps)
        if place < len(fresh):
            known.append(total)
        else:
            outputs.append(total)
    return Program(inputs, tuple(steps), tuple(outputs))


def _terms(row: Any, known: list[Output], name: str) -> list[Output]:
    """Return one row as terms over the program's variables, zeros left out."""
    if not isinstance(row, list):
        raise FormatError(f"a row of '{name}' is no list of index and value")
    terms = []
    for item in row:
        if not isinstance(item, dict):
            raise FormatError(f"a row of '{name}' is no list of index and value")
        value, place = item.get("value"), item.get("index")
        if isinstance(value, bool) or not isinstance(value, int):
            raise FormatError(f"a value in '{name}' is no integer")
        if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place < len(known):
            raise FormatError(f"index {str(place)[:20]} is out of range (0 to {len(known) - 1})")
        coefficient, variable = known[place]
        coefficient *= value
        if abs(coefficient) >= 2**62:
            raise FormatError(f"a value in '{name}' is 2^62 or more")
        if coefficient:
            terms.append((coefficient, variable))
    return terms


def reduced_text(reduction: Reduction, head: dict[str, Any]) -> str:
    """Return a checked reduction as a JSON object that begins with the keys of `head`."""
    scheme = reduction.scheme
    if (scheme.denominators != 1).any():
        raise FormatError(
            "an addition-reduced file holds integers only, not fractions: use --to json"
        )
    complexity = {"naive": scheme.additions, "reduced": reduction.additions}
    lists: dict[str, list[Any]] = {}
    for name, program in zip("uvw", reduction.programs, strict=True):
        for key, rows in zip((f"{name}_fresh", name), _rows(program), strict=True):
            lists[key] = [[{"index": x, "value": p} for p, x in row] for row in rows]
    return json_text(head | {"complexity": complexity}, lists)


def json_text(head: Mapping[str, Any], lists: Mapping[str, Sequence[Any]]) -> str:
    """Return a JSON object: the keys of the head, a line each, then lists with a line an item."""
    lines = [f"    {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    for key, items in lists.items():
        body = ",\n".join(f"        {json.dumps(item)}" for item in items)
        lines.append(f'    "{key}": [\n{body}\n    ]' if items else f'    "{key}": []')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _rows(program: Program) -> tuple[list[list[Output]], list[list[Output]]]:
    """Return (fresh sums, rows): steps used once with coefficient 1 are written out in place."""
    uses = Counter(x for p, x in program.outputs if p)
    plain = {x for p, x in program.outputs if p == 1}
    for p, x, q, y in program.steps:
        uses.update((x, y))
        plain.update(variable for factor, variable in ((p, x), (q, y)) if factor == 1)
    first = program.inputs
    sums: dict[int, list[Output]] = {}
    numbers = {x: x for x in range(first)}
    fresh: list[list[Output]] = []

    def written_out(coefficient: int, variable: int) -> list[Output]:
        if variable in sums:
            return sums.pop(variable)
        return [(coefficient, numbers[variable])]

    for variable, (p, x, q, y) in enumerate(program.steps, start=first):
        row = [*written_out(p, x), *written_out(q, y)]
        if uses[variable] == 1 and variable in plain:
            sums[variable] = row
        elif uses[variable]:
            numbers[variable] = first + len(fresh)
            fresh.append(row)
    return fresh, [written_out(p, x) if p else [] for p, x in program.outputs]

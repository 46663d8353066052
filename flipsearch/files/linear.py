"""Read and write plinopt's ``.sms`` and ``.slp``: three sparse matrices or three programs.

A scheme is three files of one name, ``..._L``, ``..._R`` and ``..._P``. L and R give the operands
of the products from the entries of A and B. P gives the entries of C, not transposed, from the
products. A matrix is a line ``rows columns M``, then ``row column value`` from 1, then ``0 0 0``.
A program has lines such as ``o0:=(i2-t1)/2;`` over inputs i, outputs o and names of its own.

The three files travel as one text whose parts begin with a line ``# part L``.

Invariant: the grammar of `flipsearch.files.terms` parses the text, and nothing evaluates it. The
work is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from flipsearch.errors import FormatError
from flipsearch.files import numbers
from flipsearch.files.claims import PLAIN, Claim
from flipsearch.files.limits import LARGEST_RANK, check_time, lines_of
from flipsearch.files.matrices import LINEAR, Said, claims_of
from flipsearch.files.numbers import fractions_of
from flipsearch.files.terms import Combination, Form, Number, Reader, constant, numbered, variable
from flipsearch.formats import LARGEST_SIDE, MatrixProduct
from flipsearch.programs import (
    LARGEST_PROGRAM,
    Output,
    Program,
    Reduction,
    Step,
    plain_programs,
    summed,
)
from flipsearch.scheme import Scheme

PARTS = "LRP"
_NAME = re.compile(r"(.*[_.-])([LRP])\.(sms|slp)", re.ASCII)
_PART = re.compile(r"^# part ([LRP])$", re.MULTILINE)
_SHAPE = re.compile(r"\s*(\d{1,6})\s+(\d{1,6})\s+[A-Za-z]\s*", re.ASCII)
_STATEMENT = re.compile(r"\s*[A-Za-z]\w*\s*:=[^;]*\bi\d+")
_VARIABLE = re.compile(r"([io])(\d{1,6})", re.ASCII)
_MOST_TERMS = 5_000_000


def part_of(name: str) -> tuple[str, str] | None:
    """Return the common name of three siblings and the part that one of them is, or None."""
    match = _NAME.fullmatch(name)
    return match and (f"{match[1]}*.{match[3]}", match[2])


def joined(parts: Mapping[str, bytes]) -> bytes:
    """Return the three files of one scheme as one text."""
    return b"".join(b"# part %s\n%s\n" % (part.encode(), parts[part].strip()) for part in PARTS)


def is_sms(text: str) -> bool:
    """Return whether a text starts as a sparse matrix does."""
    return _SHAPE.fullmatch(_first_line(text)) is not None


def is_slp(text: str) -> bool:
    """Return whether a text starts with a statement over inputs i0, i1, ..."""
    return _STATEMENT.match(_first_line(text)) is not None


def _first_line(text: str) -> str:
    lines = text[:20_000].splitlines()
    return next((line for line in lines if line.strip() and not line.startswith("#")), "")


def _parts(text: str) -> list[str]:
    """Return L, R and P, of which none may be missing."""
    pieces = _PART.split(text)
    found = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    if sorted(found) != sorted(PARTS):
        raise FormatError(
            "it is one of the three files ..._L, ..._R and ..._P of a scheme: the others belong "
            "in the same folder"
        )
    return [found[part] for part in PARTS]


def claims_of_matrices(text: str, known: Said) -> Iterator[Claim]:
    """Yield the readings of three sparse matrices."""
    matrices = [_matrix(part, name) for part, name in zip(_parts(text), PARTS, strict=True)]
    yield from claims_of(matrices, replace(known, named=True), PLAIN, (LINEAR,))


def _matrix(text: str, name: str) -> numbers.Table:
    lines = (line.partition("#")[0] for line in lines_of(text))
    lines = (line for line in lines if line.strip())
    match = _SHAPE.fullmatch(next(lines, ""))
    if match is None:
        raise FormatError(f"the matrix {name} does not begin with its numbers of rows and columns")
    shape = int(match[1]), int(match[2])
    if min(shape) > LARGEST_SIDE**2 or max(shape) > LARGEST_RANK:
        raise FormatError(f"the matrix {name} is absurdly large")
    rows, columns, values = [], [], []
    for line in lines:
        row, column, value, *_ = [*line.split(None, 2), "", "", ""]
        if not (row.isdecimal() and column.isdecimal() and value and len(row + column) < 12):
            raise FormatError(f"a line of the matrix {name} is no row, column and value")
        if row == "0":
            break
        rows.append(int(row) - 1)
        columns.append(int(column) - 1)
        values.append(constant(value.strip()))
    return numbers.scattered(shape, rows, columns, values, f"the matrix {name}")


def claims_of_programs(text: str, known: Said) -> Iterator[Claim]:
    """Yield the readings of three straight-line programs, which go along if they are integral."""
    read = [_program(part, name) for part, name in zip(_parts(text), PARTS, strict=True)]
    (_, left), (_, right), (_, output) = read
    programs = (left, right, output) if left and right and output else None
    for claim in claims_of(
        [matrix for matrix, _ in read], replace(known, named=True), PLAIN, (LINEAR,)
    ):
        yield replace(claim, programs=programs)


def _program(text: str, name: str) -> tuple[numbers.Table, Program | None]:
    """Return the matrix that a program computes, a row an output, and the program itself."""
    values: dict[str, Combination] = {}  # over the inputs
    known: dict[str, Output] = {}
    statements: list[tuple[str, Combination]] = []
    inputs = work = 0

    def value_of(word: str) -> Form:
        nonlocal inputs
        match = _VARIABLE.fullmatch(word)
        if match and match[1] == "i":
            index = int(match[2])
            if index > LARGEST_RANK:
                raise FormatError(f"{word} is none of the inputs i0 to i{LARGEST_RANK}")
            inputs = max(inputs, index + 1)
            values.setdefault(word, {index: 1})
        elif word not in values:
            raise FormatError(f"{word[:20]!r} has no value yet")
        return variable(word)

    for number, line in enumerate(lines_of(text), 1):
        for statement in line.split(";") if ":=" in line else ():
            target, sign, right = statement.partition(":=")
            if not sign:
                continue
            with numbered(number):
                total = Reader(right, value_of).whole().linear()
                work += sum(len(values[word]) for word in total)
                if work > _MOST_TERMS or len(statements) > LARGEST_PROGRAM:
                    raise FormatError(f"the program {name} has absurdly many additions")
                row: Combination = {}
                for word, x in total.items():
                    check_time()
                    for index, y in values[word].items():
                        row[index] = row.get(index, 0) + x * y
                values[target.strip()] = {index: x for index, x in row.items() if x}
                statements.append((target.strip(), total))
    outputs = [f"o{k}" for k in range(sum(_is_output(word) for word in values))]
    if not outputs or any(word not in values for word in outputs):
        raise FormatError(f"the outputs of the program {name} are not o0, o1, ..., each once")
    if min(len(outputs), inputs) > LARGEST_SIDE**2 or len(outputs) > LARGEST_RANK:
        raise FormatError(f"the program {name} has absurdly many inputs or outputs")
    places = [(k, index, x) for k, word in enumerate(outputs) for index, x in values[word].items()]
    rows, columns, entries = zip(*places, strict=True) if places else ((), (), ())
    matrix = numbers.scattered((len(outputs), inputs), rows, columns, entries, f"program {name}")
    known |= {f"i{k}": (1, k) for k in range(inputs)}
    steps: list[Step] = []
    for target, total in statements:
        terms = [(int(x), known[word]) for word, x in total.items()]
        if any(x.denominator != 1 for x in total.values()):
            return matrix, None
        known[target] = summed([(x * p, k) for x, (p, k) in terms if p], inputs, steps)
    return matrix, Program(inputs, tuple(steps), tuple(known[word] for word in outputs))


def _is_output(word: str) -> bool:
    match = _VARIABLE.fullmatch(word)
    return match is not None and match[1] == "o"


def parts_to(
    to: str, scheme: Scheme, form: MatrixProduct, reduction: Reduction | None
) -> dict[str, bytes]:
    """Return the three files of a scheme, as ``sms`` or ``slp``.

    Without a reduction, whose programs ``slp`` holds, each operand is added up on its own.
    """
    n, _, p = form.sides
    places = np.arange(n * p).reshape(p, n).T.ravel().tolist()  # of C's entries in W
    if to == "sms":
        u, v, w = fractions_of(scheme)
        columns = list(zip(*w, strict=True))
        texts = [_sms(rows) for rows in (u, v, [columns[k] for k in places])]
    else:
        left, right, output = reduction.programs if reduction else plain_programs(scheme)
        output = Program(output.inputs, output.steps, tuple(output.outputs[k] for k in places))
        below = scheme.denominators.tolist()
        texts = [_slp(left, []), _slp(right, []), _slp(output, below)]
    return {part: text.encode() for part, text in zip(PARTS, texts, strict=True)}


def _sms(rows: Sequence[Sequence[Number]]) -> str:
    lines = [f"{i} {j} {x}" for i, row in enumerate(rows, 1) for j, x in enumerate(row, 1) if x]
    return "\n".join([f"{len(rows)} {len(rows[0])} M", *lines, "0 0 0"]) + "\n"


def _slp(program: Program, below: Sequence[int]) -> str:
    """Return a program as text, input k divided by ``below[k]`` first."""
    count = program.inputs + len(program.steps)
    names = [f"{'i' if k < program.inputs else 't'}{k}" for k in range(count)]
    lines = []
    for k, divisor in enumerate(below):
        if divisor != 1:
            lines.append(f"z{k}:={names[k]}/{divisor};")
            names[k] = f"z{k}"

    def sum_of(*terms: Output) -> str:
        parts = [
            f"{'-' if p < 0 else '+'}{names[x]}" + (f"*{abs(p)}" if abs(p) != 1 else "")
            for p, x in terms
        ]
        return "".join(parts).removeprefix("+")

    for k, (p, x, q, y) in enumerate(program.steps, program.inputs):
        lines.append(f"{names[k]}:={sum_of((p, x), (q, y))};")
    for k, (p, x) in enumerate(program.outputs):
        lines.append(f"o{k}:={sum_of((p, x)) if p else '0*i0'};")
    return "\n".join(lines) + "\n"

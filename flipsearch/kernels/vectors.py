"""Write a scheme of any bilinear map as a standalone module: vectors in, vector out.

The module holds a straight-line program: shared sums of A and of B, the products, and shared sums
of them. numba compiles it for each type of numbers.

Invariant: the scheme was verified, and the text that leaves was run in exact integers on all pairs
of unit vectors, in the call that made it. Everything in the text is made of integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from flipsearch import __version__
from flipsearch.errors import UsageError
from flipsearch.formats.sparse import SparseTensor
from flipsearch.kernels.additions import reduce_additions
from flipsearch.kernels.checks import check_source, merged_sources
from flipsearch.kernels.loaded import module_of
from flipsearch.programs import Program, Reduction
from flipsearch.scheme import Scheme
from flipsearch.verify import verify

RUNTIME = ("flipsearch.algebra.cache", "compiled", "vectors")
PASSES = 60
"""Greedy passes that look for shared sums."""


def emit_map(scheme: Scheme) -> str:
    """Return the source of a standalone module that applies a bilinear map by a scheme.

    The scheme is that of a tensor over ZT, Z or Q, and is proved here. The module has ``apply(a,
    b)``, ``prove()``, ``SCHEME`` (its content hash) and ``FORMAT``. A scheme over a finite field
    raises a `UsageError`; a Brent equation that fails, an `InvalidSchemeError`.
    """
    if scheme.ring.characteristic:
        raise UsageError(
            f"a kernel needs a scheme over ZT, Z or Q: lift this one over {scheme.ring} first"
        )
    verify(scheme)
    form = scheme.canonical
    tensor = form.format
    assert isinstance(tensor, SparseTensor)
    reduction = reduce_additions(form, passes=PASSES)
    common = math.lcm(*form.denominators.tolist())
    imports, runtime = merged_sources("flipsearch.kernels.runtime", RUNTIME)
    text = "\n".join(
        [
            _header(scheme, tensor, reduction),
            "",
            "from __future__ import annotations",
            "",
            imports,
            "",
            f"FORMAT = {tensor.name!r}",
            f'SCHEME = "{scheme.content_hash}"',
            f"SIZES = {tensor.sizes!r}",
            "# C[c] is the sum of value * A[a] * B[b] over these (a, b, c, value)",
            "TARGET = (",
            *(f"    {tuple(map(int, entry))!r}," for entry in tensor.entries),
            ")",
            f"DENOMINATOR = {common}",
            _FUNCTIONS,
            runtime,
            "",
            "",
            "@compiled",
            "def program(a: Any, b: Any, c: Any) -> None:",
            '    """Write C times DENOMINATOR for each row of `a` and `b`."""',
            "    for row in range(len(a)):",
            *(f"        {line}" for line in _lines(form, reduction, common)),
            "",
        ]
    )
    check_source(text)
    module_of(text, f"map_{scheme.content_hash[:12]}").prove()
    return text


def _header(scheme: Scheme, tensor: SparseTensor, reduction: Reduction) -> str:
    du, dv, dw = tensor.sizes
    title = f"{tensor.name} by a scheme of rank {scheme.rank} over {scheme.natural_ring}"
    return f'''"""Bilinear map {title}.

scheme       {scheme.content_hash}
products     {scheme.rank}, {tensor.naive_rank} as the map is written
additions    {reduction.additions}, {scheme.additions} without shared sums
written by   flipsearch {__version__}

`apply(a, b)` takes vectors of {du} and {dv} numbers and returns one of {dw}. All Brent equations
of the scheme were verified exactly before this file was written, and `prove()` runs the program
below in exact integers on all pairs of unit vectors.
"""'''


def _lines(form: Scheme, reduction: Reduction, common: int) -> Iterator[str]:
    """Yield the statements of the program for one row."""
    names: list[list[str]] = []
    for letter, program in (("a", reduction.left), ("b", reduction.right)):
        inputs = [f"{letter}[row, {k}]" for k in range(program.inputs)]
        yield from _steps(program, inputs, letter)
        names.append([_scaled(p, x) for p, x in _outputs(program, inputs)])
    products = [f"m{r}" for r in range(form.rank)]
    for name, x, y, d in zip(products, *names, form.denominators.tolist(), strict=True):
        scale = f"{common // d} * " if d != common else ""
        yield f"{name} = {scale}({x}) * ({y})"
    yield from _steps(reduction.output, products, "c")
    for k, (p, x) in enumerate(_outputs(reduction.output, products)):
        yield f"c[row, {k}] = {_scaled(p, x)}"


def _steps(program: Program, names: list[str], letter: str) -> Iterator[str]:
    """Yield the shared sums, and append their names to `names`."""
    for number, (p, x, q, y) in enumerate(program.steps):
        sign = "-" if q < 0 else "+"
        yield f"{letter}{number} = {_scaled(p, names[x])} {sign} {_scaled(abs(q), names[y])}"
        names.append(f"{letter}{number}")


def _outputs(program: Program, names: Sequence[str]) -> Iterator[tuple[int, str]]:
    for p, x in program.outputs:
        yield p, names[x] if p else "0"


def _scaled(coefficient: int, name: str) -> str:
    return {1: name, -1: f"-{name}", 0: "0"}.get(coefficient, f"{coefficient} * {name}")


_FUNCTIONS = '''

def apply(a: Any, b: Any) -> Any:
    """Return the value of the map at two vectors, or at stacks of them; see `apply_program`."""
    return apply_program(program, TARGET, SIZES, DENOMINATOR, a, b)


def prove() -> None:
    """Verify the program in exact integers; ValueError if it computes something else."""
    prove_program(program, TARGET, SIZES, DENOMINATOR)
'''

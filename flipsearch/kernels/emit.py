"""Write a scheme as one standalone, readable Python module.

The module holds the scheme as integers with a readable formula above each product, its content
hash and accuracy data in the header, a check of the Brent equations in plain Python, and the text
of `flipsearch.kernels.runtime`. It imports numpy, numba and the standard library (threadpoolctl if
it is there) and nothing of flipsearch.

Invariant: everything that depends on the scheme is made of integers from a scheme verified in the
same call, and names are made from indices. The text is parsed again and refused unless all of its
statements, imports and calls are on an allow-list.
"""

from __future__ import annotations

import os
from pathlib import Path

from flipsearch import __version__
from flipsearch.algebra.atomic import write_whole
from flipsearch.errors import UsageError
from flipsearch.formats import OPERANDS, Format, MatrixProduct
from flipsearch.formats.sparse import SparseTensor
from flipsearch.kernels.checks import check_source, merged_sources
from flipsearch.kernels.plan import algorithm_of
from flipsearch.kernels.runtime.algorithm import Algorithm, Term
from flipsearch.kernels.stability import growth
from flipsearch.kernels.vectors import emit_map
from flipsearch.scheme import Scheme

RUNTIME = (
    "flipsearch.algebra.cores", "flipsearch.algebra.cache", "compiled", "microkernel", "panels",
    "products", "algorithm", "operands", "execute", "tuning", "driver",
)  # fmt: skip
FIELD_RUNTIME = (*RUNTIME, "squares", "lookup", "fields")


def emit_kernel(scheme: Scheme, levels: int | None = None) -> str:
    """Return the source of a standalone module that multiplies matrices by a scheme.

    Parameters
    ----------
    scheme : Scheme
        Proved here before a line is written. With denominators the kernel serves floating point;
        integers are then multiplied classically.
    levels : int, optional
        Levels to take when a call does not say; by default chosen by size and type.

    Returns
    -------
    str
        A module with ``matmul(a, b, out=None, threads=None, levels=None)`` (``matmul(a, ...)``
        for a matrix times its own transpose), ``prove()``, ``release()``, ``ALGORITHM``,
        ``SCHEME`` (its content hash) and ``FORMAT``. Over F2 also with ``matmul_bits`` for packed
        matrices, ``pack_bits`` and ``unpack_bits``. Of a tensor see
        `flipsearch.kernels.vectors.emit_map`. Errors are those of
        `flipsearch.kernels.plan.algorithm_of`.
    """
    if isinstance(scheme.format, SparseTensor):
        if levels is not None:
            raise UsageError(f"{scheme.format} has no blocks and no levels: leave levels out")
        return emit_map(scheme)
    algorithm = algorithm_of(scheme)
    format_ = _plain_format(scheme.format)
    if levels is not None and not 0 <= levels <= (8 if format_.is_general else 1):
        raise UsageError(
            f"levels is {levels}: {format_} takes 0 to {8 if format_.is_general else 1}"
        )
    modulus = algorithm.modulus
    modules = FIELD_RUNTIME if modulus else RUNTIME
    imports, runtime = merged_sources("flipsearch.kernels.runtime", modules)
    matmul = _FIELD + _BITS * (modulus == 2) if modulus else _GENERAL
    text = "\n".join(
        [
            _header(scheme, format_),
            "",
            "from __future__ import annotations",
            "",
            imports,
            "",
            f"FORMAT = {format_.name!r}",
            f'SCHEME = "{scheme.content_hash}"',
            f"SIDES = {algorithm.sides!r}",
            "# A product is three tuples of terms (coefficient, block row, block column): its",
            "# combinations of blocks of A and of B, and the blocks of C it is added to.",
            *_products(algorithm, format_.is_gram),
            f"DENOMINATORS = {_denominators(algorithm)}",
            "",
            (_GRAM if format_.is_gram else matmul).format(
                levels=levels, squares=_squares(format_), modulus=modulus
            ),
            "" if modulus else _PLAN.format(gram=format_.is_gram),
            _PROVE.format(upper="i <= k" if format_.is_packed_output else "True",
                          left=_present(format_, 0), right=_present(format_, 1),
                          remainder=f" % {modulus}" * (modulus > 0)),
            runtime,
            "",
            "",
            "ALGORITHM = Algorithm("
            f"SIDES, PRODUCTS, DENOMINATORS, {format_.is_general}, {modulus})",
            "",
        ]
    )  # fmt: skip
    check_source(text)
    return text


def write_kernel(scheme: Scheme, path: str | os.PathLike[str], levels: int | None = None) -> Path:
    """Write `emit_kernel` to a file, whole or not at all, and return its path.

    A file name that is no Python module's, or in a missing folder, raises a `UsageError`.
    """
    target = module_path(path)
    write_whole(target, emit_kernel(scheme, levels))
    return target


def module_path(path: str | os.PathLike[str]) -> Path:
    """Return the path if a module can be written there and imported, else raise UsageError."""
    path = Path(path)
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise UsageError(f"{path.name}: a kernel is imported, so call it something like mm.py")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is no folder: create it first")
    return path


def _plain_format(format_: Format) -> MatrixProduct:
    """Return the format rebuilt from its sizes and letters: its name holds nothing else."""
    assert isinstance(format_, MatrixProduct)
    n, m, p = (int(side) for side in format_.sides)
    return MatrixProduct(n, m, p, OPERANDS[OPERANDS.index(format_.operands)])


def _header(scheme: Scheme, format_: MatrixProduct) -> str:
    factors = growth(scheme)
    title = f"{format_.name}, rank {scheme.rank} over {scheme.natural_ring}"
    growths = (
        ""
        if scheme.ring.characteristic
        else f"""
growth       emax {factors.emax:g}, qmax {factors.qmax}, gamma2 {factors.gamma2:.3f} a level"""
    )
    return f'''"""Matrix product by a scheme for {title}.

scheme       {scheme.content_hash}
additions    {scheme.additions} as written, {scheme.nonzeros} nonzero coefficients{growths}
written by   flipsearch {__version__}

All Brent equations of the scheme were verified exactly before this file was written, and
`prove()` verifies them again from the integers below. Blocks of A are {format_.n} x {format_.m},
of B {format_.m} x {format_.p}. The rest of the file is the same for every scheme.
{_demands(format_)}"""'''


def _demands(format_: MatrixProduct) -> str:
    """Return the demands on triangular operands, a line each."""
    kinds = {"u": "upper triangular; zeros below", "l": "lower triangular; zeros above"}
    return "".join(
        f"\n{name} has to be square and {kinds[letter]} its diagonal are taken for granted.\n"
        for name, letter in zip("AB", format_.operands, strict=True)
        if letter in kinds
    )


def _squares(format_: MatrixProduct) -> str:
    """Return the lines that refuse triangular operands whose blocks would not be triangular."""
    names = [name for name, letter in zip("ab", format_.operands, strict=True) if letter in "ul"]
    lines = "    if np.ndim({0}) == 2 and np.shape({0})[0] != np.shape({0})[1]:\n"
    lines += '        raise ValueError("{0} is triangular: it has to be square")\n'
    return "".join(map(lines.format, names))


def _formula(terms: tuple[Term, ...], letter: str, transposed: bool = False) -> str:
    text = ""
    for coefficient, i, j in terms:
        sign = "-" if coefficient < 0 else "+"
        size = "" if abs(coefficient) == 1 else f"{abs(coefficient)} "
        where = f"{letter}{j + 1}_{i + 1}^T" if transposed else f"{letter}{i + 1}_{j + 1}"
        text += f" {sign} {size}{where}" if text else f"{'-' * (sign == '-')}{size}{where}"
    return f"({text})"


def _products(algorithm: Algorithm, gram: bool) -> list[str]:
    lines = ["PRODUCTS = ("]
    for (left, right, out), d in zip(algorithm.products, algorithm.denominators, strict=True):
        right_letter = "A" if gram else "B"
        formula = f"{_formula(left, 'A')} {_formula(right, right_letter, gram)}"
        into = f"{_formula(out, 'C')}{'' if d == 1 else f' / {d}'}"
        lines += [f"    # {formula} -> {into}", f"    ({left!r},", f"     {right!r},"]
        lines += [f"     {out!r}),"]
    return [*lines, ")"]


def _denominators(algorithm: Algorithm) -> str:
    if algorithm.integral:
        return f"(1,) * {len(algorithm.denominators)}"
    return repr(algorithm.denominators)


def _present(format_: MatrixProduct, slot: int) -> str:
    """Return the condition under which an entry (x, y) of an operand is not zero."""
    letter = "g" if slot and format_.is_gram else format_.operands[slot]
    if slot and format_.is_gram and format_.operands[0] != "g":
        letter = {"u": "l", "l": "u"}[format_.operands[0]]
    return {"g": "True", "u": "{0} <= {1}", "l": "{0} >= {1}"}[letter].format(*("ij", "jk")[slot])


_GENERAL = '''
def matmul(a: Any, b: Any, out: Any = None, threads: Any = None, levels: Any = {levels}) -> Any:
    """Return the matrix product of `a` and `b`; see `multiply`."""
{squares}    if threads is levels is None and type(a) is ndarray is type(b):
        work = a.size * b.size
        if work < TINY or work < numpy_below.get(a.dtype, 0):
            return numpy_matmul(a, b, out)
    return multiply(ALGORITHM, a, b, out, threads, levels)
'''

_GRAM = '''
def matmul(a: Any, out: Any = None, threads: Any = None, levels: Any = {levels}) -> Any:
    """Return the product of `a` and its transpose; see `multiply_gram`."""
{squares}    return multiply_gram(ALGORITHM, a, out, threads, levels)
'''

_FIELD = '''
def matmul(a: Any, b: Any, out: Any = None, threads: Any = None, levels: Any = {levels}) -> Any:
    """Return the matrix product of `a` and `b` modulo {modulus}; see `multiply_residues`."""
    return multiply_residues(ALGORITHM, a, b, out, threads, levels)
'''

_BITS = '''

def matmul_bits(
    a: Any, b: Any, out: Any = None, threads: Any = None, levels: Any = {levels}
) -> Any:
    """Return the product of packed matrices, packed; see `pack_bits` and `multiply_bits`."""
    return multiply_bits(ALGORITHM, a, b, out, threads, levels)
'''

_PLAN = '''
def plan(m: int, k: Any = None, n: Any = None, dtype: Any = "float64", threads: Any = None) -> str:
    """Say which way the product of an m x k and a k x n matrix takes: this scheme or numpy's.

    Missing sides are m; the time of numpy and of this machine's vectors decides.
    """
    shape = (m, m if k is None else k, m if n is None else n)
    return plan_of(ALGORITHM, shape, dtype, threads, {gram})
'''

_PROVE = '''
def prove() -> None:
    """Verify all Brent equations of the scheme exactly; ValueError if one fails."""
    n, m, p = SIDES
    common = 1
    for d in DENOMINATORS:
        common *= d
    sums: dict[Any, int] = {{}}
    for (left, right, output), d in zip(PRODUCTS, DENOMINATORS, strict=True):
        for x, i, j in left:
            for y, k, l in right:
                for z, s, t in output:
                    place = (i, j, k, l, s, t)
                    sums[place] = sums.get(place, 0) + x * y * z * (common // d)
    for i in range(n):
        for j in range(m):
            for k in range(p):
                if ({upper}) and ({left}) and ({right}):
                    place = (i, j, j, k, i, k)
                    sums[place] = sums.get(place, 0) - common
    if any(value{remainder} for value in sums.values()):
        raise ValueError("the scheme in this file is not valid: it was changed")
'''

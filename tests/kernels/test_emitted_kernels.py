"""Emitted modules: exact on integers, within the bound in floating point, safe to import."""

import ast
import importlib
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.errors import InvalidSchemeError, UsageError
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.kernels import (
    KernelError,
    check_source,
    emit_kernel,
    error_bound,
    gram,
    growth,
    import_kernel,
    load_kernel,
    matmul,
    matmul_mod,
    write_kernel,
)
from flipsearch.kernels.builtin import strassen, winograd
from flipsearch.kernels.plan import algorithm_of
from flipsearch.kernels.runtime import products
from flipsearch.kernels.runtime.driver import multiply, multiply_gram
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme, rational_scheme


class Shared:
    """A scheme run by the library's own copy of the runtime, which is compiled once for all."""

    def __init__(self, scheme):
        self.algorithm = algorithm_of(scheme)

    def matmul(self, *operands, **options):
        return multiply(self.algorithm, *operands, **options)


@pytest.fixture(scope="module")
def kernel():
    return Shared(strassen())


def test_an_emitted_module_stands_alone(tmp_path):
    module = import_kernel(write_kernel(strassen(), tmp_path / "mm.py"))
    module.prove()
    a, b = integers((137, 90), "float64"), integers((90, 71), "float64", 1)
    for levels in (None, 0, 1, 2):
        np.testing.assert_array_equal(module.matmul(a, b, levels=levels), a @ b)
    module.release()
    square = a[:71, :71]
    expected = square @ square
    np.testing.assert_array_equal(module.matmul(square, square, out=square), expected)


def integers(shape, dtype, seed=0):
    generator = np.random.default_rng(seed)
    low = 0 if np.dtype(dtype).kind == "u" else -9
    matrix = generator.integers(low, 9, shape).astype(dtype)
    if np.dtype(dtype).kind == "c":
        matrix = matrix + 1j * generator.integers(-9, 9, shape)
    return matrix.astype(dtype)


DTYPES = ("float32", "float64", "complex64", "complex128", "int32", "int64", "uint32", "uint64")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("levels", [0, 1, 2])
def test_integers_come_out_exactly_for_every_type(kernel, dtype, levels):
    a, b = integers((37, 53), dtype), integers((53, 29), dtype, 1)
    result = kernel.matmul(a, b, levels=levels)
    assert result.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(result, a @ b)


LAYOUTS = {
    "rows": lambda x: x,
    "columns": np.asfortranarray,
    "reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "every other": lambda x: np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3],
    "read-only": lambda x: np.broadcast_to(x, x.shape),
}


@pytest.mark.parametrize(("left", "right"), list(itertools.product(LAYOUTS, LAYOUTS)))
def test_any_strides(kernel, left, right):
    a, b = integers((21, 34), "float64"), integers((34, 27), "float64", 1)
    out = np.full((27, 21), np.nan).T
    result = kernel.matmul(LAYOUTS[left](a), LAYOUTS[right](b), out=out, levels=1)
    assert result is out
    np.testing.assert_array_equal(out, a @ b)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70), st.integers(1, 70)),
    levels=st.integers(0, 3),
    threads=st.integers(1, 3),
    order=st.sampled_from("CF"),
)
def test_any_shape(kernel, shape, levels, threads, order):
    m, k, n = shape
    a, b = integers((m, k), "int64", m), integers((k, n), "int64", n)
    out = np.full((m, n), -1, order=order, dtype=np.int64)
    kernel.matmul(a, b, out=out, threads=threads, levels=levels)
    np.testing.assert_array_equal(out, a @ b)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32", "uint64"])
def test_integers_wrap_as_numpys(kernel, dtype):
    information = np.iinfo(dtype)
    generator = np.random.default_rng(5)
    a = generator.integers(information.min, information.max, (40, 40), dtype=dtype)
    b = generator.integers(information.min, information.max, (40, 40), dtype=dtype)
    np.testing.assert_array_equal(kernel.matmul(a, b, levels=2), a @ b)


@pytest.mark.parametrize("threads", [1, 2])
def test_blocks_larger_than_the_packed_panels(kernel, threads):
    a, b = integers((450, 1201), "int64"), integers((1201, 2130), "int64", 1)
    expected = (a.astype(float) @ b.astype(float)).astype(np.int64)
    result = kernel.matmul(a, b, levels=1, threads=threads)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("scheme", [strassen(), winograd()], ids=["Strassen", "Winograd"])
@pytest.mark.parametrize("levels", [0, 1, 3])
def test_floating_error_is_within_the_bound(scheme, levels):
    kernel = Shared(scheme)
    generator = np.random.default_rng(7)
    # multiples of 2^-26: products of entries are exact, and fsum rounds their sum once
    a, b = (generator.integers(-(2**26), 2**26, (96, 96)) / 2**26 for _ in range(2))
    exact = np.array([[math.fsum(row * column) for column in b.T] for row in a])
    error = np.abs(kernel.matmul(a, b, levels=levels) - exact).max()
    bound = error_bound(growth(scheme), 2, 96, levels, 2.0**-53)
    assert 0 < error / (np.abs(a).max() * np.abs(b).max()) < bound


@pytest.mark.parametrize(
    "shape", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0), (1, 1, 1), (2, 1, 5)]
)
def test_empty_and_tiny(kernel, shape):
    m, k, n = shape
    a, b = integers((m, k), "float64"), integers((k, n), "float64", 1)
    for levels in (None, 0, 1):
        np.testing.assert_array_equal(kernel.matmul(a, b, levels=levels), a @ b)


def test_what_numpy_takes_is_taken(kernel):
    a, b = integers((5, 6), "float64"), integers((6, 4), "int32")
    np.testing.assert_array_equal(kernel.matmul(a, b, levels=1), a @ b)
    np.testing.assert_array_equal(kernel.matmul(a.tolist(), b.tolist()), a @ b)
    np.testing.assert_array_equal(kernel.matmul(a[0], b), a[0] @ b)
    stack = np.stack([a, a + 1])
    np.testing.assert_array_equal(kernel.matmul(stack, b), stack @ b)
    swapped = a.astype(">f8")
    np.testing.assert_array_equal(kernel.matmul(swapped, b, levels=1), a @ b)
    with pytest.raises(ValueError, match="mismatch"):
        kernel.matmul(a, a)


@pytest.mark.parametrize("threads", [1, 2, None])
@pytest.mark.parametrize("levels", [None, 1])
def test_stacks(kernel, monkeypatch, threads, levels):
    monkeypatch.setattr("flipsearch.kernels.runtime.driver.choose_levels", lambda *_, **__: 1)
    a = integers((2, 1, 101, 110), "float64")
    for b in (integers((3, 110, 102), "float64", 1), integers((110, 102), "float64", 1)):
        expected = a @ b
        np.testing.assert_array_equal(
            kernel.matmul(a, b, threads=threads, levels=levels), expected
        )
        out = np.zeros_like(expected)[..., ::-1]
        assert kernel.matmul(a, b, out=out, threads=threads, levels=levels) is out
        np.testing.assert_array_equal(out, expected)
    with pytest.raises(ValueError, match="shape"):
        kernel.matmul(a, b, out=np.zeros((2, 1, 101, 101)), levels=1)
    with pytest.raises(ValueError, match="mismatch"):
        kernel.matmul(a, a, levels=levels)


def test_halves_are_summed_in_single_precision(kernel):
    a, b = integers((37, 530), "float16"), integers((530, 29), "float16", 1)
    exact = a.astype(float) @ b.astype(float)
    out = np.zeros((37, 29), np.float16)
    assert kernel.matmul(a, b, out=out, levels=1) is out
    np.testing.assert_array_equal(out, exact.astype(np.float16))
    stack = kernel.matmul(np.stack([a, a]), b, levels=1)
    assert stack.dtype == np.float16
    np.testing.assert_array_equal(stack[1], out)


def test_options_of_numpy_are_numpys():
    a, b = integers((3, 4), "float64"), integers((4, 5), "float64", 1)
    np.testing.assert_array_equal(matmul(a, b.T, axes=[(0, 1), (1, 0), (0, 1)]), np.matmul(a, b))
    with pytest.raises(TypeError, match="levels"):
        matmul(a, b, levels=1, dtype=float)


class Modulo7(np.ndarray):
    """Numbers modulo 7, as libraries of finite fields have them."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        plain = (np.asarray(x) for x in inputs)
        return (getattr(ufunc, method)(*plain, **options) % 7).view(Modulo7)


class Foreign:
    """Something of another library that numpy asks for its own product."""

    T = None

    def __array_ufunc__(self, *_, **__):
        return "their product"


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("size", [2, 60])
def test_arrays_with_arithmetic_of_their_own_are_left_to_numpy(kernel, size):
    plain = integers((size, size), "float64") % 7
    masked = np.ma.masked_array(plain, mask=plain > 5)
    for a in (plain.view(Modulo7), masked, np.matrix(plain)):
        for pair in ((a, a), (a, plain), (plain, a)):
            expected = np.matmul(*pair)
            found = kernel.matmul(*pair, levels=1)
            assert type(found) is type(expected)
            assert np.ma.allequal(found, expected, fill_value=False) or a is masked
            np.testing.assert_array_equal(np.ma.getmaskarray(found), np.ma.getmaskarray(expected))
        gram_scheme = algorithm_of(naive_scheme(parse_format("gt:2x2x2"), Ring.Z))
        assert type(multiply_gram(gram_scheme, a, levels=1)) is type(a)
        assert type(gram(a)) is type(a)
        with pytest.raises(TypeError, match="plain arrays"):
            matmul_mod(a, plain, 7)
    assert kernel.matmul(Foreign(), plain, levels=1) == "their product"
    stored = plain.view(np.memmap)
    np.testing.assert_array_equal(kernel.matmul(stored, stored, levels=1), plain @ plain)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("levels", [0, 1])
def test_huge_and_infinite_entries_give_what_numpy_gives(kernel, dtype, levels):
    real = np.dtype(dtype).type(0).real.dtype
    a = (np.eye(50) * np.finfo(real).max * 0.7).astype(dtype)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(kernel.matmul(a, np.eye(50, dtype=dtype), levels=levels), a)
        b = integers((50, 50), dtype)
        b[3, 4], b[20, 7] = np.inf, np.nan
        ones = np.ones((50, 50), dtype)
        expected = np.matmul(ones, b)
        np.testing.assert_array_equal(kernel.matmul(ones, b, levels=levels), expected)
        gram_scheme = algorithm_of(naive_scheme(parse_format("gt:2x2x2"), Ring.Z))
        b = np.eye(50, dtype=dtype)
        b[1, 2] = np.inf
        np.testing.assert_array_equal(multiply_gram(gram_scheme, b, levels=levels), b @ b.T)


@pytest.mark.parametrize("levels", [None, 0, 1])
def test_output_may_overlap_an_operand(kernel, levels):
    for into in (lambda a: a, lambda a: a.T, lambda a: a[::-1], lambda a: a[:, ::-1]):
        a, other = integers((60, 60), "float64"), integers((60, 60), "float64", 1)
        expected = a @ other
        out = into(a)
        assert kernel.matmul(a, other, out=out, levels=levels) is out
        np.testing.assert_array_equal(out, expected)
    for into in (lambda a: a, lambda a: a[::-1], lambda a: a[:, ::-1]):
        stack = np.stack([other, expected])
        product = stack @ other
        kernel.matmul(stack, other, out=into(stack), levels=levels)
        np.testing.assert_array_equal(into(stack), product)


def test_output_is_checked(kernel):
    a = integers((60, 60), "float64")
    with pytest.raises(ValueError, match="has shape"):
        kernel.matmul(a, a.copy(), out=np.zeros((60, 61)), levels=1)
    for shape in ((3600,), (1, 60, 60)):
        with pytest.raises(ValueError, match="has shape"):
            kernel.matmul(a, a.copy(), out=np.zeros(shape), levels=1)
    with pytest.raises(ValueError, match="threads"):
        kernel.matmul(a, a.copy(), threads=0)
    with pytest.raises(ValueError, match="has shape"):
        kernel.matmul(a, a.copy(), out=np.zeros((60, 61)))
    with pytest.raises(ValueError, match="levels"):
        kernel.matmul(a, a.copy(), levels=-1)
    with pytest.raises(ValueError, match="read-only"):
        kernel.matmul(a, a.copy(), out=np.broadcast_to(a, a.shape))
    with pytest.raises(TypeError):
        kernel.matmul(a, a.copy(), out=np.zeros((60, 60), np.int32), levels=1)
    interleaved = np.zeros((60, 120))
    interleaved[:, ::2] = a
    kernel.matmul(interleaved[:, ::2], a, out=interleaved[:, 1::2], levels=1)
    np.testing.assert_array_equal(interleaved[:, 1::2], a @ a)


def test_fractions_serve_floats_and_leave_integers_alone(tmp_path):
    form = strassen()
    halves = rational_scheme(
        form.format, [[2 * x for x in row] for row in form.u.tolist()], form.v.tolist(),
        [[__import__("fractions").Fraction(x, 2) for x in row] for row in form.w.tolist()],
    )  # fmt: skip
    assert halves.content_hash == form.content_hash
    u, v, w = form.u.copy(), form.v.copy(), form.w.copy()
    u[0] *= 3
    thirds = Scheme(form.format, Ring.Q, u, v, w, [3, 1, 1, 1, 1, 1, 1])
    import_kernel(write_kernel(thirds, tmp_path / "thirds.py")).prove()
    kernel = Shared(thirds)
    a, b = integers((30, 30), "int64"), integers((30, 30), "int64", 1)
    np.testing.assert_array_equal(kernel.matmul(a, b, levels=1), a @ b)
    np.testing.assert_allclose(kernel.matmul(a * 1.0, b * 1.0, levels=1), a @ b, atol=1e-10)


@pytest.mark.parametrize("name", ["1x1x1", "2x3x4", "ug:3x3x2", "uu:2x2x2", "ul:2x2x2"])
def test_naive_schemes_of_other_formats(tmp_path, name):
    format_ = parse_format(name)
    module = import_kernel(write_kernel(naive_scheme(format_, Ring.Z), tmp_path / "k.py"))
    module.prove()
    kernel = Shared(naive_scheme(format_, Ring.Z))
    a, b = integers((23, 18), "int64"), integers((18, 31), "int64", 1)
    if not format_.is_general:
        size = 24
        a, b = integers((size, size), "int64"), integers((size, size), "int64", 1)
        # blocks of a wide triangle are no triangles: such an operand would lose its corner
        with pytest.raises(ValueError, match="a is triangular"):
            module.matmul(a[:20], b)
        assert "triangular; zeros below" in module.__doc__
        shapes = {"g": lambda x: x, "u": np.triu, "l": np.tril}
        a, b = (shapes[c](x) for c, x in zip(format_.operands, (a, b), strict=True))
    np.testing.assert_array_equal(kernel.matmul(a, b, levels=1), a @ b)


@pytest.mark.parametrize("dtype", ["float64", "complex128", "int64", "float32"])
@pytest.mark.parametrize("levels", [0, 1])
@pytest.mark.parametrize("order", "CF")
def test_matrix_times_its_transpose(dtype, levels, order):
    scheme = naive_scheme(parse_format("gt:3x2x3"), Ring.Z)
    for size in (19, 150):
        a = integers((size, 40), dtype)
        out = np.zeros((size, size), dtype, order=order)
        multiply_gram(algorithm_of(scheme), a, out=out, levels=levels, threads=2)
        np.testing.assert_array_equal(out, a @ a.T)
    square = out[:, :]
    expected = square @ square.T
    multiply_gram(algorithm_of(scheme), square, out=out, levels=levels)
    np.testing.assert_array_equal(out, expected)


def test_a_gram_module_stands_alone(tmp_path, monkeypatch):
    scheme = naive_scheme(parse_format("gt:2x2x2"), Ring.Z)
    module = import_kernel(write_kernel(scheme, tmp_path / "gram.py"))
    # its own copy is the same text as in test_an_emitted_module_stands_alone, compiled there
    monkeypatch.setattr(module, "multiply_products", products.multiply_products)
    module.prove()
    a = integers((60, 33), "float64")
    np.testing.assert_array_equal(module.matmul(a, levels=1), a @ a.T)


def test_small_integers_go_through_float64_exactly(kernel):
    a, b = integers((310, 320), "int64"), integers((320, 330), "int64", 1)
    expected = (a.astype(float) @ b.astype(float)).astype(np.int64)
    np.testing.assert_array_equal(kernel.matmul(a, b, levels=1), expected)
    a[0, 0] = 2**62
    expected[0] += (2**62 - integers((310, 320), "int64")[0, 0]) * b[0]
    np.testing.assert_array_equal(kernel.matmul(a, b, levels=1), expected)


def test_only_proved_schemes_become_kernels():
    form = strassen()
    wrong = form.w.copy()
    wrong[0, 0] = -wrong[0, 0]
    with pytest.raises(InvalidSchemeError):
        emit_kernel(Scheme(form.format, Ring.ZT, form.u, form.v, wrong))
    with pytest.raises(UsageError, match="blocks"):
        emit_kernel(naive_scheme(parse_format("sg:2x2x2"), Ring.Z))


def test_prove_notices_a_changed_integer(tmp_path):
    text = emit_kernel(strassen())
    start = text.index("PRODUCTS = (")
    place = text.index("((1, ", start) + 2
    path = tmp_path / "changed.py"
    path.write_text(text[:place] + "3" + text[place + 1 :])
    with pytest.raises(ValueError, match="not valid"):
        import_kernel(path).prove()


class HostileFormat(MatrixProduct):
    """A format whose name would be code, were it ever written out as it is."""

    name = '2x2x2"""\nimport os; os.system("touch hacked")\n"""'  # type: ignore[assignment]


def test_hostile_names_do_not_reach_the_code(tmp_path):
    form = strassen()
    hostile = Scheme(HostileFormat(2, 2, 2), Ring.ZT, form.u, form.v, form.w)
    text = emit_kernel(hostile)
    assert "hacked" not in text
    assert "2x2x2" in text


@pytest.mark.parametrize(
    "line",
    ["import subprocess", "eval('1')", "x = eval('1')", "from os import path as p\nopen('x')",
     "for x in ():\n    pass", "x = ().__class__", "import os.path, socket"],
)  # fmt: skip
def test_the_allow_list_refuses(line):
    with pytest.raises(KernelError):
        check_source(f"{line}\n")


def test_emitted_text_is_on_the_allow_list_and_names_the_scheme():
    text = emit_kernel(winograd())
    check_source(text)
    tree = ast.parse(text)
    assert winograd().content_hash in (ast.get_docstring(tree) or "")
    assert "flipsearch." not in text


def test_written_whole_or_not_at_all(tmp_path):
    with pytest.raises(UsageError, match=r"mm\.py"):
        write_kernel(strassen(), tmp_path / "mm.txt")
    with pytest.raises(UsageError, match="folder"):
        write_kernel(strassen(), tmp_path / "nowhere" / "mm.py")
    (tmp_path / "no.py").write_text("x = 1\n")
    with pytest.raises(KernelError, match="no kernel"):
        import_kernel(tmp_path / "no.py")
    with pytest.raises(KernelError, match="no kernel"):
        import_kernel(tmp_path / "missing.py")
    (tmp_path / "ends.py").write_text("1 / 0\n")
    with pytest.raises(KernelError, match="no kernel"):
        import_kernel(tmp_path / "ends.py")
    (tmp_path / "latin.py").write_bytes(b"# \xe4\n")
    with pytest.raises(KernelError, match="no kernel"):
        import_kernel(tmp_path / "latin.py")


def defined_in(path):
    """Yield the names that a module defines."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            if target is not None:
                yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))


@pytest.mark.parametrize(
    ("package", "order", "others"),
    [("kernels", "FIELD_RUNTIME", {"vectors"}), ("faults", "_PARTS", set())],
)
def test_no_name_is_defined_twice_in_what_becomes_one_module(package, order, others):
    names = getattr(importlib.import_module(f"flipsearch.{package}.emit"), order)
    own = {f"flipsearch.{package}.runtime.{name}": name for name in names if "." not in name}
    folder = Path(products.__file__).parents[2] / package / "runtime"
    assert {path.stem for path in folder.glob("*.py")} == {*own.values(), "__init__"} | others
    modules = [*own, *(name for name in names if "." in name)]
    paths = [importlib.import_module(module).__file__ for module in modules]
    defined = [name for path in paths for name in defined_in(Path(path))]
    assert len(defined) > 40
    assert [name for name in defined if defined.count(name) > 1] == []


def test_the_cache_heals(tmp_path, monkeypatch):
    monkeypatch.setenv("FLIPSEARCH_CACHE", str(tmp_path))
    first = load_kernel(winograd())
    path = tmp_path / "kernels" / first.__file__.rsplit("/", 1)[1]
    text = path.read_text()
    path.write_text("raise SystemExit\n")
    assert winograd().content_hash == load_kernel(winograd()).SCHEME
    assert path.read_text() == text

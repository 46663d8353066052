"""Products over F2 and F3: exact, whatever the leaf, the packing and the number of levels."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.catalogue import Catalogue
from flipsearch.cli import main
from flipsearch.errors import UsageError
from flipsearch.files import read_schemes
from flipsearch.formats import parse_format
from flipsearch.kernels import (
    import_kernel,
    matmul_bits,
    matmul_gf2,
    pack_bits,
    unpack_bits,
    write_kernel,
)
from flipsearch.kernels.builtin import strassen, strassen_algorithm
from flipsearch.kernels.plan import algorithm_of
from flipsearch.kernels.runtime import fields
from flipsearch.kernels.runtime.fields import field_levels, multiply_bits, multiply_residues
from flipsearch.kernels.runtime.microkernel import MULTIPLIES_SQUARES
from flipsearch.kernels.runtime.squares import (
    bytes_to_squares,
    to_bytes,
    to_rows,
    to_squares,
)
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme

SCHEMES = Path(__file__).resolve().parents[2] / "schemes" / "4x4x4"
F2, F3 = strassen_algorithm(Ring.F2), strassen_algorithm(Ring.F3)
LEAVES = [True, False] if MULTIPLIES_SQUARES else [False]


def residues(shape, seed=0, dtype=np.int64):
    return np.random.default_rng(seed).integers(-100, 100, shape).astype(dtype)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(0, 150), st.integers(0, 150), st.integers(0, 600)),
    squares=st.sampled_from(LEAVES),
    algorithm=st.sampled_from([F2, F3]),
    levels=st.sampled_from([None, 0, 1, 2]),
    threads=st.integers(1, 3),
)
def test_products_are_those_of_integers(shape, squares, algorithm, levels, threads):
    m, k, n = shape
    a, b = residues((m, k)), residues((k, n), 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fields, "MULTIPLIES_SQUARES", squares)
        found = multiply_residues(algorithm, a, b, None, threads, levels)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, a @ b % algorithm.modulus)


@pytest.mark.parametrize("squares", LEAVES)
@pytest.mark.parametrize("algorithm", [F2, F3], ids=["F2", "F3"])
def test_blocks_larger_than_a_strip(monkeypatch, squares, algorithm):
    monkeypatch.setattr(fields, "MULTIPLIES_SQUARES", squares)
    a, b = residues((4200, 2100)), residues((2100, 70), 1)
    exact = (a.astype(float) @ b).astype(int) % algorithm.modulus
    np.testing.assert_array_equal(multiply_residues(algorithm, a, b, levels=0), exact)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int32, np.uint64])
def test_types_of_operands_and_outputs(dtype):
    a, b = (abs(residues(x)).astype(dtype) for x in ((20, 90), (90, 33)))
    exact = a.astype(int) @ b.astype(int)
    for algorithm in (F2, F3):
        p = algorithm.modulus
        out = np.full((20, 33), 9, np.int64)[:, ::-1]
        assert multiply_residues(algorithm, a, b, out) is out
        np.testing.assert_array_equal(out, exact % p)
        if dtype is np.int8:
            np.testing.assert_array_equal(multiply_residues(algorithm, -a, b), -exact % p)
    assert matmul_gf2(a, b).dtype == (bool if dtype is bool else np.uint8)


def test_packed_matrices():
    a, b = residues((70, 200)) & 1, residues((200, 130), 1) & 1
    words = pack_bits(a)
    assert words.shape == (70, 4)
    assert words.dtype == np.uint64
    assert int(words[3, 1]) == sum(int(bit) << j for j, bit in enumerate(a[3, 64:128]))
    np.testing.assert_array_equal(unpack_bits(words, 200), a)
    words[:, 3] |= np.uint64(2**63)  # beyond the last column
    for levels in (0, 1):
        out = np.zeros((70, 3), np.uint64)
        assert matmul_bits(words, pack_bits(b), out, levels=levels) is out
        np.testing.assert_array_equal(unpack_bits(out, 130), a @ b % 2)


def test_squares_and_back():
    rows = np.random.default_rng(0).integers(0, 2**63, (19, 3)).astype(np.uint64)
    bits = np.zeros((24, 192), int)
    bits[:19] = unpack_bits(rows, 192)
    for is_right in (False, True):
        squares = np.zeros((3, 24), np.uint64)
        to_squares(rows, squares, is_right)
        for i, j in ((0, 0), (1, 7), (2, 23)):
            square = bits[8 * i : 8 * i + 8, 8 * j : 8 * j + 8]
            octets = square.T[::-1] if is_right else square
            expected = [sum(int(bit) << x for x, bit in enumerate(row)) for row in octets]
            assert list(int(squares[i, j]).to_bytes(8, "little")) == expected
        if not is_right:
            back = np.zeros_like(rows)
            to_rows(squares, back)
            np.testing.assert_array_equal(back, rows)


@pytest.mark.parametrize("squares", LEAVES)
def test_the_scheme_of_rank_47_multiplies(monkeypatch, squares):
    monkeypatch.setattr(fields, "MULTIPLIES_SQUARES", squares)
    (read,) = read_schemes(min(SCHEMES.glob("4x4x4_m47_F2_*")))
    algorithm = algorithm_of(read.scheme)
    assert len(algorithm.products) == 47
    a, b = residues((140, 300)), residues((300, 530), 1)
    np.testing.assert_array_equal(multiply_residues(algorithm, a, b, levels=1), a @ b % 2)


def test_what_does_not_fit_is_refused():
    one = np.ones((2, 2), int)
    with pytest.raises(TypeError, match="integers or bools"):
        matmul_gf2(one * 0.5, one)
    with pytest.raises(TypeError, match="plain arrays"):
        matmul_gf2(np.ma.masked_array(one), one)
    with pytest.raises(ValueError, match="do not multiply"):
        matmul_gf2(one, np.ones((3, 2), int))
    with pytest.raises(TypeError, match="out is bool"):
        matmul_gf2(one, one, np.zeros((2, 2), bool))
    with pytest.raises(TypeError, match="pack_bits"):
        matmul_bits(one, one)
    with pytest.raises(ValueError, match="3 words a row"):
        matmul_bits(np.zeros((2, 3), np.uint64), np.zeros((2, 1), np.uint64))


def test_the_output_may_be_an_operand():
    a = residues((64, 64))
    words = pack_bits(a)
    assert multiply_bits(F2, words, words, out=words) is words
    np.testing.assert_array_equal(unpack_bits(words, 64), a @ a % 2)


def test_without_the_compiler_numpy_multiplies(monkeypatch):
    monkeypatch.setattr(fields, "HAS_COMPILER", False)
    a, b = residues((9, 70)), residues((70, 5), 1)
    for algorithm in (F2, F3):
        exact = a @ b % algorithm.modulus
        np.testing.assert_array_equal(multiply_residues(algorithm, a, b), exact)
    np.testing.assert_array_equal(
        unpack_bits(matmul_bits(pack_bits(a), pack_bits(b)), 5), a @ b % 2
    )


def test_larger_matrices_take_more_levels():
    levels = [field_levels(F2, (side,) * 3, 1)[0] for side in (512, 65536)]
    assert levels[0] == 0 < levels[1]


@pytest.fixture
def database(database):
    with Catalogue.open(database) as catalogue:
        catalogue.schemes.add(strassen())
        catalogue.schemes.add(naive_scheme(parse_format("2x2x2"), Ring.F2))
    return database


@pytest.mark.parametrize("ring", ["F2", "F3"])
def test_kernels_over_finite_fields_are_written(tmp_path, monkeypatch, database, capsys, ring):
    file = tmp_path / f"mm_{ring}.py"
    assert main(["kernel", "2x2x2", "--ring", ring, "-o", str(file), "--db", database]) == 0
    said = capsys.readouterr().out
    assert "rank 7" in said
    assert "the scheme is used from side" in said
    module = import_kernel(file)
    module.prove()
    assert hasattr(module, "matmul_bits") == (ring == "F2")
    monkeypatch.setattr(module, "HAS_COMPILER", False)  # the library's own copy is compiled
    a, b = residues((40, 30)), residues((30, 20), 1)
    np.testing.assert_array_equal(module.matmul(a, b), a @ b % module.ALGORITHM.modulus)
    assert main(["bench-kernel", str(file)]) == 2
    assert "benchmarks.exact" in capsys.readouterr().err
    broken = tmp_path / f"broken_{ring}.py"
    broken.write_text(file.read_text().replace("((1, 0, 0),", "((0, 0, 0),", 1))
    with pytest.raises(ValueError, match="changed"):
        import_kernel(broken).prove()


@pytest.mark.slow
def test_a_kernel_over_a_finite_field_stands_alone(tmp_path):
    module = import_kernel(write_kernel(strassen().over(Ring.F2), tmp_path / "mm.py"))
    a, b = residues((40, 30)), residues((30, 20), 1)
    np.testing.assert_array_equal(module.matmul(a, b, levels=1), a @ b % 2)
    module.release()


def test_structured_formats_have_no_kernel_over_finite_fields(tmp_path):
    with pytest.raises(UsageError, match="general matrices"):
        write_kernel(naive_scheme(parse_format("gt:2x2x2"), Ring.F2), tmp_path / "no.py")


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, bool, np.uint64, np.int16])
@pytest.mark.parametrize("squares", LEAVES)
def test_entries_of_every_type_count_modulo_2(dtype, squares, monkeypatch):
    monkeypatch.setattr(fields, "MULTIPLIES_SQUARES", squares)
    a, b = residues((25, 77)).astype(dtype)[:, ::2], residues((39, 83), 1).astype(dtype)
    found = multiply_residues(F2, a, b)
    np.testing.assert_array_equal(found, (a & 1).astype(int) @ (b & 1).astype(int) % 2)
    assert found.dtype == (bool if dtype is bool else np.uint8)


def test_bytes_become_the_squares_that_their_bits_become():
    a = residues((21, 128), dtype=np.uint8)
    for is_right in (False, True):
        from_bits, from_bytes = np.zeros((2, 3, 16), np.uint64)
        to_squares(pack_bits(a), from_bits, is_right)
        bytes_to_squares(a.view(np.uint64), from_bytes, is_right)
        np.testing.assert_array_equal(from_bytes, from_bits)
    from_bytes[:] = 0
    bytes_to_squares(a.view(np.uint64), from_bytes, False)
    back = np.empty_like(a)
    to_bytes(from_bytes, back.view(np.uint64))
    np.testing.assert_array_equal(back, a & 1)

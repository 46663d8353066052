"""Emitted modules on threads: every pattern, every dtype, every way to fail."""

from __future__ import annotations

import ast
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from flipsearch.errors import UsageError
from flipsearch.faults import (
    FaultTolerantScheme,
    emit,
    emit_fault_tolerant_kernel,
    union_of,
    write_fault_tolerant_kernel,
)
from flipsearch.faults.presets import presets
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.kernels import KernelError
from flipsearch.kernels.builtin import strassen, winograd
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme

Emitted = Callable[[str, int], ModuleType]
CASES = [("2x2x2", 1, 1), ("2x2x2", 2, 1), ("2x2x2", 4, 7), ("2x2x3", 1, 1)]


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def integers(shape: tuple[int, int], seed: int, largest: int = 50) -> Any:
    return np.random.default_rng(seed).integers(-largest, largest + 1, size=shape)


@pytest.mark.parametrize(("name", "survive", "each"), CASES)
def test_patterns_of_losses_up_to_kmin(
    emitted: Emitted, threads: ThreadPoolExecutor, name: str, survive: int, each: int
) -> None:
    """All of them, or one in `each`; killed processes go through all (test_faults_processes)."""
    module = emitted(name, survive)
    n = module.CODE.workers
    assert module.CODE.kmin == survive + 1
    a, b = integers((5, 7), 1), integers((7, 6), 2)
    expected = a @ b
    for size in range(survive + 1):
        for lost in list(itertools.combinations(range(n), size))[::each]:
            outcome = module.multiply(
                a, b, executor=threads, retries=0, drill=dict.fromkeys(lost, "lose")
            )
            assert (outcome.product == expected).all(), lost
            assert not set(outcome.used) & set(lost)


def test_losses_beyond_the_guarantee(emitted: Emitted, threads: ThreadPoolExecutor) -> None:
    module = emitted("2x2x2", 3)
    union = presets(parse_format("2x2x2"), 3)[0]
    generator = np.random.default_rng(0)
    a, b = integers((4, 4), 3), integers((4, 4), 4)
    decoded = refused = 0
    for _ in range(60):
        size = int(generator.integers(4, 7))
        lost = generator.choice(union.workers, size=size, replace=False).tolist()
        drill = dict.fromkeys(lost, "lose")
        if union.is_decodable(lost):
            decoded += 1
            product = module.matmul(a, b, executor=threads, retries=0, drill=drill)
            assert (product == a @ b).all()
            continue
        refused += 1
        with pytest.raises(module.LostProductsError) as caught:
            module.matmul(a, b, executor=threads, retries=0, drill=drill)
        assert set(caught.value.lost) == set(lost)
        outcome = module.multiply(a, b, executor=threads, retries=1, drill=drill)
        assert (outcome.product == a @ b).all()
        assert 0 < len(outcome.resubmitted) < len(lost)
        assert union.is_decodable(set(lost) - set(outcome.resubmitted))
    assert decoded
    assert refused


@pytest.mark.parametrize("kind", [np.int64, np.float64, np.float32, np.complex128])
def test_a_wrong_answer_at_every_position_is_found(
    emitted: Emitted, threads: ThreadPoolExecutor, kind: Any
) -> None:
    module = emitted("2x2x2", 3)
    a, b = integers((9, 8), 5).astype(kind), integers((8, 10), 6).astype(kind)
    for r in range(module.CODE.workers):
        outcome = module.multiply(
            a, b, executor=threads, check=True, retries=0, drill={r: "wrong"}
        )
        assert np.allclose(outcome.product, a @ b, rtol=1e-4)
        assert outcome.wrong in ((r,), ())
        assert r not in outcome.used
        outcome = module.multiply(a, b, executor=threads, correct=1, drill={r: "wrong"})
        assert np.allclose(outcome.product, a @ b, rtol=1e-4)
        assert r not in outcome.used


def test_two_wrong_answers_are_corrected_without_a_check(
    emitted: Emitted, threads: ThreadPoolExecutor
) -> None:
    module = emitted("2x2x2", 4)
    a, b = integers((6, 6), 7), integers((6, 6), 8)
    for pair in itertools.combinations(range(module.CODE.workers), 2):
        outcome = module.multiply(
            a, b, executor=threads, correct=2, drill=dict.fromkeys(pair, "wrong")
        )
        assert (outcome.product == a @ b).all()
    with pytest.raises(ValueError, match="up to 2"):
        module.matmul(a, b, correct=3)


def test_one_wrong_and_one_lost_are_recovered(
    emitted: Emitted, threads: ThreadPoolExecutor
) -> None:
    module = emitted("2x2x2", 3)
    a, b = integers((6, 6), 9), integers((6, 6), 10)
    for wrong, lost in itertools.permutations(range(0, module.CODE.workers, 3), 2):
        outcome = module.multiply(
            a, b, executor=threads, correct=1, retries=0, drill={wrong: "wrong", lost: "lose"}
        )
        assert (outcome.product == a @ b).all()


def test_wrong_answers_are_not_passed_on(emitted: Emitted, threads: ThreadPoolExecutor) -> None:
    module = emitted("2x2x2", 1)
    a, b = integers((6, 6), 11), integers((6, 6), 12)
    with pytest.raises(module.LostProductsError) as caught:
        module.matmul(
            a, b, executor=threads, check=True, retries=0, drill={0: "wrong", 1: "wrong"}
        )
    assert caught.value.wrong == (0, 1)
    good = module.matmul(a, b, executor=threads, check=True, drill={0: "wrong", 1: "wrong"})
    assert (good == a @ b).all()


def test_a_straggler_is_not_waited_for(emitted: Emitted) -> None:
    module = emitted("2x2x2", 2)
    a, b = integers((8, 8), 13), integers((8, 8), 14)
    pool = ThreadPoolExecutor(module.CODE.workers)
    begin = time.monotonic()
    outcome = module.multiply(a, b, executor=pool, drill={4: 3.0, 7: 3.0})
    seconds = time.monotonic() - begin
    pool.shutdown(wait=False)
    assert (outcome.product == a @ b).all()
    assert {4, 7} <= set(outcome.late)
    assert seconds < 2.9


def test_a_deadline_turns_stragglers_into_losses(emitted: Emitted) -> None:
    module = emitted("2x2x2", 1)
    a, b = integers((8, 8), 15), integers((8, 8), 16)
    with ThreadPoolExecutor(2 * module.CODE.workers) as pool:
        with pytest.raises(module.LostProductsError, match="late"):
            module.matmul(
                a, b, executor=pool, deadline=0.3, retries=0, drill=dict.fromkeys(range(4), 1.5)
            )
        outcome = module.multiply(
            a, b, executor=pool, deadline=0.3, retries=1, drill=dict.fromkeys(range(4), 1.5)
        )
    assert (outcome.product == a @ b).all()
    assert len(outcome.resubmitted) == 3


@pytest.mark.parametrize(
    "kind", ["int8", "uint8", "int32", "uint64", "int64", "float16", "float32", "complex64"]
)
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 5), (7, 1, 4), (13, 12, 11), (0, 3, 2)])
def test_dtypes_and_sizes(emitted: Emitted, kind: str, shape: tuple[int, int, int]) -> None:
    module = emitted("2x2x2", 3)
    n, m, p = shape
    a, b = integers((n, m), 17, 9).astype(kind), integers((m, p), 18, 9).astype(kind)
    product = module.matmul(a, b, drill={3: "lose"})
    assert product.dtype == (a @ b).dtype
    assert product.shape == (n, p)
    if product.dtype.kind in "iu":
        assert (product == a @ b).all()
    else:
        assert np.allclose(product, a @ b, rtol=1e-2, atol=1e-2)


def test_integers_that_wrap_are_exact_modulo_two_to_the_64(emitted: Emitted) -> None:
    for survive in (2, 3):
        module = emitted("2x2x2", survive)
        generator = np.random.default_rng(0)
        a, b = (generator.integers(-(2**62), 2**62, size=(6, 6)) for _ in range(2))
        with np.errstate(over="ignore"):
            assert (module.matmul(a, b) == a @ b).all()
            checked = module.multiply(a, b, check=True, drill={1: "wrong"})
        assert (checked.product == a @ b).all()
        assert 1 not in checked.used


def test_strided_and_readonly_operands(emitted: Emitted) -> None:
    module = emitted("2x2x2", 1)
    a, b = integers((12, 20), 19)[::2, ::-2], integers((8, 10), 20).T[:, ::2]
    a.flags.writeable = False
    assert (module.matmul(a, b) == a @ b).all()


def test_floats_are_accurate_whatever_is_lost(emitted: Emitted) -> None:
    module = emitted("2x2x2", 3)
    generator = np.random.default_rng(1)
    a, b = generator.standard_normal((64, 64)), generator.standard_normal((64, 64))
    growths = []
    for lost in [(), (0,), (1, 2), (3, 4, 5)]:
        outcome = module.multiply(a, b, drill=dict.fromkeys(lost, "lose"), retries=0)
        error = np.abs(outcome.product - a @ b).max()
        assert error <= outcome.growth * 64 * 64 * np.finfo(float).eps
        growths.append(module.CODE.decoding(frozenset(lost)).growth)
    assert growths[0] == min(growths)


def test_right_products_pass_the_check_at_all_scales(emitted: Emitted) -> None:
    module = emitted("2x2x2", 3)
    generator = np.random.default_rng(2)
    for scale in (1e-150, 1e-8, 1.0, 1e8, 1e140):
        for size in (3, 40, 129):
            a = generator.standard_normal((size, size)) * scale
            b = generator.standard_normal((size, size + 1)) * 10.0 ** generator.integers(
                -6, 6, size=(size, size + 1)
            )
            outcome = module.multiply(a, b, check=True)
            assert outcome.wrong == ()
            outcome = module.multiply(a, b, correct=1)
            assert outcome.wrong == ()


@pytest.mark.parametrize("kind", [np.float64, np.int64])
def test_large_enough_for_pieces_and_threads(emitted: Emitted, kind: Any) -> None:
    module = emitted("2x2x2", 3)
    a, b = integers((731, 725), 23).astype(kind), integers((725, 740), 24).astype(kind)
    outcome = module.multiply(a, b, check=True, drill={4: "wrong", 9: "lose"})
    assert outcome.product.nbytes > 1 << 22
    assert np.allclose(outcome.product, a @ b, rtol=0, atol=1e-6)
    assert set(outcome.wrong) <= {4}
    assert not {4, 9} & set(outcome.used)


def test_the_check_where_random_images_vanish(emitted: Emitted) -> None:
    module = emitted("2x2x2", 1)
    code, size = module.CODE, 64
    generator = np.random.default_rng(3)
    a, b = generator.standard_normal((size, size)), generator.standard_normal((size, size))
    x = module.Freivalds(code, a, b, seed=5)._x
    row = generator.standard_normal(size // 2)
    row -= x @ np.linalg.lstsq(x, row, rcond=None)[0]
    b = np.outer(generator.standard_normal(size), np.concatenate([row, row]))
    checks = module.Freivalds(code, a, b, seed=5)
    assert np.abs(b[:, : size // 2] @ x).max() < 1e-12
    operands = module.Operands(code, a, b)
    for r in range(code.workers):
        left, right, blocks = operands.needs(r)
        product = module.product_of_blocks(operands.shapes, left, right, None, None, *blocks)
        assert checks.is_right(r, product)  # though |B x| bounds no norm
        assert not checks.is_right(r, module.spoil(product))
    assert checks._norms is not None


def test_norms_are_seldom_needed_and_bound_the_estimates(emitted: Emitted) -> None:
    module = emitted("2x2x2", 3)
    code = module.CODE
    generator = np.random.default_rng(4)
    for kind in (np.float32, np.float64, np.complex128):
        a, b = (generator.standard_normal((130, 130)).astype(kind) for _ in range(2))
        checks = module.Freivalds(code, a, b)
        operands = module.Operands(code, a, b)
        for r in range(code.workers):
            left, right, blocks = operands.needs(r)
            assert checks.is_right(
                r, module.product_of_blocks(operands.shapes, left, right, None, None, *blocks)
            )
        assert checks._norms is None
        for least, exact in zip(checks._least_norms, checks._exact_norms(), strict=True):
            for low, high in zip(least, exact, strict=True):
                assert (low <= high).all()
                assert (low > 0).all()


def all_products(module: ModuleType, a: Any, b: Any) -> list[Any]:
    operands = module.Operands(module.CODE, a, b)
    return [
        module.product_of_blocks(operands.shapes, left, right, None, None, *blocks)
        for left, right, blocks in map(operands.needs, range(module.CODE.workers))
    ]


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.complex128])
def test_errors_that_cancel_are_found(emitted: Emitted, kind: Any) -> None:
    """Two equal or opposite errors in a row passed one vector of signs every second time."""
    module = emitted("2x2x2", 3)
    generator = np.random.default_rng(7)
    a, b = (generator.standard_normal((40, 40)).astype(kind) for _ in range(2))
    products = all_products(module, a, b)
    for attempt in range(200):
        r = attempt % module.CODE.workers
        product = products[r].copy()
        i, j, k = generator.choice(20, size=3, replace=False)
        error = 1 + np.abs(product).max()
        product[i, j] += error
        product[i, k] += error if attempt % 2 else -error
        assert not module.Freivalds(module.CODE, a, b, attempt).is_right(r, product)
        arrived = dict(enumerate(products)) | {r: product}
        bounds = module.error_bounds(module.CODE, a, b)
        accused = module.locate(module.CODE, arrived, 1, bounds, attempt)
        assert accused  # r, or a product that all relations hold together with r
        assert r not in module.CODE.decoding(frozenset(accused)).used


def test_what_the_check_misses_is_what_it_says(emitted: Emitted) -> None:
    """One entry beyond 4 tolerances never passes; c tolerances pass by chance (4/c)^3 at most."""
    module = emitted("2x2x2", 1)
    generator = np.random.default_rng(8)
    a, b = generator.standard_normal((64, 64)), generator.standard_normal((64, 64))
    product = all_products(module, a, b)[0]
    checks = module.Freivalds(module.CODE, a, b, 0)
    tolerance = checks._tolerance(0, checks._exact_norms())
    one, two = product.copy(), product.copy()
    one[3, 5] += 4.01 * tolerance[3]
    two[3, 5] += 8 * tolerance[3]
    two[3, 6] -= 8 * tolerance[3]
    missed = 0
    for seed in range(400):
        checks = module.Freivalds(module.CODE, a, b, seed)
        assert checks.is_right(0, product)
        assert not checks.is_right(0, one)
        missed += checks.is_right(0, two)
    assert missed / 400 <= (4 / 8) ** 3
    assert missed > 0  # so that the bound was put to the test


def test_operands_and_products_use_kept_memory(emitted: Emitted) -> None:
    module = emitted("2x2x2", 3)
    a, b = integers((9, 8), 5).astype(float), integers((8, 10), 6).astype(float)
    operands = module.Operands(module.CODE, a, b)
    kept = []
    for r in range(module.CODE.workers):
        left, right, blocks = operands.needs(r)
        product = module.product_of_blocks(
            operands.shapes, left, right, None, None, *blocks, keep=True
        )
        fresh = module.product_of_blocks(operands.shapes, left, right, None, None, *blocks)
        assert (product == fresh).all()
        assert product is not fresh
        kept.append(id(product))
    assert len(set(kept)) == 1


def test_no_worker_gets_more_than_its_operands_blocks(emitted: Emitted) -> None:
    module = emitted("2x2x2", 3)
    a, b = integers((6, 8), 5), integers((8, 10), 6)
    given: list[list[Any]] = []

    class Recording(ThreadPoolExecutor):
        def submit(self, call: Any, /, *arguments: Any, **options: Any) -> Any:
            given.append([x for x in arguments if isinstance(x, np.ndarray)])
            return super().submit(call, *arguments, **options)

    with Recording(1) as pool:
        module.multiply(a, b, executor=pool)
    for blocks, u, v in zip(given, module.CODE.left, module.CODE.right, strict=True):
        assert [block.base is a for block in blocks] == [True] * sum(map(bool, u)) + [False] * sum(
            map(bool, v)
        )
        assert all(block.shape in ((3, 4), (4, 5)) for block in blocks)


def test_the_report_names_what_happened(emitted: Emitted) -> None:
    module = emitted("2x2x2", 3)
    a, b = integers((6, 6), 21), integers((6, 6), 22)
    with ThreadPoolExecutor(1) as one:  # in order, so that the first two report before the rest
        outcome = module.multiply(a, b, executor=one, check=True, drill={0: "raise", 1: "wrong"})
    text = str(outcome)
    assert "rehearsed failure" in outcome.lost[0]
    assert outcome.wrong == (1,)
    assert "lost 0" in text
    assert "wrong: [1]" in text
    assert "growth" in text


def test_the_module_proves_itself_and_a_damaged_one_does_not(emitted: Emitted) -> None:
    module = emitted("2x2x2", 2)
    module.prove()
    code = module.CODE
    scale, row = code.rows[0][0]
    damaged = ((scale, (row[0] + 1, *row[1:])), *code.rows[0][1:])
    other = module.Code(
        code.sides, code.left, code.right, code.checks, (damaged, *code.rows[1:]), code.kmin
    )
    with pytest.raises(AssertionError, match="decoder"):
        other.prove()


def test_the_source_stands_alone() -> None:
    source = emit_fault_tolerant_kernel(union_of(parse_format("2x2x2"), [strassen(), winograd()]))
    tree = ast.parse(source)
    imported = {
        name.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for name in node.names
    } | {
        (node.module or "").split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert "flipsearch" not in imported
    assert not imported & {"scipy", "numba", "pickle"}
    assert "numpy" in imported


class HostileFormat(MatrixProduct):
    """A format whose name would be code, were it written out as it is."""

    name = '2x2x2"""\nimport os; os.system("touch hacked")\n"""'  # type: ignore[assignment]


def test_only_allowed_source_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    s = strassen()
    hostile = FaultTolerantScheme(HostileFormat(2, 2, 2), s.u, s.v, (), '"""\nimport os')
    text = emit_fault_tolerant_kernel(hostile)
    assert "hacked" not in text
    assert "2x2x2" in text
    with pytest.raises(UsageError, match="name of a module"):
        emit_fault_tolerant_kernel(hostile, module='mm"""\nimport socket\n"""')
    for line in ("import socket", "x = eval('1')", "for x in ():\n    pass", "print(1)"):
        monkeypatch.setattr(emit, "_TAIL", f"{line}\n")
        with pytest.raises(KernelError):
            emit_fault_tolerant_kernel(union_of(parse_format("2x2x2"), [s]))


def test_structured_formats_are_refused() -> None:
    format_ = parse_format("ug:2x2x2")
    naive = naive_scheme(format_, Ring.ZT)
    union = FaultTolerantScheme(format_, naive.u, naive.v)
    with pytest.raises(UsageError, match="general"):
        emit_fault_tolerant_kernel(union)


def test_as_many_threads_and_processes_as_the_affinity_mask_leaves(tmp_path: Path) -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("no affinity masks here")
    union = presets(parse_format("2x2x2"), 1)[0]
    write_fault_tolerant_kernel(union, tmp_path / "masked.py", losses=0)
    said = subprocess.run(
        [sys.executable, "-c", _MASKED], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["1", "1", "1"]


_MASKED = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import numpy, masked
operands = masked.Operands(masked.CODE, numpy.ones((4, 4)), numpy.ones((4, 4)))
pool = masked.workers()
threads = masked.PoolTransport(operands, None, None)._executor._max_workers
print(masked.available_cores(), pool.count, threads)
pool.close()
"""

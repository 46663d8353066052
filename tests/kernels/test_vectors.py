"""Kernels of tensors: vectors in, vector out, and a proof of the very program that runs."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from flipsearch.errors import UsageError
from flipsearch.formats.tensors import polynomial
from flipsearch.kernels import emit_kernel, import_kernel, load_kernel, write_kernel
from flipsearch.kernels.checks import KernelError
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme, rational_scheme

# Toom and Cook's points 0, 1, -1, infinity: poly:2x3 with halves
LEFT = [[1, 0], [1, 1], [1, -1], [0, 1]]
RIGHT = [[1, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 1]]
HALF = Fraction(1, 2)
OUT = [[1, 0, -1, 0], [0, HALF, HALF, 0], [0, -HALF, HALF, 0], [0, -1, 0, 1]]


@pytest.fixture(scope="module")
def toom() -> Scheme:
    return rational_scheme(polynomial(2, 3), LEFT, RIGHT, OUT)


def test_a_kernel_multiplies_vectors_and_stacks_of_them(toom: Scheme, tmp_path: Path) -> None:
    kernel = import_kernel(write_kernel(toom, tmp_path / "toom.py"))
    assert toom.content_hash == kernel.SCHEME
    kernel.prove()
    a, b = [1.0, 2.5], np.arange(12.0).reshape(4, 3)
    expected = [np.convolve(a, row) for row in b]
    assert np.allclose(kernel.apply(a, b), expected)
    assert kernel.apply([3, 4], [1, 2, 2**62]).tolist() == [3, 10, 8 - 2**62, 0]  # wraps
    assert kernel.apply([Fraction(1, 3), 1], [3, 0, 6]).tolist() == [1, 3, 2, 6]
    for wrong, error in (([1, 2, 3], ValueError), (["1", "2"], TypeError), (3, ValueError)):
        with pytest.raises(error):
            kernel.apply(wrong, [1, 2, 3])


def test_a_changed_program_is_not_proved(toom: Scheme, tmp_path: Path) -> None:
    text = emit_kernel(toom)
    path = tmp_path / "changed.py"
    path.write_text(text.replace("c[row, 0] = ", "c[row, 0] = 2 * "))
    with pytest.raises(ValueError, match="not valid"):
        import_kernel(path).prove()
    path.write_text("x = 1\n")
    with pytest.raises(KernelError, match="no kernel"):
        import_kernel(path)


def test_what_no_kernel_is_written_for(toom: Scheme) -> None:
    with pytest.raises(UsageError, match="lift"):
        load_kernel(naive_scheme(toom.format, Ring.F2))
    with pytest.raises(UsageError, match="no levels"):
        emit_kernel(toom, levels=1)

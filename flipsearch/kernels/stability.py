"""Bound the growth of a scheme's rounding errors: growth factors and an error bound.

For one level of a scheme sum_r (1/d_r) u_r (x) v_r (x) w_r:

- e_k = sum_r |w_rk / d_r| |u_r|_1 |v_r|_1, and emax their largest over the outputs k: by how much
  the sizes of intermediate results exceed |A||B|; it multiplies from level to level.
- qmax = max_k ( nnz(w_.k) + max over r with w_rk != 0 of nnz(u_r) + nnz(v_r) ): the longest chain
  of additions that ends in an output.
- gamma2 = sum_r |u_r|_2 |v_r|_2 |w_r / d_r|_2, a smooth measure that orbits of a scheme differ in.

Definitions as in Ballard, Benson, Druinsky, Lipshitz, Schwartz, "Improving the numerical
stability of fast matrix multiplication" (2016); gamma2 as in Dumas, Pernet, Sedoglavic (2024).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flipsearch.scheme import Scheme


@dataclass(frozen=True)
class Growth:
    """The growth factors of one level of a scheme."""

    emax: float
    qmax: int
    gamma2: float


def growth(scheme: Scheme) -> Growth:
    """Return the growth factors of a scheme; over a field, of the stored representatives."""
    u, v = np.abs(scheme.u.astype(float)), np.abs(scheme.v.astype(float))
    w = np.abs(scheme.w.astype(float)) / scheme.denominators[:, None]
    if scheme.rank == 0:
        return Growth(0.0, 0, 0.0)
    emax = float((w * (u.sum(axis=1) * v.sum(axis=1))[:, None]).sum(axis=0).max())
    chain = np.count_nonzero(u, axis=1) + np.count_nonzero(v, axis=1)
    present = w != 0
    qmax = int((present.sum(axis=0) + (present * chain[:, None]).max(axis=0)).max())
    norms = [np.sqrt((matrix**2).sum(axis=1)) for matrix in (u, v, w)]
    return Growth(emax, qmax, float((norms[0] * norms[1] * norms[2]).sum()))


def error_bound(
    factors: Growth, inner_blocks: int, depth: int, levels: int, epsilon: float
) -> float:
    """Return the bound on max|error| / (max|A| max|B|) after some levels.

    With K the `depth` (common side of the operands), L the `levels` (0: the classical product), m
    the `inner_blocks` (the scheme's middle side) and the unit roundoff `epsilon` (2^-53 for
    float64) it is (1 + qmax L + K / m^L) (K / m^L) emax^L epsilon, to first order in epsilon.
    """
    leaf = -(-depth // inner_blocks**levels)
    return (1 + factors.qmax * levels + leaf) * leaf * factors.emax**levels * epsilon

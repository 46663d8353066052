"""Compute the certificates of plain copies and entangled polynomial codes, for comparison.

Invariant: the formulae are exact and say nothing about our unions.
"""

from __future__ import annotations

import math

from flipsearch.errors import UsageError
from flipsearch.faults.union import Certificate, general
from flipsearch.formats import Format, MatrixProduct


def copies(rank: int, count: int) -> Certificate:
    """Return the certificate of `count` copies of a scheme of `rank` independent products.

    A set of losses is fatal if it contains all copies of a product.
    """
    alive = [1]  # number of sets, by size, that leave a copy of each product
    one = [math.comb(count, k) if k < count else 0 for k in range(count + 1)]
    for _ in range(rank):
        alive = [
            sum(alive[i] * one[k - i] for i in range(len(alive)) if 0 <= k - i <= count)
            for k in range(len(alive) + count)
        ]
    n = rank * count
    return Certificate(n, tuple(math.comb(n, k) - alive[k] for k in range(n + 1)))


def polynomial_threshold(format_: MatrixProduct) -> int:
    """Return the number of workers of an entangled polynomial code that must answer.

    Any n m p + m - 1 workers suffice, and no fewer (Yu, Maddah-Ali and Avestimehr 2018).
    """
    n, m, p = format_.sides
    return n * m * p + m - 1


def polynomial_code(format_: MatrixProduct, workers: int) -> Certificate:
    """Return the certificate of the entangled polynomial code, an MDS code."""
    threshold = polynomial_threshold(format_)
    if workers < threshold:
        raise UsageError(f"an entangled polynomial code of {format_} needs {threshold} workers")
    return Certificate(
        workers,
        tuple(math.comb(workers, k) if k > workers - threshold else 0 for k in range(workers + 1)),
    )


def alternatives(
    format_: Format, rank: int, survive: int, workers: int
) -> list[tuple[str, Certificate]]:
    """Return the certificates of plain copies and polynomial codes, with their names.

    `format_` is general, and `rank` that of the scheme to copy. The codes survive `survive`
    losses, on as few workers as they need and on `workers`, those of the union to compare with.
    """
    least = polynomial_threshold(general(format_)) + survive
    codes = [
        (f"entangled polynomial code, {count} workers", polynomial_code(general(format_), count))
        for count in sorted({least, max(workers, least)})
    ]
    return [(f"{survive + 1} copies", copies(rank, survive + 1)), *codes]


def latency(certificate: Certificate) -> tuple[float, float]:
    """Return the mean and the 99th percentile of the time until the arrived products decode.

    In the model all workers start at once and each takes 1 + Exp(1). At time 1 + t each worker is
    missing with probability e^-t, independently. Therefore P(T > 1 + t) = P_fail(e^-t), and
    integration gives E T = 1 + sum_k FC(k) / (k C(n, k)). Both values are exact. A certificate
    that is not complete raises a `UsageError`.
    """
    n = certificate.workers
    low, high = 0.0, 60.0
    for _ in range(80):
        middle = (low + high) / 2
        if certificate.failure_probability(math.exp(-middle)) > 0.01:
            low = middle
        else:
            high = middle
    mean = 1 + sum(certificate.counts[k] / (k * math.comb(n, k)) for k in range(1, n + 1))
    return mean, 1 + high

"""Hold products of which some may be lost, as an immutable value with an exact certificate.

n workers compute the products (u_r . A)(v_r . B). The entries of the output must lie in the span
of the products that survive. Products come from several schemes (a union), from added parity
products, or from a free code. Here they are rows of two integer matrices.

Invariant: a `FaultTolerantScheme` without losses spans its format's target. Its decoder is
verified as a scheme against the Brent equations when the value is made. Relations, certificate and
decoders are exact.

The idea of uniting two different schemes is due to Güney and Arslan (arXiv 2210.04441).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from flipsearch.algebra import exact
from flipsearch.errors import FormatError, InvalidSchemeError, UsageError
from flipsearch.faults.patterns import fatal_counts, fatal_patterns
from flipsearch.formats import Format, MatrixProduct
from flipsearch.normal import normal_rows
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.verify import verify

LARGEST_ENUMERATION = 1 << 22
LARGEST_COMPLETE = 24


@dataclass(frozen=True)
class Certificate:
    """The exact numbers of fatal erasure patterns of n `workers`.

    `counts` is FC(0), FC(1), ...: the number of undecodable sets of k lost products. It is shorter
    than n + 1 if larger sets were not enumerated.
    """

    workers: int
    counts: tuple[int, ...]

    @property
    def is_complete(self) -> bool:
        """Whether all sizes up to n were enumerated."""
        return len(self.counts) == self.workers + 1

    @property
    def kmin(self) -> int:
        """The smallest number of losses that can be fatal.

        It is a lower bound if no enumerated size has a fatal set.
        """
        return next((k for k, count in enumerate(self.counts) if count), len(self.counts))

    @property
    def survives(self) -> int:
        """The number of losses that are always survived: kmin - 1."""
        return self.kmin - 1

    @property
    def detects(self) -> int:
        """The number of silently wrong workers that are always detected: kmin - 1."""
        return self.kmin - 1

    @property
    def corrects(self) -> int:
        """The number of wrong workers that are corrected without a check: floor((kmin - 1)/2)."""
        return (self.kmin - 1) // 2

    def failure_bounds(self, p: float) -> tuple[float, float]:
        """Return a lower and an upper bound of the probability that decoding fails.

        Each worker is lost independently with probability `p`: P = sum FC(k) p^k (1-p)^(n-k). The
        bounds agree if the certificate is complete. Otherwise the sets of larger sizes count as
        never fatal in the lower bound and as always fatal in the upper one.
        """
        n = self.workers
        low = sum(c * p**k * (1 - p) ** (n - k) for k, c in enumerate(self.counts))
        rest = range(len(self.counts), n + 1)
        return low, low + sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in rest)

    def failure_probability(self, p: float) -> float:
        """Return P_fail(p) for a complete certificate.

        Otherwise a `UsageError` is raised: see `failure_bounds`.
        """
        if not self.is_complete:
            raise UsageError(
                f"sets of {len(self.counts)} and more of {self.workers} workers were not "
                "enumerated: ask for bounds instead"
            )
        return self.failure_bounds(p)[0]


@dataclass(frozen=True, eq=False)
class FaultTolerantScheme:
    """n products that span a format's target, also after some losses.

    Parameters
    ----------
    u, v : integer arrays, shapes (n, dU), (n, dV)
        Product r is (u_r . A)(v_r . B).
    origin : tuple of str
        The origin of each product, such as ``Strassen``, ``Winograd`` or ``parity``; may be empty.
    name : str
        A name for listings.

    Raises
    ------
    FormatError, InvalidSchemeError
        Shapes or coefficients do not fit; or the products do not span the target.
    """

    format: Format
    u: IntArray
    v: IntArray
    origin: tuple[str, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        shell = Scheme(
            self.format,
            Ring.Q,
            self.u,
            self.v,
            np.zeros((len(self.u), self.format.dimensions[2]), dtype=np.int64),
        )
        object.__setattr__(self, "u", shell.u)
        object.__setattr__(self, "v", shell.v)
        if self.origin and len(self.origin) != len(self.u):
            raise FormatError("origin must have one entry for each product")
        if not (self.u.any(axis=1) & self.v.any(axis=1)).all():
            raise FormatError("a product has a zero factor: leave it out")
        verify(self.as_scheme())

    @property
    def workers(self) -> int:
        """The number n of products."""
        return len(self.u)

    @cached_property
    def products(self) -> IntArray:
        """The products as vectors over a_i b_j; shape (n, dU dV)."""
        return (self.u[:, :, None] * self.v[:, None, :]).reshape(self.workers, -1)

    @cached_property
    def targets(self) -> IntArray:
        """The outputs as vectors over a_i b_j; shape (dW, dU dV)."""
        return target_forms(self.format)

    @cached_property
    def relations(self) -> IntArray:
        """The parity checks H: a basis of the integer relations; shape (n - rank, n)."""
        return exact.relations(self.products)

    @property
    def rank(self) -> int:
        """The dimension of the products' span."""
        return self.workers - len(self.relations)

    @cached_property
    def _decoder(self) -> tuple[IntArray, IntArray]:
        found = exact.combination(self.products, self.targets)
        if found is None:
            raise InvalidSchemeError(
                f"these {self.workers} products do not span the outputs of {self.format}"
            )
        return found

    @property
    def decoder(self) -> IntArray:
        """One decoder D0, each row times its denominator; shape (dW, n)."""
        return self._decoder[0]

    def decoding_scheme(
        self, decoder: IntArray, scales: Iterable[int], lost: Iterable[int] = ()
    ) -> Scheme:
        """Return the surviving products with a decoder as third factor, as a scheme over Q.

        A proof of this scheme by `flipsearch.verify` proves the decoder. `decoder`, int64 of shape
        (dW, n), holds numerators, zero at the lost products; output c is ``decoder[c] . products /
        scales[c]``.
        """
        keep = np.setdiff1d(np.arange(self.workers), np.fromiter(lost, dtype=np.int64))
        denominators = [int(s) for s in scales]
        common = math.lcm(1, *denominators)
        weights = np.array([common // s for s in denominators], dtype=object)
        w = (decoder.astype(object) * weights[:, None]).T[keep]
        if np.abs(w).max(initial=0) >= 2**62:
            raise FormatError("a decoder needs coefficients of 2^62 or more")
        return Scheme(
            self.format,
            Ring.Q,
            self.u[keep],
            self.v[keep],
            w.astype(np.int64),
            np.full(len(keep), common, dtype=np.int64),
        )

    def prove_decoder(
        self, decoder: IntArray, scales: Iterable[int], lost: Iterable[int] = ()
    ) -> None:
        """Prove a decoder against the Brent equations by `flipsearch.verify.verify`.

        Each coefficient becomes one term with the denominator of its output. The outputs therefore
        need no common denominator. If an equation fails, or the decoder reads a lost product, an
        `InvalidSchemeError` is raised.
        """
        if decoder[:, list(lost)].any():
            raise InvalidSchemeError("the decoder reads a product that is lost")
        outputs, products = np.nonzero(decoder)
        w = np.zeros((len(outputs), len(decoder)), dtype=np.int64)
        w[np.arange(len(outputs)), outputs] = decoder[outputs, products]
        denominators = np.array(list(scales), dtype=np.int64)[outputs]
        terms = (self.u[products], self.v[products], w, denominators)
        verify(Scheme(self.format, Ring.Q, *terms))

    def as_scheme(self) -> Scheme:
        """Return all n products with the decoder D0 as a scheme over ZT, Z or Q.

        Products that D0 does not use have a zero third factor, and the scheme's hash covers them.
        `from_scheme` restores the union from a catalogue.
        """
        scheme = self.decoding_scheme(*self._decoder)
        if (scheme.denominators != 1).any():
            return scheme
        ternary = all(Ring.ZT.contains(factor) for factor in scheme.factors)
        return Scheme(self.format, Ring.ZT if ternary else Ring.Z, *scheme.factors)

    def certificate(self, largest: int | None = None) -> Certificate:
        """Return the exact certificate for sets of up to `largest` lost products.

        By default `largest` is n for up to 24 workers; for more, about four million sets are
        enumerated.
        """
        if largest is None:
            largest = self.workers
            if self.workers > LARGEST_COMPLETE:
                largest = 1
                while (
                    sum(math.comb(self.workers, k) for k in range(largest + 2))
                    <= LARGEST_ENUMERATION
                ):
                    largest += 1
        known = max(self._counts, key=len, default=())
        if len(known) <= min(largest, self.workers):
            known = tuple(fatal_counts(self.relations, self.decoder, largest))
            self._counts.append(known)
        return Certificate(self.workers, known[: largest + 1])

    def certificate_until_fatal(self, largest: int) -> Certificate:
        """Return the certificate up to the smallest fatal sets, or up to `largest` losses.

        Smaller sets come first, so a bad union costs little.
        """
        certificate = self.certificate(0)
        for size in range(1, min(largest, self.workers) + 1):
            certificate = self.certificate(size)
            if certificate.counts[-1]:
                break
        return certificate

    @cached_property
    def _counts(self) -> list[tuple[int, ...]]:
        return []

    def fatal_patterns(self, size: int) -> list[tuple[int, ...]]:
        """Return the fatal sets of exactly `size` lost products."""
        return fatal_patterns(self.relations, self.decoder, size)

    def is_decodable(self, lost: Iterable[int]) -> bool:
        """Return whether the outputs lie in the span of the other products, exactly."""
        keep = np.setdiff1d(np.arange(self.workers), np.fromiter(lost, dtype=np.int64))
        return exact.combination(self.products[keep], self.targets) is not None

    @cached_property
    def content_hash(self) -> str:
        """The SHA-256 of the format and the set of products up to order and signs."""
        digest = hashlib.sha256(f"flipsearch fault-tolerant scheme 1\n{self.format}\n".encode())
        digest.update(repr(sorted(product_set(self.u, self.v))).encode())
        return digest.hexdigest()

    def __repr__(self) -> str:
        return f"<FaultTolerantScheme {self.format} on {self.workers} workers {self.name}>"


def general(format_: Format) -> MatrixProduct:
    """Return the format if it is general, as such products need, or raise a `UsageError`."""
    if not isinstance(format_, MatrixProduct) or not format_.is_general:
        raise UsageError(f"{format_}: only general formats such as 4x4x4 can be protected")
    return format_


def target_forms(format_: Format) -> IntArray:
    """Return the outputs as vectors over a_i b_j; shape (dW, dU dV)."""
    du, dv, dw = format_.dimensions
    forms = np.zeros((dw, du * dv), dtype=np.int64)
    a, b, c, value = format_.target.T
    forms[c, a * dv + b] = value
    return forms


def union_of(
    format_: Format,
    parts: Iterable[Scheme | tuple[npt.ArrayLike, npt.ArrayLike]],
    labels: Iterable[str] = (),
    name: str = "",
) -> FaultTolerantScheme:
    """Return the union of parts, each a scheme or a pair (u rows, v rows) of products."""
    names = list(labels)
    us, vs, origin = [], [], []
    for i, part in enumerate(parts):
        pair = (part.u, part.v) if isinstance(part, Scheme) else part
        u, v = (np.atleast_2d(np.array(side, dtype=np.int64)) for side in pair)
        us.append(u)
        vs.append(v)
        origin += [names[i] if i < len(names) else f"part {i + 1}"] * len(u)
    return FaultTolerantScheme(
        format_, np.concatenate(us), np.concatenate(vs), tuple(origin), name
    )


def from_scheme(scheme: Scheme, name: str = "") -> FaultTolerantScheme:
    """Return the products of a scheme (over ZT, Z or Q) as a fault-tolerant scheme."""
    return FaultTolerantScheme(scheme.format, scheme.u, scheme.v, (), name)


def product_set(u: IntArray, v: IntArray) -> set[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return the products as pairs of primitive factors, up to order and signs."""
    lines = (normal_rows(factor, Ring.Z)[1].tolist() for factor in (u, v))
    return {(tuple(x), tuple(y)) for x, y in zip(*lines, strict=True)}

"""FaultTolerantScheme: products of which some may be lost, as an immutable value.

n workers compute the products (u_r . A)(v_r . B). The entries of the output must lie in the span
of the products that survive. Products come from several schemes (a union), from parity products
added to them, or from a free code; here they are just rows of two integer matrices.

Invariant: a `FaultTolerantScheme` spans its format's target with no worker lost, by a decoder that
is verified as a scheme, against the Brent equations, when the value is made. Everything derived
from it (relations, certificate, decoders) is exact.

The idea of uniting two different schemes is Güney and Arslan's (arXiv 2210.04441).
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
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.verify import verify

LARGEST_ENUMERATION = 1 << 22
LARGEST_COMPLETE = 24


@dataclass(frozen=True)
class Certificate:
    """How many erasure patterns are fatal, exactly.

    Parameters
    ----------
    workers : int
        n.
    counts : tuple of int
        FC(0), FC(1), ...: undecodable sets of that many lost products. Shorter than n + 1 where
        the larger sets were not enumerated.
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

        Where no enumerated size has a fatal set this is a lower bound.
        """
        return next((k for k, count in enumerate(self.counts) if count), len(self.counts))

    @property
    def survives(self) -> int:
        """How many lost workers are survived whichever they are: kmin - 1."""
        return self.kmin - 1

    @property
    def detects(self) -> int:
        """How many silently wrong workers are noticed: kmin - 1."""
        return self.kmin - 1

    @property
    def corrects(self) -> int:
        """How many silently wrong workers are corrected without a check: floor((kmin - 1)/2)."""
        return (self.kmin - 1) // 2

    def failure_bounds(self, p: float) -> tuple[float, float]:
        """Return a lower and an upper bound of the probability that decoding fails.

        Each worker is lost independently with probability `p`: P = sum FC(k) p^k (1-p)^(n-k).
        The two agree where the certificate is complete; elsewhere the sizes not enumerated count
        as never and as always fatal.
        """
        n = self.workers
        low = sum(c * p**k * (1 - p) ** (n - k) for k, c in enumerate(self.counts))
        rest = range(len(self.counts), n + 1)
        return low, low + sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in rest)

    def failure_probability(self, p: float) -> float:
        """Return P_fail(p), from a complete certificate.

        Raises
        ------
        UsageError
            Larger sets were not enumerated: use `failure_bounds`.
        """
        if not self.is_complete:
            raise UsageError(
                f"sets of {len(self.counts)} and more of {self.workers} workers were not "
                "enumerated: ask for bounds instead"
            )
        return self.failure_bounds(p)[0]


@dataclass(frozen=True, eq=False)
class FaultTolerantScheme:
    """n products that span a format's target, with room for losses.

    Parameters
    ----------
    format : Format
        What is computed.
    u, v : integer arrays, shapes (n, dU), (n, dV)
        Product r is (u_r . A)(v_r . B).
    origin : tuple of str
        What each product comes from, for people: ``Strassen``, ``Winograd``, ``parity``; empty
        for none.
    name : str
        A name for people.

    Raises
    ------
    FormatError
        Shapes or coefficients do not fit.
    InvalidSchemeError
        The products do not span the target.
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
            raise FormatError("origin must say one thing a product")
        if not (self.u.any(axis=1) & self.v.any(axis=1)).all():
            raise FormatError("a product with a zero factor protects nothing: leave it out")
        verify(self.as_scheme())

    @property
    def workers(self) -> int:
        """n, the number of products."""
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
        """One decoder D0, each row cleared of denominators; shape (dW, n)."""
        return self._decoder[0]

    def decoding_scheme(
        self, decoder: IntArray, scales: Iterable[int], lost: Iterable[int] = ()
    ) -> Scheme:
        """Return the surviving products with a decoder as their third factor, a scheme over Q.

        `flipsearch.verify` proves it, which proves the decoder.

        Parameters
        ----------
        decoder : int64 array, shape (dW, n)
            Numerators; zero at the lost products.
        scales : dW positive integers
            Output c is ``decoder[c] . products / scales[c]``.
        lost : product indices
            Left out of the scheme.
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
        """Prove a decoder against the Brent equations, by `flipsearch.verify.verify`.

        Each coefficient becomes a term of its own, with its output's denominator, so that the
        outputs' denominators need no common one.

        Raises
        ------
        InvalidSchemeError
            Some equation fails, or the decoder reads a lost product.
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

        Products that D0 does not use have a zero third factor, so that the scheme's hash covers
        them; `from_scheme` gets the union back from a catalogue.
        """
        scheme = self.decoding_scheme(*self._decoder)
        if (scheme.denominators != 1).any():
            return scheme
        ternary = all(Ring.ZT.contains(factor) for factor in scheme.factors)
        return Scheme(self.format, Ring.ZT if ternary else Ring.Z, *scheme.factors)

    def certificate(self, largest: int | None = None) -> Certificate:
        """Return the exact certificate up to sets of `largest` lost products.

        By default all of them for up to 24 workers, otherwise as many as about four million sets
        allow.
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

        Smaller sets are looked at first, so that a bad union costs little.
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
        """Whether the outputs lie in the span of the other products; exact."""
        keep = np.setdiff1d(np.arange(self.workers), np.fromiter(lost, dtype=np.int64))
        return exact.combination(self.products[keep], self.targets) is not None

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the format and the set of products, whatever their order and signs."""
        digest = hashlib.sha256(f"flipsearch fault-tolerant scheme 1\n{self.format}\n".encode())
        digest.update(repr(sorted(product_set(self.u, self.v))).encode())
        return digest.hexdigest()

    def __repr__(self) -> str:
        return f"<FaultTolerantScheme {self.format} on {self.workers} workers {self.name}>"


def general(format_: Format) -> MatrixProduct:
    """Return the format if fault-tolerant products can be searched and written for it.

    Raises
    ------
    UsageError
        It is structured, or no matrix product.
    """
    if not isinstance(format_, MatrixProduct) or not format_.is_general:
        raise UsageError(f"{format_}: only general formats such as 4x4x4 can be protected")
    return format_


def target_forms(format_: Format) -> IntArray:
    """Return the outputs as vectors over a_i b_j, shape (dW, dU dV)."""
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
    """Return the union of schemes and of further products (u rows, v rows), in that order."""
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
    """Return the products as pairs of primitive factors, whatever their order and signs."""
    return {(_normal(x), _normal(y)) for x, y in zip(u.tolist(), v.tolist(), strict=True)}


def _normal(row: list[int]) -> tuple[int, ...]:
    content = math.gcd(*row) or 1
    leading = next((x for x in row if x), 1)
    return tuple(x // content if leading > 0 else -x // content for x in row)

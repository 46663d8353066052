"""The lift itself: which systems, which free choices, which of the results.

A lift of a scheme mod p is a scheme over ZT, Z or Q of the same rank that reduces to it mod p, up
to the scaling of terms. The easy ways come first: the balanced digits as they are, then only
nonzero coefficients unknown (zeros stay zero), then all of them. Within a system the unknowns
without a pivot are given small integers once and for all, stored representatives in the first
attempt and random signs in later ones: the other unknowns then follow, digit by digit.

Invariant: what `lift` returns has been proved by `flipsearch.verify`, and has the rank of the
scheme it was given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flipsearch.errors import LiftError
from flipsearch.lift.elimination import Residues
from flipsearch.lift.hensel import Steps
from flipsearch.lift.jacobian import SupportSystem, System, WholeSystem
from flipsearch.lift.reconstruction import height_bound, scheme_of_residues
from flipsearch.lift.trilinear import LARGEST_MODULUS, Factors, Frame, frame_of
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.verify import is_valid, verify

DEFAULT_STEPS = {2: 20, 3: 15}
DEFAULT_RETRIES = 8
_RING_ORDER = (Ring.ZT, Ring.Z, Ring.Q)
_SUPPORT_SHARE = 0.6
_REORDER_COLUMNS = 3000


class LiftFailure(LiftError):
    """A scheme that does not lift.

    Attributes
    ----------
    step : int
        The Hensel step that failed, from 1; the last one taken if all were solved but no small
        fractions came out.
    final : bool
        Whether this proves that there is no lift at all: true of the first step, which no free
        choice precedes.
    """

    def __init__(self, message: str, step: int, final: bool) -> None:
        super().__init__(message)
        self.step = step
        self.final = final


@dataclass(frozen=True)
class LiftResult:
    """A lifted scheme and how it was found.

    Attributes
    ----------
    scheme : Scheme
        Over its natural ring, ZT, Z or Q; verified exactly.
    field : Ring
        F2 or F3: where it was lifted from.
    steps : int
        Hensel steps taken: the scheme was read off modulo p^(steps + 1).
    seed : int
        The seed of the free choices, as given.
    attempt : int
        Which free choice led to it; 0 is the stored representatives.
    attempts : int
        Free choices tried altogether.
    support_kept : bool
        Whether coefficients that are zero mod p were kept at zero.
    """

    scheme: Scheme
    field: Ring
    steps: int
    seed: int
    attempt: int
    attempts: int
    support_kept: bool


def lift(
    scheme: Scheme,
    *,
    seed: int = 0,
    steps: int | None = None,
    retries: int = DEFAULT_RETRIES,
    keep_support: bool = True,
) -> LiftResult:
    """Lift a scheme over F2 or F3 to ZT, Z or Q.

    Parameters
    ----------
    scheme : Scheme
        Over F2 or F3.
    seed : int
        Of the free choices; the same seed gives the same result.
    steps : int, optional
        Hensel steps at most: 20 over F2, 15 over F3 by default; the modulus p^(steps + 1) is at
        most 2^31.
    retries : int
        Further free choices to try where the first fails, or leads to less than ZT.
    keep_support : bool
        Whether to try first to keep zeros at zero, which is faster and gives sparser schemes.

    Returns
    -------
    LiftResult
        The best scheme found: ZT before Z before Q, then the least denominator, then the fewest
        nonzeros.

    Raises
    ------
    LiftError
        The scheme is not over F2 or F3, or it does not lift: a `LiftFailure`, whose message names
        the step.
    InvalidSchemeError
        The scheme does not satisfy the Brent equations mod p.

    Notes
    -----
    The Jacobian is eliminated once for each of at most two systems of unknowns. Tichavský and
    Kauers-Moosbauer (2022) describe the Hensel method; the block structure is in docs/lifting.md.
    """
    p = scheme.ring.characteristic
    if not p:
        raise LiftError(f"{scheme!r} is over {scheme.ring} already: only F2 and F3 are lifted")
    limit = DEFAULT_STEPS[p] if steps is None else steps
    if limit < 1 or p ** (limit + 1) > LARGEST_MODULUS:
        raise LiftError(f"steps must be at least 1, and {p}^(steps + 1) at most 2^31")
    verify(scheme)
    easy = _as_integers(scheme)
    if easy is not None:
        return LiftResult(easy, scheme.ring, 0, seed, 0, 0, True)
    return _Search(scheme, seed, limit, retries, keep_support).run()


def _as_integers(scheme: Scheme) -> Scheme | None:
    """Return the stored representatives as a scheme over ZT, if they are one."""
    candidate = Scheme(scheme.format, Ring.ZT, *scheme.factors)
    return candidate.canonical if is_valid(candidate) else None


class _Search:
    """One scheme's systems and free choices, tried in order."""

    def __init__(
        self, scheme: Scheme, seed: int, limit: int, retries: int, keep_support: bool
    ) -> None:
        self.scheme = scheme
        self.p = scheme.ring.characteristic
        self.seed = seed
        self.limit = limit
        self.retries = retries
        self.keep_support = keep_support
        self.frame = frame_of(scheme.format)
        alive = np.logical_and.reduce([m.any(axis=1) for m in scheme.factors])
        E, P, Q = (matrix[alive] for matrix in self.frame.factors(scheme))
        self.factors: Factors = E, P, Q
        self.attempts = 0
        self.best: LiftResult | None = None
        self.failed_at = 0

    def run(self) -> LiftResult:
        """Try the systems in order until one gives a scheme that is good enough."""
        nonzeros = sum(int(np.count_nonzero(matrix)) for matrix in self.factors)
        whole = len(self.factors[0]) * sum(self.frame.dimensions[1:])
        if self.keep_support and nonzeros <= _SUPPORT_SHARE * whole:
            self._try(SupportSystem)
        if self.best is None or self.best.scheme.ring is Ring.Q:
            consistent = self._try(WholeSystem)
            if not consistent and self.best is None:
                raise LiftFailure(
                    f"{self.scheme!r} does not lift: its first Hensel step (modulo {self.p}^2) "
                    "has no solution, whatever the choices",
                    1,
                    True,
                )
        if self.best is None:
            raise self._failure()
        best = self.best
        return LiftResult(
            best.scheme,
            best.field,
            best.steps,
            best.seed,
            best.attempt,
            self.attempts,
            best.support_kept,
        )

    def _failure(self) -> LiftFailure:
        if self.failed_at < self.limit:
            return LiftFailure(
                f"{self.scheme!r} does not lift: in {self.attempts} choices of the free "
                f"coefficients none got past Hensel step {self.failed_at}",
                self.failed_at,
                False,
            )
        modulus = self.p ** (self.limit + 1)
        return LiftFailure(
            f"{self.scheme!r} was not lifted: after step {self.limit}, with {self.attempts} "
            f"choices of the free coefficients, no fractions up to {height_bound(modulus)} were "
            "exact; try more retries or steps",
            self.limit,
            False,
        )

    def _try(self, kind: type[SupportSystem] | type[WholeSystem]) -> bool:
        """Make attempts with one kind of system; return whether its first step has a solution."""
        steps: Steps | None = None
        support = kind is SupportSystem
        for attempt, draws in enumerate(self._draws()):
            reorder = attempt % 2 == 0 and attempt > 0
            if steps is None or (reorder and steps.system.columns <= _REORDER_COLUMNS):
                system = kind(self.frame, self.factors, self.p, draws if attempt else None)
                steps = Steps(system, self.frame, draws)
                if not steps.begin(self.factors):
                    return False
            self.attempts += 1
            wanted = free_choice(steps.system, draws if attempt else None)
            found = self._hensel(steps, wanted)
            if found is None:
                continue
            scheme, used = found
            result = LiftResult(scheme, self.scheme.ring, used, self.seed, attempt, 0, support)
            if self.best is None or preference(scheme) < preference(self.best.scheme):
                self.best = result
            if scheme.ring is Ring.ZT:
                break
        return True

    def _draws(self) -> Iterator[np.random.Generator]:
        for child in np.random.SeedSequence(self.seed).spawn(self.retries + 1):
            yield np.random.default_rng(child)

    def _hensel(self, steps: Steps, wanted: IntArray) -> tuple[Scheme, int] | None:
        """Take steps until a scheme is exact; return it with the number of steps."""
        factors, modulus = self.factors, self.p
        distance = (wanted - steps.system.stored) // self.p
        for step in range(1, self.limit + 1):
            digits: Residues = (distance % self.p).astype(np.int8)
            distance //= self.p
            solved = steps.solve(factors, modulus, digits)
            if solved is None:
                self.failed_at = max(self.failed_at, step)
                return None
            factors, modulus = solved, modulus * self.p
            slots = self.frame.in_slot_order(factors)
            candidate = scheme_of_residues(self.scheme.format, slots, modulus)
            if candidate is not None and is_valid(candidate):
                return candidate, step
        self.failed_at = self.limit
        return None


def free_choice(system: System, generator: np.random.Generator | None) -> IntArray:
    """Return integers that the unknowns take where they have no pivot; shape (columns,).

    Each is congruent to the stored coefficient: itself without a generator, otherwise a random
    one of the smallest, the sign drawn over F2 (1 or -1), and now and then the next in size.
    """
    stored = system.stored
    if generator is None:
        return stored.copy()
    if system.p == 2:
        return np.where(generator.random(len(stored)) < 0.5, -stored, stored)
    larger = generator.random(len(stored)) < generator.choice([0.0, 0.05, 0.2])
    return np.where(larger, stored - 3 * np.sign(stored), stored)


def preference(scheme: Scheme) -> tuple[int, int, int]:
    """Return the key by which lifts are compared, the least being the best."""
    return (
        _RING_ORDER.index(scheme.ring),
        int(scheme.denominators.max(initial=1)),
        scheme.nonzeros,
    )


__all__ = ["Frame", "LiftFailure", "LiftResult", "free_choice", "lift", "preference"]

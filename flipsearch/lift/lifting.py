"""Lift a scheme: choose the systems, the free coefficients and the best of the results.

A lift of a scheme mod p is a scheme over ZT, Z or Q of the same rank that reduces to it mod p, up
to the scaling of terms. The easy ways come first: the balanced digits as they are; then a system
in which zeros stay zero; then one in which all coefficients are unknown. In each attempt the
unknowns without a pivot get small integers once and for all. The first attempt gives them the
stored representatives, later attempts draw signs. The other unknowns follow, digit by digit.

Invariant: `flipsearch.verify` has proved the scheme that `lift` returns, and its rank is that of
the given scheme.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from flipsearch.algebra.elimination import Residues
from flipsearch.algebra.reconstruction import height_bound
from flipsearch.errors import FormatError, LiftError, UsageError
from flipsearch.lift.hensel import Steps
from flipsearch.lift.jacobian import SelectedSystem, System, WholeSystem, support_first
from flipsearch.lift.reconstruction import scheme_of_residues
from flipsearch.lift.signs import search_signs
from flipsearch.lift.trilinear import LARGEST_MODULUS, Factors, Frame, balanced, frame_of
from flipsearch.rings import IntArray, Ring, parse_ring
from flipsearch.scheme import Scheme
from flipsearch.verify import is_valid, verify

DEFAULT_STEPS = {2: 40, 3: 38}
DEFAULT_RETRIES = 8
_FIRST_STEPS = {2: 20, 3: 15}
_RING_ORDER = (Ring.ZT, Ring.Z, Ring.Q)
_SUPPORT_SHARE = 0.6
_REORDER_COLUMNS = 3000
_SIGN_KERNEL = 1000
_SIGN_PRODUCTS = 1_000_000


class NotLiftedError(LiftError):
    """The scheme does not lift, or no lift was found.

    Attributes
    ----------
    step : int
        The Hensel step that failed, counted from 1. If every step was solved but the coefficients
        were no small fractions, the last step.
    final : bool
        Whether this proves that there is no lift. True at step 1: no free choice precedes it.
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
        The field of the scheme that was lifted, F2 or F3.
    steps : int
        Number of Hensel steps; the coefficients were read off modulo p^(steps + 1).
    attempt, attempts : int
        Number of the free choice that led to the scheme, 0 for the stored representatives; number
        of free choices tried.
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
    ring: Ring | str | None = None,
    *,
    seed: int = 0,
    retries: int = DEFAULT_RETRIES,
) -> Scheme:
    """Lift a scheme over F2 or F3 to ZT, Z or Q.

    Parameters
    ----------
    scheme : Scheme
        Over F2 or F3.
    ring : Ring or str, optional
        ZT, Z or Q: where the lift must lie. By default it is over the smallest of them that holds
        it.
    seed, retries
        As for `find_lift`, which also tells how the lift was found.

    Raises
    ------
    LiftError
        The scheme is not over F2 or F3, or does not lift to that ring.
    InvalidSchemeError
        The scheme does not satisfy the Brent equations mod p.

    Examples
    --------
    >>> from flipsearch.scheme import naive_scheme
    >>> lift(naive_scheme("2x2x2", "F2"), ring="Q").ring
    <Ring.Q: 'Q'>
    """
    wanted = None if ring is None else parse_ring(ring)
    if wanted is not None and wanted.characteristic:
        raise UsageError(f"a lift is over ZT, Z or Q, not over {wanted}")
    found = find_lift(scheme, seed=seed, retries=retries).scheme
    try:
        return found if wanted is None else found.over(wanted)
    except FormatError:
        raise LiftError(
            f"{scheme!r} lifts to {found.ring}, but no lift over {wanted} was found: try another "
            "seed or more retries"
        ) from None


def find_lift(
    scheme: Scheme,
    *,
    seed: int = 0,
    steps: int | None = None,
    retries: int = DEFAULT_RETRIES,
    keep_support: bool = True,
) -> LiftResult:
    """Lift a scheme over F2 or F3 to ZT, Z or Q; the same seed gives the same result.

    The best scheme found is returned: ZT before Z before Q, then the least denominator, then the
    fewest nonzeros. The Jacobian is eliminated once for each of at most two systems of unknowns.
    For small systems every second retry eliminates it again, with the unknowns in another order.
    The Hensel method for schemes is due to Kauers and Moosbauer (2022); docs/lifting.md has the
    derivations.

    Parameters
    ----------
    steps : int, optional
        Largest number of Hensel steps, by default 40 over F2 and 38 over F3. The modulus p^(steps
        + 1) is at most 2^62. The second half of the steps is taken only if no free choice succeeds
        in the first half.
    retries : int
        Number of further free choices to try if the first fails or does not reach ZT.
    keep_support : bool
        Whether to try first with zeros kept at zero, which is faster and gives sparser schemes.

    Raises
    ------
    LiftError
        The scheme is not over F2 or F3.
    NotLiftedError
        No lift was found. The message names the step that failed.
    InvalidSchemeError
        The scheme does not satisfy the Brent equations mod p.
    """
    p = scheme.ring.characteristic
    if not p:
        raise LiftError(f"{scheme!r} is over {scheme.ring} already: only F2 and F3 are lifted")
    limit = DEFAULT_STEPS[p] if steps is None else steps
    if limit < 1 or p ** (limit + 1) > LARGEST_MODULUS:
        raise LiftError(f"steps must be at least 1, and {p}^(steps + 1) at most 2^62")
    verify(scheme)
    easy = _as_integers(scheme)
    if easy is not None:
        return LiftResult(easy, scheme.ring, 0, seed, 0, 0, True)
    return _Search(scheme, seed, limit, retries, keep_support).run()


def _as_integers(scheme: Scheme) -> Scheme | None:
    """Return the stored representatives as a scheme over ZT if that is valid, else None."""
    candidate = Scheme(scheme.format, Ring.ZT, *scheme.factors)
    return candidate.canonical if is_valid(candidate) else None


class _Attempt:
    """One free choice on one system, whose Hensel steps can be continued later."""

    def __init__(self, steps: Steps, start: Factors, wanted: IntArray, number: int) -> None:
        self.steps = steps
        self.number = number
        self.factors = start
        self.modulus = steps.system.p
        self.taken = 0
        self.failed = False
        self._distance = (wanted - steps.system.stored) // self.modulus

    def advance(self, limit: int, scheme: Scheme, frame: Frame) -> Scheme | None:
        """Take steps up to `limit` until a scheme is exact; set `failed` if a step has none."""
        p = self.steps.system.p
        while self.taken < limit:
            digits: Residues = (self._distance % p).astype(np.int8)
            self._distance //= p
            self.taken += 1
            solved = self.steps.solve(self.factors, self.modulus, digits)
            if solved is None:
                self.failed = True
                return None
            self.factors, self.modulus = solved, self.modulus * p
            slots = frame.in_slot_order(self.factors)
            candidate = scheme_of_residues(scheme.format, slots, self.modulus)
            if candidate is not None and is_valid(candidate):
                return candidate
        return None


@dataclass
class _Search:
    """Try the systems and free choices of one scheme in order."""

    scheme: Scheme
    seed: int
    limit: int
    retries: int
    keep_support: bool

    def __post_init__(self) -> None:
        self.p = self.scheme.ring.characteristic
        self.frame = frame_of(self.scheme.format)
        alive = np.logical_and.reduce([m.any(axis=1) for m in self.scheme.factors])
        E, P, Q = (matrix[alive] for matrix in self.frame.factors(self.scheme))
        self.factors: Factors = E, P, Q
        self.attempts = 0
        self.best: LiftResult | None = None
        self.reached = 0
        self.pending: list[tuple[_Attempt, bool]] = []

    def run(self) -> LiftResult:
        """Try the systems in order until one gives a scheme over ZT or Z."""
        nonzeros = sum(int(np.count_nonzero(matrix)) for matrix in self.factors)
        whole = len(self.factors[0]) * sum(self.frame.dimensions[1:])
        worth_it = nonzeros <= max(_SUPPORT_SHARE * whole, _REORDER_COLUMNS)
        if self.keep_support and worth_it:
            self._try(support=True)
        if self.best is None or self.best.scheme.ring is Ring.Q:
            consistent = self._try(support=False)
            if not consistent and self.best is None:
                raise NotLiftedError(
                    f"{self.scheme!r} does not lift: its first Hensel step (modulo {self.p}^2) "
                    "has no solution, whatever the choices",
                    1,
                    True,
                )
        for attempt, support in self.pending:
            if self.best is None:
                self._keep(self._advanced(attempt, self.limit), attempt, support)
        if self.best is None:
            raise self._failure()
        return replace(self.best, attempts=self.attempts)

    def _failure(self) -> NotLiftedError:
        if all(attempt.failed for attempt, _ in self.pending):
            return NotLiftedError(
                f"{self.scheme!r} was not lifted: Hensel step {self.reached} has no solution "
                f"after any of {self.attempts} choices of the free coefficients; more retries or "
                "another seed may find one",
                self.reached,
                False,
            )
        height = height_bound(self.p ** (self.limit + 1))
        return NotLiftedError(
            f"{self.scheme!r} was not lifted: after Hensel step {self.limit}, for {self.attempts} "
            f"choices of the free coefficients, no fractions up to {height} were exact; more "
            "retries or steps may find some",
            self.limit,
            False,
        )

    def _system(self, support: bool, draws: np.random.Generator | None) -> System:
        priority = support_first(self.factors, self.p, draws, np.inf if support else 1.0)
        kind = SelectedSystem if support else WholeSystem
        return kind(self.frame, self.factors, self.p, priority)

    def _try(self, support: bool) -> bool:
        """Try free choices on one kind of system; return whether its first step has a solution."""
        steps: Steps | None = None
        for number, draws in enumerate(self._draws()):
            again = number % 2 == 0 and steps is not None
            if steps is None or (again and steps.system.columns <= _REORDER_COLUMNS):
                system = self._system(support, draws if number else None)
                steps = Steps(system, self.frame, self.factors, draws)
                if not steps.begin():
                    return False
            self.attempts += 1
            wanted = free_choice(steps.system, draws if number else None)
            attempt = _Attempt(steps, self.factors, wanted, number)
            found = self._advanced(attempt, min(self.limit, _FIRST_STEPS[self.p]))
            if found is None and not attempt.failed:
                self.pending.append((attempt, support))
            if self._keep(found, attempt, support):
                break
            by_signs = support and self.p == 2 and number == 0
            if by_signs and self._keep(self._signs(steps), attempt, support):
                break
        return True

    def _advanced(self, attempt: _Attempt, limit: int) -> tuple[Scheme, int] | None:
        found = attempt.advance(limit, self.scheme, self.frame)
        self.reached = max(self.reached, attempt.taken)
        return None if found is None else (found, attempt.taken)

    def _keep(self, found: tuple[Scheme, int] | None, attempt: _Attempt, support: bool) -> bool:
        """Keep a lift if it is the best until now; return whether it is over ZT."""
        if found is None:
            return False
        scheme, used = found
        if self.best is None or preference(scheme) < preference(self.best.scheme):
            self.best = LiftResult(
                scheme, self.scheme.ring, used, self.seed, attempt.number, 0, support
            )
        return scheme.ring is Ring.ZT

    def _signs(self, steps: Steps) -> tuple[Scheme, int] | None:
        """Search for signs among the solutions of the first step, if the kernel is small."""
        products = np.prod([np.count_nonzero(m, axis=1) for m in self.factors], axis=0)
        if len(steps.free) > _SIGN_KERNEL or products.sum() > _SIGN_PRODUCTS:
            return None
        solved = steps.solve(self.factors, 2, np.zeros(steps.system.columns, dtype=np.int8))
        if solved is None:
            return None
        E, P, Q = (balanced(matrix, 4) for matrix in solved)
        signs = search_signs(self.frame, (E, P, Q), steps.kernel(), self.seed)
        if signs is None:
            return None
        slots = self.frame.in_slot_order(signs)
        candidate = Scheme(self.scheme.format, Ring.ZT, *slots)
        return (candidate.canonical, 1) if is_valid(candidate) else None

    def _draws(self) -> Iterator[np.random.Generator]:
        for child in np.random.SeedSequence(self.seed).spawn(self.retries + 1):
            yield np.random.default_rng(child)


def free_choice(system: System, generator: np.random.Generator | None) -> IntArray:
    """Return the integers that unknowns without a pivot take; shape (columns,).

    Each is congruent to the stored coefficient. Without a generator it is that coefficient. With
    one, its sign is drawn over F2; over F3 a share of 0, 5 or 20 % becomes the next larger
    residue (-2 for 1, 2 for -1).
    """
    stored = system.stored
    if generator is None:
        return stored.copy()
    if system.p == 2:
        return np.where(generator.random(len(stored)) < 0.5, -stored, stored)
    larger = generator.random(len(stored)) < generator.choice([0.0, 0.05, 0.2])
    return np.where(larger, stored - 3 * np.sign(stored), stored)


def preference(scheme: Scheme) -> tuple[int, int, int]:
    """Return the key that orders lifts; the least is the best."""
    return (
        _RING_ORDER.index(scheme.ring),
        int(scheme.denominators.max(initial=1)),
        scheme.nonzeros,
    )

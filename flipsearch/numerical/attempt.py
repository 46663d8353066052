"""Carry one random start from numbers to an exact scheme, in small moves.

An attempt descends to a solution (stage `FIT`), moves it to a sparse one (`SPARSIFY`), and fixes
entries one by one (`ROUND`). If the entries left are no fractions, it rounds again with other
choices, and later looks for another sparse point. It ends at `EXACT` or at a reason to stop.

Invariant: an attempt is a value. `moved` is a pure function of it, and `to_words` loses nothing,
so an attempt goes on in another process exactly as it would have in this one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np

from flipsearch.formats import Format
from flipsearch.numerical import rounding
from flipsearch.numerical.problem import Descent, Problem
from flipsearch.numerical.unknowns import Bools, Floats, Unknowns, unknowns_of
from flipsearch.scheme import Scheme
from flipsearch.walk.task import Words

SCALE = 0.5
"""Standard deviation of the entries of a random start."""
FIRST_PULL, DECAY, LEAST_PULL = 0.1, 0.9, 1e-3
"""Weight of the sum of squares of all entries in the first step, its factor after each step, and
the weight below which it becomes zero. Without it most descents end at a point where only one
equation fails, or diverge: of 3x3x3 of rank 23 half of the starts converge with these values."""
BLOCK = 5
"""Steps of a move of the stage `FIT`."""
PATIENCE, LONGEST = 3, 80
"""Blocks with little progress after which a descent is given up, and its largest number."""
PROGRESS = 0.8
"""Factor of the sum of squares by which a block has to fall."""
NEARLY = 1e-4
"""Sum of squares below which a descent that does not arrive counts as diverging if it grows."""
GROWN = 1.5
"""Factor by which the largest entry of a diverging descent has grown without a pull."""
MOST_FAILURES = 40
ROUNDINGS, SPARSE_POINTS = 4, 3
"""Numbers of roundings of each sparse point, and of sparse points, before an attempt ends."""


class Stage(IntEnum):
    """The stage of an attempt; from `EXACT` on it has ended."""

    FIT = 0
    SPARSIFY = 1
    ROUND = 2
    EXACT = 3
    STUCK = 4
    DIVERGING = 5
    IRRATIONAL = 6

    @property
    def is_end(self) -> bool:
        """Whether the attempt has ended."""
        return self >= Stage.EXACT

    @classmethod
    def of(cls, words: Words) -> Stage:
        """Return the stage of a stored attempt; `STUCK` if the words are none."""
        number = words[-1, 1:2].view(np.float64)[0] if len(words) else np.nan
        return cls(int(number)) if number in tuple(cls) else cls.STUCK


@dataclass(frozen=True, eq=False)
class Attempt:
    """The state of an attempt.

    Parameters
    ----------
    seed : int
        32 bits that give the start, the orbits, and all later draws.
    values : float64 array, shape (n,)
        All variables of `unknowns_of`, fixed ones included.
    fixed : bool array, shape (n,)
    barred : bool array, shape (n, values of the grid)
        Values to which a variable could not be fixed.
    solution, sparse : float64 arrays, shape (n,)
        The values at the end of the stages `FIT` and `SPARSIFY`.
    zeros : bool array, shape (n,)
        The variables that were fixed at the end of `SPARSIFY`.
    damping, pull, squares : float
        See `flipsearch.numerical.problem.Descent`.
    early_squares, early_largest, largest : float
        Sum of squares and largest entry when the pull became zero; the largest entry at the end of
        the last move of `FIT`.
    moves, idle, failures, roundings, points : int
        Numbers of moves in this stage, of those without progress, of failures to fix an entry, of
        roundings of this sparse point, and of sparse points.
    """

    seed: int
    values: Floats
    fixed: Bools
    barred: Bools
    solution: Floats
    sparse: Floats
    zeros: Bools
    stage: Stage = Stage.FIT
    damping: float = 1.0
    pull: float = FIRST_PULL
    squares: float = np.inf
    early_squares: float = 0.0
    early_largest: float = 0.0
    largest: float = 0.0
    moves: int = 0
    idle: int = 0
    failures: int = 0
    roundings: int = 0
    points: int = 0


@dataclass(frozen=True)
class Search:
    """The goal of attempts; makes them and moves them on.

    Parameters
    ----------
    symmetry : str
        See `flipsearch.numerical.symmetry.group`.
    seed : int
        32 bits: the seed of the attempt.
    kind : type
        The class of the problem.
    grid : str
        Which values entries are fixed to: a name in `flipsearch.numerical.rounding.GRIDS`.
    """

    format: Format
    rank: int
    symmetry: str
    seed: int
    kind: type[Problem] = Problem
    grid: str = "halves"
    problem: Problem = field(init=False)
    unknowns: Unknowns = field(init=False)

    def __post_init__(self) -> None:
        unknowns = unknowns_of(self.format, self.rank, self.symmetry, self.seed)
        object.__setattr__(self, "problem", self.kind(self.format, self.rank))
        object.__setattr__(self, "unknowns", unknowns)

    def begun(self) -> Attempt:
        """Return the random start."""
        return self._at(SCALE * self._random(0).standard_normal(len(self.unknowns)))

    def from_solution(self, entries: Floats, points: int) -> Attempt:
        """Return the attempt at a solution, in the stage `SPARSIFY` after some sparse points."""
        start = self._at(entries[self.unknowns.leaders])
        return replace(
            start, stage=Stage.SPARSIFY, damping=1e-2, solution=start.values, points=points
        )

    def _at(self, values: Floats) -> Attempt:
        n = len(values)
        nothing, none = np.zeros(n), np.zeros(n, dtype=bool)
        barred = np.zeros((n, len(rounding.GRIDS[self.grid][0])), dtype=bool)
        return Attempt(self.seed, values, none, barred, nothing, nothing, none)

    def _random(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(purpose,)))

    def _left(self, attempt: Attempt) -> tuple[Unknowns, Floats]:
        """Return the unknowns that are not fixed, and their values."""
        left = self.unknowns.fixing(attempt.fixed, attempt.values)
        return left, attempt.values[~attempt.fixed]

    def entries(self, attempt: Attempt) -> Floats:
        """Return the entries of all factors."""
        return self.unknowns.entries(attempt.values)

    def moved(self, attempt: Attempt) -> tuple[Attempt, Scheme | None]:
        """Return the attempt after one move, and the exact scheme if it has ended with one."""
        if attempt.stage is Stage.FIT:
            return self._fit(attempt), None
        if attempt.stage is Stage.SPARSIFY:
            return self._sparsify(attempt), None
        return self._round(attempt)

    def _fit(self, attempt: Attempt) -> Attempt:
        at = attempt.damping, attempt.pull, attempt.squares
        before = Descent(attempt.values, *at, decay=DECAY, least=LEAST_PULL)
        after = self.problem.descended(self.unknowns, before, BLOCK)
        slow = after.pull == before.pull == 0.0 and after.squares > PROGRESS * before.squares
        changed = replace(
            attempt,
            values=after.variables,
            damping=after.damping,
            pull=after.pull,
            squares=after.squares,
            moves=attempt.moves + 1,
            idle=attempt.idle + slow,
            largest=float(np.abs(after.variables).max(initial=0.0)),
        )
        if before.pull > after.pull == 0.0:
            changed = replace(changed, early_squares=after.squares, early_largest=changed.largest)
        if after.is_solution:
            return replace(
                changed, stage=Stage.SPARSIFY, solution=after.variables, damping=1e-2, moves=0
            )
        if changed.idle < PATIENCE and changed.moves < LONGEST:
            return changed
        grown = changed.largest > GROWN * changed.early_largest > 0
        diverging = grown and after.squares < min(NEARLY, changed.early_squares)
        return replace(changed, stage=Stage.DIVERGING if diverging else Stage.STUCK)

    def _sparsify(self, attempt: Attempt) -> Attempt:
        point = attempt.points
        # the first norm counts all entries alike; later ones lead to other points
        tastes = np.exp(self._random(1 + point).standard_normal(len(attempt.values)) * (point > 0))
        at = Descent(attempt.values, attempt.damping)
        if attempt.moves < len(rounding.EPSILONS):
            after = rounding.sparser(self.problem, self.unknowns, at, attempt.moves, tastes)
            return replace(
                attempt, values=after.variables, damping=after.damping, moves=attempt.moves + 1
            )
        after = rounding.solved(self.problem, self.unknowns, attempt.values, 50)
        values = after.variables if after.is_solution else attempt.solution
        found = rounding.with_zeros(self.problem, self.unknowns, values)
        fixed = attempt.fixed
        if found is not None:
            fixed, values = self._merged(*found)
        return replace(
            attempt,
            stage=Stage.ROUND,
            moves=0,
            values=values,
            fixed=fixed,
            sparse=values,
            zeros=fixed,
        )

    def _merged(self, left: Unknowns, variables: Floats) -> tuple[Bools, Floats]:
        """Return which variables are fixed and all values, for a solution of fewer unknowns."""
        kept = np.isin(self.unknowns.leaders, left.leaders)
        values = np.where(kept, 0.0, left.constants[self.unknowns.leaders])
        values[kept] = variables
        return ~kept, values

    def _round(self, attempt: Attempt) -> tuple[Attempt, Scheme | None]:
        left, variables = self._left(attempt)
        places = np.flatnonzero(~attempt.fixed)
        # the first rounding fixes the nearest entries; later ones take them in other orders
        random = self._random(ROUNDINGS * attempt.points + attempt.roundings + SPARSE_POINTS)
        spread = 0.5 * (attempt.roundings > 0)
        noise = np.exp(spread * random.standard_normal(len(attempt.values)))[places]
        barred = attempt.barred
        chosen = rounding.choice(self.problem, left, variables, self.grid, barred[places], noise)
        if chosen is not None and attempt.failures < MOST_FAILURES:
            which, near = chosen
            values = rounding.GRIDS[self.grid][0][near]
            found = rounding.fixed_to(self.problem, left, variables, which, values)
            if found is None:
                barred = barred.copy()
                barred[places[which], near[which]] = True
                return replace(attempt, barred=barred, failures=attempt.failures + 1), None
            fixed, values = self._merged(*found)
            return replace(attempt, values=values, fixed=fixed, moves=attempt.moves + 1), None
        scheme = rounding.exact_scheme(self.problem, self.entries(attempt))
        if scheme is not None:
            return replace(attempt, stage=Stage.EXACT), scheme
        return self._again(attempt), None

    def _again(self, attempt: Attempt) -> Attempt:
        """Return the attempt at its sparse point, at its solution, or at its end."""
        clean = replace(attempt, barred=np.zeros_like(attempt.barred), failures=0, moves=0)
        if attempt.roundings + 1 < ROUNDINGS:
            return replace(
                clean, values=attempt.sparse, fixed=attempt.zeros, roundings=attempt.roundings + 1
            )
        if attempt.points + 1 < SPARSE_POINTS:
            return replace(
                clean,
                stage=Stage.SPARSIFY,
                values=attempt.solution,
                fixed=np.zeros_like(attempt.fixed),
                damping=1e-2,
                roundings=0,
                points=attempt.points + 1,
            )
        return replace(attempt, stage=Stage.IRRATIONAL)


def growth(attempt: Attempt) -> str:
    """Return how the largest entry of a diverging attempt grew while its residual fell.

    With border rank R and rank above R the residual falls to zero only as entries grow without
    bound, like a negative power of it.
    """
    first, last = np.sqrt([attempt.early_squares, attempt.squares])
    power = np.log(attempt.largest / attempt.early_largest) / np.log(first / last)
    return (
        f"the largest entry grows like residual^-{power:.2f}, to {attempt.largest:.1f} at a "
        f"residual of {last:.0e}"
    )


_ARRAYS = ("values", "fixed", "barred", "solution", "sparse", "zeros")
_NUMBERS = (
    *("stage", "damping", "pull", "squares", "early_squares", "early_largest", "largest"),
    *("moves", "idle", "failures", "roundings", "points"),
)
_BITS = 1 << np.arange(len(rounding.GRIDS["halves"][0]), dtype=np.uint64)


def width(unknowns: int) -> int:
    """Return the number of words of each row of a stored attempt."""
    return max(unknowns, len(_NUMBERS) + 1)


def to_words(attempt: Attempt) -> Words:
    """Return an attempt as words, shape (7, `width`): six arrays, then the numbers."""
    n = len(attempt.values)
    words = np.zeros((len(_ARRAYS) + 1, width(n)), dtype=np.uint64)
    for row, name in zip(words, _ARRAYS, strict=False):
        array = getattr(attempt, name)
        array = array @ _BITS if array.ndim == 2 else array
        row[:n] = array.view(np.uint64) if array.dtype == np.float64 else array
    numbers = np.array([getattr(attempt, name) for name in _NUMBERS], dtype=np.float64)
    words[-1, 0] = attempt.seed
    words[-1, 1 : len(numbers) + 1] = numbers.view(np.uint64)
    return words


def from_words(words: Words, n: int) -> Attempt:
    """Return the attempt of n variables that `to_words` stored; any words give some attempt."""
    rows = np.ascontiguousarray(words[:, :n])
    values, solution, sparse = (
        np.nan_to_num(rows[k].view(np.float64), posinf=0.0, neginf=0.0) for k in (0, 3, 4)
    )
    fixed, zeros = (rows[k] != 0 for k in (1, 5))
    barred = (rows[2][:, None] & _BITS) != 0
    numbers = np.ascontiguousarray(words[-1, 1 : len(_NUMBERS) + 1]).view(np.float64)
    counts = np.clip(np.nan_to_num(numbers[7:]), 0, 1e9)
    return Attempt(
        *(int(words[-1, 0]), values, fixed, barred, solution, sparse, zeros, Stage.of(words)),
        *numbers[1:7].tolist(),
        *map(int, counts.tolist()),
    )

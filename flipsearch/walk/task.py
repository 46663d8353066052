"""Define the tasks and outcomes of walks, which strategies, executors and engines exchange.

A walk is a pure function of its task: the same `WalkTask` gives the bit-identical `WalkOutcome`
in every engine, on every executor, at any time. A task is cheap to make and to send, because its
start is packed words and not a `Scheme`.

A packed state is a uint64 array of shape (R, 3, K). A factor of d entries takes
W = ceil(max(d) / 64) words a plane. Over F2 there is one plane of bits (K = W). Over F3 and ZT a
plane of nonzeros is followed by a plane of signs, in which 1 marks -1 (K = 2W). Entry e is bit
e % 64 of word e // 64. Over Z and Q entry e is word e, signed, and the last word of the third
factor is the denominator of the term (K = max(d) + 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flipsearch.algebra import bits
from flipsearch.errors import FormatError, UsageError
from flipsearch.formats import Format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme

Words = bits.Words
LARGEST_RANK = 4096
HISTORY = 1024
"""Largest number of new best ranks that an outcome lists."""
REASONS = ("budget", "reached", "stuck", "broken")
STUCK_TIMES = 16
"""Number of times without a possible flip, since the best rank, that a walk survives."""


@dataclass(frozen=True)
class Policy:
    """Rules that a walk follows between flips.

    A field means the same in every kind of walk, or the kind refuses it.

    Parameters
    ----------
    plus_after : int
        Number of steps before a plus transition, counted from the event that `plus_since` names.
        With 0 a plus transition is made only if no row can be flipped.
    band : int
        A plus transition is made only below the best rank of the walk + band.
    stop_rank : int
        The walk stops as soon as the rank is this or lower.
    collect : int
        Number of states of the best rank to return, at least 1. With more than 1, a walk at or
        below `stop_rank` goes on and takes another state every `collect_every` steps.
    collect_every : int
        Number of steps between two collected states.
    merge : bool
        Whether two rows are merged as soon as they agree in two factors. Otherwise only a flip
        that makes a factor zero lowers the rank. Merging finds a lower rank sooner and the lowest
        ranks less often, because it favours schemes without further flips.
    plus_since : str
        ``best``: `plus_after` counts the steps since the last new best rank or plus transition.
        ``lower``: it counts the steps since the last plus transition, or since the rank last fell
        below all its values since then; the next plus transition comes one step later.
    """

    plus_after: int = 50_000
    band: int = 2
    stop_rank: int = 0
    collect: int = 1
    collect_every: int = 10_000
    merge: bool = True
    plus_since: str = "best"

    def __post_init__(self) -> None:
        if min(self.plus_after, self.band, self.stop_rank) < 0:
            raise UsageError("plus_after, band and stop_rank are not negative")
        if self.collect < 1 or self.collect_every < 1:
            raise UsageError("collect and collect_every are at least 1")
        if self.plus_since not in ("best", "lower"):
            raise UsageError("plus_since is best or lower")


@dataclass(frozen=True, eq=False)
class WalkTask:
    """A walk to carry out.

    Parameters
    ----------
    ring : Ring
        F2, F3 or ZT.
    start : uint64 array, shape (R, 3, K)
        Packed state to start from.
    seed : int
        64 bits; with the task's other fields it determines the walk.
    steps : int
        Largest number of steps; a step is one draw and, unless refused, one flip.
    number : int
        The task's number in its run.
    """

    format: Format
    ring: Ring
    start: Words
    seed: int
    steps: int
    policy: Policy = field(default_factory=Policy)
    number: int = 0

    @property
    def rank(self) -> int:
        """The rank of the start."""
        return len(self.start)

    @property
    def orbit(self) -> int:
        """The number of successive rows of the start that form an orbit."""
        return 1

    @property
    def capacity(self) -> int:
        """The largest number of rows: at least rank + band + 1, at most `LARGEST_RANK`."""
        return 64 * blocks_for(self.rank + self.policy.band + 1)


@dataclass(frozen=True, eq=False)
class WalkOutcome:
    """The result of a walk.

    Parameters
    ----------
    number : int
        Number of the task.
    best : tuple of uint64 arrays, shape (R, 3, K)
        One or more states of the lowest rank, in the order in which they were found.
    final : uint64 array, shape (R, 3, K)
        The last state of the walk.
    history : tuple of (step, rank)
        Each new best rank and the step at which it was reached.
    steps, flips, reductions, escapes : int
        Numbers of steps, of flips, of reductions of the rank, and of plus transitions and splits.
    reason : str
        ``budget``, ``reached``, ``stuck`` (repeatedly without a possible flip) or ``broken`` (the
        identity fails at random points: a fault of machine or program).
    """

    number: int
    best: tuple[Words, ...]
    final: Words
    history: tuple[tuple[int, int], ...]
    steps: int
    flips: int
    reductions: int
    escapes: int
    reason: str

    @property
    def rank(self) -> int:
        """The lowest rank of the walk."""
        return len(self.best[0])


def counted(task: WalkTask, history: Words, counts: tuple[Any, ...]) -> dict[str, Any]:
    """Return the fields of an outcome that hold no state.

    The history, shape (H, 2), holds steps and ranks. The counts are steps, flips, reductions,
    escapes, entries of the history, and an index in `REASONS`.
    """
    steps, flips, reductions, escapes, entries, reason = map(int, counts)
    return {
        "number": task.number,
        "history": tuple((int(step), int(rank)) for step, rank in history[:entries]),
        "steps": steps,
        "flips": flips,
        "reductions": reductions,
        "escapes": escapes,
        "reason": REASONS[reason],
    }


def blocks_for(rows: int) -> int:
    """Return the least power of two of blocks of 64 rows for `rows`, up to `LARGEST_RANK`."""
    return 1 << (-(-min(rows, LARGEST_RANK) // 64) - 1).bit_length()


def words_of(format_: Format) -> int:
    """Return W, the 64-bit words of a plane of the longest factor, rounded up to 1, 2 or 4."""
    longest = max(format_.dimensions)
    for words in (1, 2, 4):
        if longest <= 64 * words:
            return words
    raise UsageError(f"{format_}: factors of more than 256 entries cannot be walked")


def pack(scheme: Scheme) -> Words:
    """Return the packed state of a scheme.

    Raises `UsageError` if a factor over F2, F3 or ZT has more than 256 entries.
    """
    if not scheme.ring.is_field_of_search:
        numbers = np.zeros((scheme.rank, 3, max(scheme.format.dimensions) + 1), dtype=np.int64)
        for slot, matrix in enumerate(scheme.factors):
            numbers[:, slot, : matrix.shape[1]] = matrix
        numbers[:, 2, -1] = scheme.denominators
        return numbers.view(np.uint64)
    words = words_of(scheme.format)
    planes = 1 if scheme.ring is Ring.F2 else 2
    packed = np.zeros((scheme.rank, 3, planes * words), dtype=np.uint64)
    for slot, matrix in enumerate(scheme.factors):
        for plane, marks in enumerate((matrix != 0, matrix < 0)[:planes]):
            packed[:, slot, plane * words : (plane + 1) * words] = bits.packed(marks, words)
    return packed


def unpack(format_: Format, ring: Ring, state: Words) -> Scheme:
    """Return the scheme of a packed state.

    Raises `FormatError` if the words do not describe a scheme of the format and ring.
    """
    if not ring.is_field_of_search:
        return _unpack_numbers(format_, ring, state)
    words = words_of(format_)
    planes = 1 if ring is Ring.F2 else 2
    if state.ndim != 3 or state.shape[1:] != (3, planes * words) or state.dtype != np.uint64:
        raise FormatError(
            f"a packed state for {format_} over {ring} has shape (R, 3, {planes * words})"
        )
    factors = []
    for slot, dimension in enumerate(format_.dimensions):
        entries = []
        for plane in range(planes):
            block = state[:, slot, plane * words : (plane + 1) * words]
            marks = bits.unpacked(block, 64 * words)
            if marks[:, dimension:].any():
                raise FormatError("a packed state has bits beyond its factors")
            entries.append(marks[:, :dimension].astype(np.int64))
        factors.append(entries[0] if planes == 1 else entries[0] * (1 - 2 * entries[1]))
    return Scheme(format_, ring, *factors)


def _unpack_numbers(format_: Format, ring: Ring, state: Words) -> Scheme:
    """Return the scheme of a packed state over Z or Q."""
    width = max(format_.dimensions) + 1
    if state.ndim != 3 or state.shape[1:] != (3, width) or state.dtype != np.uint64:
        raise FormatError(f"a packed state for {format_} over {ring} has shape (R, 3, {width})")
    numbers = np.ascontiguousarray(state).view(np.int64)
    u, v, w = (numbers[:, slot, :length] for slot, length in enumerate(format_.dimensions))
    scheme = Scheme(format_, ring, u, v, w, numbers[:, 2, -1])
    if not np.array_equal(pack(scheme), state):
        raise FormatError("a packed state has numbers beyond its factors")
    return scheme

"""Look for other schemes of the same rank from which products of lower rank follow.

The zeros of a scheme decide which terms of a product with blocks of two sizes need less than a
whole block, and the factors that terms share decide its serendipitous products. Walks with plus
transitions change both and come back to the rank.

Invariant: a scheme that is yielded was proved, and the plans have taken it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from random import Random

from flipsearch.constructors.plan import Plan
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.verify import verify
from flipsearch.walk.engine import walk, warm_up
from flipsearch.walk.task import Policy, WalkTask, pack, unpack

LARGEST_VARIED = 6
"""Largest side of the schemes that are varied."""
POOL = 30
"""Schemes of each format from which walks begin."""


def neighbour(scheme: Scheme, random: Random) -> Scheme | None:
    """Return a scheme of the same rank from a walk over F2, F3 or ZT; None if it ends elsewhere.

    The length of the walk, its plus transitions and how far it may climb are drawn.
    """
    plus_after = int(10 ** random.uniform(2, 4.5))
    steps = int(plus_after * 10 ** random.uniform(0, 1.5))
    policy = Policy(
        plus_after=plus_after, band=random.randint(1, 3), merge=scheme.ring is not Ring.F2
    )
    seed = random.getrandbits(60)
    outcome = walk(WalkTask(scheme.format, scheme.ring, pack(scheme), seed, steps, policy))
    if len(outcome.final) != scheme.rank or outcome.reason == "broken":
        return None
    return unpack(scheme.format, scheme.ring, outcome.final)


def variants(
    plans: Sequence[Plan], schemes: Sequence[Scheme], seconds: float, seed: int
) -> Iterator[tuple[Scheme, int]]:
    """Yield schemes from which products of lower rank follow.

    Parameters
    ----------
    plans : sequence of Plan
        Over rings that the schemes serve; they take what is found.
    schemes : sequence of Scheme
        Over F2, F3 or ZT; the walks begin at them.
    seconds : float
        Time to spend, on one core.
    seed : int

    Yields
    ------
    (Scheme, int)
        A proved scheme, and by how much the ranks in all plans fell together.
    """
    random = Random(seed)
    pools: dict[str, list[Scheme]] = {}
    for scheme in schemes:
        pools.setdefault(scheme.format.name, []).append(scheme)
    for pool in pools.values():
        warm_up(pool[0].format, pool[0].ring, pack(pool[0]))
    end = time.monotonic() + seconds
    while pools and time.monotonic() < end:
        pool = random.choice(list(pools.values()))
        found = neighbour(random.choice(pool), random)
        if found is None:
            continue
        if len(pool) < POOL:
            pool.append(found)
        else:
            pool[random.randrange(POOL)] = found
        if any(plan.gain(found) for plan in plans):
            verify(found)
            lower = sum(plan.take(found) for plan in plans)
            if lower:
                yield found.canonical, lower

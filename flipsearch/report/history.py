"""List the moments at which a run improved its best rank.

Invariant: this module only reads. The moment of a scheme is the time at which this run recorded
it, not the time at which it was first stored. A rediscovery counts for the run that made it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import select

from flipsearch.catalogue import Catalogue, Run
from flipsearch.catalogue.arguments import names_of
from flipsearch.catalogue.columns import SCHEMES
from flipsearch.catalogue.tables import PROVENANCE


@dataclass(frozen=True)
class Step:
    """The best rank of a run from a moment on, `seconds` after its start."""

    moment: dt.datetime
    seconds: float
    rank: int


def best_over_time(catalogue: Catalogue, run: Run) -> list[Step]:
    """Return the moments at which a run improved its best rank.

    Only schemes of the run's format and ring count.
    """
    statement = (
        select(PROVENANCE.c.recorded, SCHEMES.c.rank)
        .join(SCHEMES, SCHEMES.c.id == PROVENANCE.c.scheme_id)
        .where(
            PROVENANCE.c.run_id == run.id,
            SCHEMES.c.ring == run.ring.value,
            SCHEMES.c.tabulated == names_of(run.format)[1],
        )
        .order_by(PROVENANCE.c.recorded, SCHEMES.c.rank)
    )
    steps: list[Step] = []
    with catalogue.database.reading() as connection:
        for moment, rank in connection.execute(statement):
            if not steps or rank < steps[-1].rank:
                seconds = max(0.0, (moment - run.started).total_seconds())
                steps.append(Step(moment, seconds, rank))
    return steps

"""What a run found, and when.

Invariant: reading only. A scheme's moment is when this run recorded it, not when it was first
stored, so that a rediscovery counts for the run that made it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import select

from flipsearch.catalogue import Catalogue, Run
from flipsearch.catalogue.models import ProvenanceRow, SchemeRow
from flipsearch.catalogue.queries import names_of


@dataclass(frozen=True)
class Step:
    """From `moment` on, `rank` was the best of the run, `seconds` after its start."""

    moment: dt.datetime
    seconds: float
    rank: int


def best_over_time(catalogue: Catalogue, run: Run) -> list[Step]:
    """Return the moments at which a run improved its best rank.

    Only schemes of the format and over the ring that it searched count.
    """
    statement = (
        select(ProvenanceRow.recorded, SchemeRow.rank)
        .join(SchemeRow, SchemeRow.id == ProvenanceRow.scheme_id)
        .where(
            ProvenanceRow.run_id == run.id,
            SchemeRow.ring == run.ring.value,
            SchemeRow.tabulated == names_of(run.format)[1],
        )
        .order_by(ProvenanceRow.recorded, SchemeRow.rank)
    )
    steps: list[Step] = []
    with catalogue.database.reading() as connection:
        for moment, rank in connection.execute(statement):
            if not steps or rank < steps[-1].rank:
                seconds = max(0.0, (moment - run.started).total_seconds())
                steps.append(Step(moment, seconds, rank))
    return steps

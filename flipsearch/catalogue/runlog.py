"""What a search tells the catalogue about itself, and how it is found again.

Every call commits durably; each counts as a sign of life. The functions behind are in
`flipsearch.catalogue.runs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flipsearch.catalogue import runs
from flipsearch.catalogue.database import Database
from flipsearch.catalogue.queries import as_ring
from flipsearch.catalogue.records import Run
from flipsearch.formats import Format
from flipsearch.rings import Ring


class RunLog:
    """The part of `flipsearch.catalogue.Catalogue` that keeps searches."""

    database: Database

    def start_run(
        self,
        format_: str | Format,
        ring: str | Ring,
        *,
        strategy: str = "pool",
        parameters: Mapping[str, Any] | None = None,
        seed: int | None = None,
        name: str | None = None,
    ) -> Run:
        """Record a search that starts in this process.

        Parameters
        ----------
        format_, ring, strategy, seed
            What is searched, and how.
        parameters : mapping
            Everything else that is needed to go on with it, as JSON values.
        name : str, optional
            A name of the user's, which no other run may have.
        """
        with self.database.writing() as connection:
            return runs.start(
                connection,
                str(format_),
                as_ring(ring),
                strategy=strategy,
                parameters=parameters or {},
                seed=seed,
                name=name,
            )

    def resume_run(self, run: Run | int | str) -> Run:
        """Take over a stopped run, so that this process goes on with it.

        Raises
        ------
        NotFoundError
            There is no such run.
        CatalogueError
            It still runs elsewhere.
        """
        with self.database.writing() as connection:
            return runs.take_over(connection, _key(run))

    def heartbeat(
        self,
        run: Run | int,
        *,
        flips: int | None = None,
        seconds: float | None = None,
        best_rank: int | None = None,
        message: str | None = None,
    ) -> None:
        """Give a sign of life, with totals so far; to be called at least every 30 seconds."""
        self._report(run, flips=flips, seconds=seconds, best_rank=best_rank, message=message)

    def checkpoint(
        self,
        run: Run | int,
        state: Mapping[str, Any],
        *,
        flips: int | None = None,
        seconds: float | None = None,
        best_rank: int | None = None,
    ) -> None:
        """Keep the state a run can go on from, replacing the last one.

        Parameters
        ----------
        run : Run or int
            Which.
        state : mapping
            JSON values and NumPy arrays, nested as one likes; see
            `flipsearch.catalogue.packing.pack_state`.
        flips, seconds, best_rank
            Totals so far.
        """
        self._report(run, flips=flips, seconds=seconds, best_rank=best_rank, state=state)

    def finish_run(
        self,
        run: Run | int,
        status: str = "done",
        *,
        flips: int | None = None,
        seconds: float | None = None,
        best_rank: int | None = None,
        state: Mapping[str, Any] | None = None,
        message: str | None = None,
    ) -> None:
        """Record the end of a run: ``done``, ``interrupted`` or ``failed``, with a last state."""
        totals = {"flips": flips, "seconds": seconds, "best_rank": best_rank}
        self._report(run, **totals, state=state, status=status, message=message)

    def _report(self, run: Run | int, **news: Any) -> None:
        """Record what is new of a run, in a commit of its own; see `runs.report`."""
        with self.database.writing() as connection:
            runs.report(connection, _number(run), **news)

    def load_checkpoint(self, run: Run | int) -> dict[str, Any] | None:
        """Return the last state of a run, or None if it has none.

        Raises
        ------
        CatalogueError
            It is damaged.
        """
        with self.database.reading() as connection:
            return runs.checkpoint_of(connection, _number(run))

    def run(self, run: int | str) -> Run:
        """Return a run by number or name.

        Raises
        ------
        NotFoundError
            There is none.
        """
        with self.database.reading() as connection:
            return runs.require(connection, run)

    def find_run(self, run: int | str) -> Run | None:
        """Return a run by number or name, or None."""
        with self.database.reading() as connection:
            return runs.find_run(connection, run)

    def runs(self, limit: int | None = None) -> list[Run]:
        """Return the runs, latest first."""
        with self.database.reading() as connection:
            return runs.all_runs(connection, limit)


def _number(run: Run | int) -> int:
    return run.id if isinstance(run, Run) else run


def _key(run: Run | int | str) -> int | str:
    return run.id if isinstance(run, Run) else run

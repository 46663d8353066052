"""What a search tells the catalogue about itself, and how it is found again.

Every call commits durably; each counts as a sign of life. The functions behind are in
`flipsearch.catalogue.runs`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flipsearch.catalogue import arguments, runs
from flipsearch.catalogue.database import Database
from flipsearch.catalogue.queries import as_ring, names_of, run_name
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
        given: dict[str, Any] = {
            "format_": names_of(format_)[0],
            "ring": as_ring(ring),
            "strategy": arguments.text("strategy", strategy),
            "parameters": arguments.mapping("parameters", parameters or {}),
            "seed": None if seed is None else arguments.whole("seed", seed),
            "name": None if name is None else arguments.text("name", name),
        }
        with self.database.writing() as connection:
            return runs.start(connection, **given)

    def resume_run(self, run: Run | int | str) -> Run:
        """Take over a stopped run, so that this process goes on with it.

        Raises
        ------
        NotFoundError
            There is no such run.
        CatalogueError
            It still runs elsewhere.
        """
        key = run.id if isinstance(run, Run) else run_name(run)
        with self.database.writing() as connection:
            return runs.take_over(connection, key)

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
        number = run_number(run)
        checked = {
            name: None if value is None else _CHECKS[name](name, value)
            for name, value in news.items()
        }
        with self.database.writing() as connection:
            runs.report(connection, number, **checked)

    def load_checkpoint(self, run: Run | int) -> dict[str, Any] | None:
        """Return the last state of a run, or None if it has none.

        Raises
        ------
        CatalogueError
            It is damaged.
        """
        number = run_number(run)
        with self.database.reading() as connection:
            return runs.checkpoint_of(connection, number)

    def run(self, run: int | str) -> Run:
        """Return a run by number or name.

        Raises
        ------
        NotFoundError
            There is none.
        """
        name = run_name(run)
        with self.database.reading() as connection:
            return runs.require(connection, name)

    def find_run(self, run: int | str) -> Run | None:
        """Return a run by number or name, or None."""
        name = run_name(run)
        with self.database.reading() as connection:
            return runs.find_run(connection, name)

    def runs(self, limit: int | None = None) -> list[Run]:
        """Return the runs, latest first."""
        most = None if limit is None else arguments.whole("limit", limit, 0)
        with self.database.reading() as connection:
            return runs.all_runs(connection, most)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "flips": arguments.whole,
    "seconds": arguments.real,
    "best_rank": arguments.whole,
    "message": arguments.text,
    "state": arguments.mapping,
    "status": arguments.text,
}


def run_number(run: Run | int) -> int:
    """Return the number of a run, given as such or by the run."""
    return run.id if isinstance(run, Run) else arguments.whole("run", run)

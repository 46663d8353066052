"""runs replay: carry out again a task that brought a run a scheme.

Invariant: the walk begins from the logged task alone, so it gives the same outcome on any machine.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from flipsearch.cli.names import opened
from flipsearch.cli.output import print_json, print_table
from flipsearch.errors import NotFoundError


def run_replay(arguments: argparse.Namespace) -> int:
    """Walk a logged task, prove its best scheme, and print what came of it."""
    from flipsearch.search.journal import Journal
    from flipsearch.verify import verify
    from flipsearch.walk import engine
    from flipsearch.walk.kinds import kind_named, kind_of
    from flipsearch.walk.task import unpack

    with opened(arguments) as catalogue:
        run = catalogue.runs.get(arguments.run)
        finds = Journal.loaded(catalogue.runs.last_checkpoint(run)).finds
        saved = finds.get(str(arguments.task))
        if saved is None:
            known = ", ".join(finds) or "none"
            raise NotFoundError(
                f"run {run.id} has no log of task {arguments.task}; it has those of: {known}"
            )
        task = kind_named(saved["kind"]).decode(saved)
        started = time.perf_counter()
        outcome = engine.walk(task)
        seconds = time.perf_counter() - started
        scheme = unpack(task.format, task.ring, outcome.best[0])
        verify(scheme)
        values: dict[str, Any] = {
            "run": run.id,
            "task": task.number,
            "kind": kind_of(task).name,
            "format": str(task.format),
            "ring": str(task.ring),
            "from": task.rank,
            "rank": outcome.rank,
            "steps": outcome.steps,
            "seconds": round(seconds, 3),
            "scheme": scheme.content_hash,
            "stored": scheme in catalogue.schemes,
        }
    if arguments.json:
        print_json(values)
    else:
        short = values | {"scheme": scheme.content_hash[:12], "seconds": f"{seconds:.2f}"}
        short["stored"] = "yes" if values["stored"] else "no"
        print_table(tuple(short), [tuple(short.values())])
    return 0

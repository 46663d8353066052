"""Show a progress bar for a study in a terminal or a notebook.

rich draws the bar and is imported only for that. In a pipe or a log there is no bar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flipsearch.formats.named import short_name
from flipsearch.search.progress import Progress
from flipsearch.search.strategy import Strategy

Show = Callable[[Strategy, Progress], None]


@contextmanager
def live_bar(seconds: float, wanted: bool | None) -> Iterator[Show]:
    """Show a bar of so many seconds on standard error; give the function that updates it.

    By default (`wanted` is None) a bar is shown in a terminal or a notebook only.
    """
    if wanted is not False:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        wanted = wanted or console.is_terminal or console.is_jupyter
    if not wanted:
        yield lambda strategy, progress: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(20), TimeRemainingColumn())
    with Bar(*columns, console=console, refresh_per_second=4) as bar:
        shown = bar.add_task("compiling", total=seconds)

        def show(strategy: Strategy, progress: Progress) -> None:
            text = (
                f"{short_name(strategy.format)} {strategy.ring}  rank {progress.best_rank}  "
                f"{progress.flips_per_second / 1e6:.0f} M flips/s  {progress.message}"
            )
            bar.update(shown, description=text.rstrip(), completed=progress.seconds)

        yield show

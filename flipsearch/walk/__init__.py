"""The hot loop: packed states, tasks and outcomes, and the engines that walk them."""

from pathlib import Path

from flipsearch.compiled import drop_stale

drop_stale(Path(__file__).parent)

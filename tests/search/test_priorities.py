"""A file of priorities is read, refused in one line, and read again when it changes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flipsearch.errors import FormatError, UsageError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.search.members import formats_within
from flipsearch.search.priorities import Priorities, read_priorities
from flipsearch.search.strategies.meta import MetaStrategy
from flipsearch.search.strategies.pool import PoolStrategy


def test_a_file_of_priorities(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text("# first the small ones\n3x2x2 5\n\n2x2x2 0.5  # known\n")
    assert read_priorities(path) == {"2x2x3": 5.0, "2x2x2": 0.5}


@pytest.mark.parametrize(
    "line", ["2x2x2", "2x2x2 -1", "2x2x2 nan", "ss:2x2x2 1", "2x2 1", "a b c"]
)
def test_wrong_lines_are_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text(f"2x2x2 1\n{line}\n")
    with pytest.raises(FormatError, match="line 2: write a format and a factor"):
        read_priorities(path)


def test_changes_are_taken_up_and_errors_change_nothing(tmp_path: Path) -> None:
    path, said = tmp_path / "p.txt", []
    strategy = MetaStrategy(formats_within(2, 3), Ring.F2, 1)
    study: Any = SimpleNamespace(strategy=strategy)
    priorities = Priorities(path, said.append)
    with pytest.raises(UsageError, match="No such file"):
        priorities.apply(strategy)
    path.write_text("2x2x2 3\n")
    priorities(study)
    priorities(study)
    assert strategy.priorities == {"2x2x2": 3.0}
    assert said == [f"{path} was read again"]
    path.write_text("4x4x4 3 \n")
    priorities(study)
    priorities(study)
    assert strategy.priorities == {"2x2x2": 3.0}
    assert len(said) == 2
    assert "4x4x4 is not among the formats" in said[1]


def test_other_strategies_have_no_priorities(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("2x2x2 1\n")
    strategy = PoolStrategy(parse_format("2x2x2"), Ring.F2, 1)
    with pytest.raises(UsageError, match="priority has no effect with"):
        Priorities(tmp_path / "p.txt", print).apply(strategy)

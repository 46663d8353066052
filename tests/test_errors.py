"""Messages name options as the reader types them: on the command line, or in Python."""

import pytest

from flipsearch.errors import UsageError, on_the_command_line


@pytest.mark.parametrize(
    ("message", "in_python"),
    [
        ("--fresh has no effect with --from: leave one out", "fresh has no effect with start"),
        ("or take --strategy cyclic", "or take strategy cyclic"),
        ("choose another: --db", "choose another: Catalogue.open(path)"),
        ("`reduce --keep 7` finds them; without --keep not", "`reduce --keep 7` finds them; with"),
        ("run pip install --upgrade flipsearch", "run pip install --upgrade flipsearch"),
    ],
)
def test_options_are_arguments_in_python(message, in_python):
    error = UsageError(message)
    assert str(error).startswith(in_python)
    with on_the_command_line():
        assert str(error) == message
    assert str(error).startswith(in_python)

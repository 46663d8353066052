"""`python -m flipsearch`: the command line."""

import sys

from flipsearch.cli import main

if __name__ == "__main__":
    sys.exit(main())

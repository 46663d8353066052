"""search, resume, runs: walk the flip graph and keep what is found."""

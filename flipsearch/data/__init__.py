"""Facts that ship with the program: the known bounds, with their sources."""

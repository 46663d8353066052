"""Walk by orbits of C3 or C3 x Z2, over F2."""

"""Walk by orbits of rotated indices, over F3 and ZT."""

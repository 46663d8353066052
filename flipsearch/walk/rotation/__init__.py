"""Walks by orbits of the rotation of the indices, over F3 and ZT."""

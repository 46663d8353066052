"""Walks term by term, over F2, F3 and ZT."""

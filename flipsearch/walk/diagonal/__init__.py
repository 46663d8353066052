"""Walk modulo diagonal terms: a triangular matrix times a symmetric one, over F3."""

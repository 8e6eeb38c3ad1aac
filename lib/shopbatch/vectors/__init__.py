"""Vectors in 8 bits, and the best of them for a query: shared by search and pictures."""

"""Exact and approximate nearest-neighbour search over 8-bit vectors; shared by `search` and `images`."""

"""Reranking: a cross-encoder reads query and product together, for the best products of a search."""

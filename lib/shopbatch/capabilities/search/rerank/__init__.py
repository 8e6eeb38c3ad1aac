"""Reranking: a cross-encoder reads query and product text together, and reorders the best products of a search."""

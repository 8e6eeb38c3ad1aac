"""Encoders, one module per backend: texts in, vectors out."""

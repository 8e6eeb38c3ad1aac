"""Encoders by backend: texts in, vectors out."""

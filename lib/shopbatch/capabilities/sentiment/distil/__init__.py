"""A small sentiment model learns from a large one: distil_encoder."""

"""Translation engines, one module per backend: the program Apertium, and sequence-to-sequence models."""

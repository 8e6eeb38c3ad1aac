"""Text generators, one module per backend: prompts in, answers out."""

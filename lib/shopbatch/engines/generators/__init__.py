"""Text generators, one module per backend; each turns prompts into answers."""

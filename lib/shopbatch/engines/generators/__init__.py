"""Text generators by backend: prompts in, answers out."""

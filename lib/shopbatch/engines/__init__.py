"""Engines: the backends that turn texts or pictures into vectors, and prompts into answers, chosen by `kind`."""

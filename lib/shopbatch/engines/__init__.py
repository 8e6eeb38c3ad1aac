"""Engines: backends that turn texts into vectors, or prompts into answers. A configuration chooses one by `kind`."""

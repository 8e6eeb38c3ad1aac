"""Search: the catalogue embedded and indexed, and queries answered by words and by meaning."""

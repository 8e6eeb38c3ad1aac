"""Finds what would make a run fail, before it starts. Some functions gather facts, others turn them into findings."""

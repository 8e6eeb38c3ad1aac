"""Metrics that judge outputs. They take arrays and texts, and know nothing of models or jobs."""

"""Metrics, intervals and baselines that judge model outputs. They take arrays and texts, and know no model or job."""

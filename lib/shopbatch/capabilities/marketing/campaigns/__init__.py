"""Measure what campaigns caused, from experiments with a randomised control (job `measure_campaigns`)."""

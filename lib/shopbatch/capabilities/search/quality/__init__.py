"""Measures and judges the quality of the search on judged queries: the job `evaluate_search`."""

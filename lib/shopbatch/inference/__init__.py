"""The machinery of every inference job: computes each content once and publishes a checked table; start at `run.py`."""

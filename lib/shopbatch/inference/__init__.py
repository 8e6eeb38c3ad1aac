"""The machinery of every inference job: content, recipe, memo, pending, compute, audit, publish. `run.py` is the door."""

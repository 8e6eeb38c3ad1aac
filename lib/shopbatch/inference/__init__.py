"""What every inference job shares: content, recipe, memo, pending, compute, audit, publish. Entry point: `run.py`."""

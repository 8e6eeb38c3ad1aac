"""What every inference job shares: content, recipe, memo, pending, compute, audit, publish. Its door is `run.py`."""

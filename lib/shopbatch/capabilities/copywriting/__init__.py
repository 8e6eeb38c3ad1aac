"""THE MACHINERY of product copy: rules that copy must pass, coverage, estimate, report. `run.py` is its door."""

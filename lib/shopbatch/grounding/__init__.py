"""Whether copy says only what a product's attributes say. No model, no I/O; `check.py` is the door."""

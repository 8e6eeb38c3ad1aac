"""Whether copy says only what a product's attributes say. No model and no I/O; the entry point is `check.check`."""

"""The `shopbatch` command line."""

"""Training: from tables to a model that `models/registry.py` can publish, with one loop for every objective."""

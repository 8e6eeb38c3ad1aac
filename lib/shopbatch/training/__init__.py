"""How a model is trained: from tables to something that `models/registry.py` can publish."""

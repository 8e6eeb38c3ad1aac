"""What is trained: one file a model; `registry.py` keeps them, `folder.py` says what a model folder is."""

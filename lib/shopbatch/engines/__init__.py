"""Who answers: one file a backend, chosen by `kind` in conf; `engine.py` is the protocol."""

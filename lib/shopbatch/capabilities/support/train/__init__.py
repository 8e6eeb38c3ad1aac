"""Fits, judges and publishes the model `intents` (the job train_intents). Entry point: `run.train_intents`."""

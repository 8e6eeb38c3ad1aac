"""Fits, judges and publishes the model of intents. Entry point: `run.train_intents`."""

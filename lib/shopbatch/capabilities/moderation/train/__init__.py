"""Fits, judges and publishes the model of moderation. Entry point: `run.train_moderation`."""

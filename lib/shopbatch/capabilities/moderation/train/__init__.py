"""Trains, judges and publishes the model `moderation`. The entry point is `run.train_moderation`."""

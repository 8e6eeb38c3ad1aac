"""Fits, judges and publishes the recommender. Entry point: `run.train_recommender`."""

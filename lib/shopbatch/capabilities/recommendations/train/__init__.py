"""Fit, judge and publish the recommender. The entry point is `run.train_recommender`."""

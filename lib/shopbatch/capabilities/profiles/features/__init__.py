"""Compute the features of users in Spark, by pure functions from data frames to data frames."""

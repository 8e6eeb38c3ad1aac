"""The features of a user as Spark expressions. Every module holds pure functions from data frames to data frames."""

"""The features of a user, as Spark expressions: pure functions of data frames."""

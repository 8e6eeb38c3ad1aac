"""User profiles as pure functions of Spark DataFrames: rows -> facts -> daily tiles -> features. No I/O, no actions."""

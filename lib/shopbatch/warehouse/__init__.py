"""Delta tables and Parquet files: the store, files, the bridge to Spark, gates."""

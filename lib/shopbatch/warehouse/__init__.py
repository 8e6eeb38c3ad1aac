"""Delta tables and Parquet files: the store and its snapshots, files, the bridge to Spark, gates, publishing."""

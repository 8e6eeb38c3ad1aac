"""Reads and writes the warehouse: Delta tables pinned as snapshots, Parquet files with checksums, gates, commits."""

"""More scenarios than fit in memory: Parquet in, Parquet out."""

"""Image encoders, one module per backend: kept pictures in, vectors out."""

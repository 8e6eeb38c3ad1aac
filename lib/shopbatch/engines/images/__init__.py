"""Image encoders, one module per backend; each turns pictures into embedding vectors."""

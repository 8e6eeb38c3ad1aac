"""Text encoders, one module per backend; each turns texts into embedding vectors."""

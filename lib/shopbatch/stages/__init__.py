"""What happens to a batch: pure functions of batches, no I/O; columns in and columns out are stated as data."""
